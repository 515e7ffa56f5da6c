"""How the data of an event becomes bytes and comes back.

JSON in UTF-8, and for what JSON cannot say an object with one key:

=====================  ==========================================================================
``{"$float": "nan"}``  NaN; likewise ``"inf"`` and ``"-inf"``
``{"$int": "…"}``      an integer beyond 64 bits, in decimal digits
``{"$bytes": "…"}``    bytes, in base 64
``{"$text": "…"}``     text with lone surrogates (file names that are not UTF-8), in base 64 of
                       its UTF-8 with surrogates passed through
``{"$time": "…"}``     an aware datetime, ISO 8601 with its offset
=====================  ==========================================================================

A key of the caller's own that begins with ``$`` gets one more ``$``. Tuples come back as lists; numbers of numerical
packages as plain numbers. Nothing else is stored: a value of another type is refused by name.

orjson writes NaN as ``null`` without a word, so each value would have to be looked at. It is enough to look at the
result: without ``null`` in it there was none, and without ``$`` there is nothing to unfold. Only what has one of the
two is walked.
"""

from __future__ import annotations

import base64
import math
import os
import re
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import orjson

from datmo.errors import InvalidArgument, InvalidArgumentType

__all__ = ["decode", "encode", "unfold"]

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_SORTED = _OPTIONS | orjson.OPT_SORT_KEYS
_INT64 = range(-(1 << 63), 1 << 63)

# Both run for every event. `b"null" in data` takes three times as long as this search, a single byte a tenth.
_has_null = re.compile(rb"null").search
_DOLLAR = ord("$")


def encode(data: Any, *, sort_keys: bool = False) -> bytes:
    """Return the bytes that a value is stored as.

    Parameters:
        data: dicts with text keys, lists, tuples, text, numbers, booleans, None, bytes, aware datetimes; also paths
            and UUIDs (as text), enumerations (as their values), scalars and arrays of numerical packages.
        sort_keys: give equal values equal bytes.

    Raises:
        InvalidArgumentType: a value or a key has a type that is not stored.
        InvalidArgument: a time without a time zone, a key that is not valid text, or nesting without end.
    """
    options = _SORTED if sort_keys else _OPTIONS
    try:
        encoded = orjson.dumps(data, _unknown, options)
    except orjson.JSONEncodeError:
        pass  # too large, not UTF-8 or of a wrong type: the walk below folds it, or says where it is
    else:
        if _DOLLAR not in encoded and not _has_null(encoded):
            return encoded
    try:
        return orjson.dumps(_fold(data, "data"), None, options)
    except (orjson.JSONEncodeError, RecursionError):
        raise InvalidArgument("data is nested too deeply to be stored", hint="at most 250 levels, no cycles") from None


def decode(encoded: bytes | str) -> Any:
    """Return the value that bytes of `encode` stand for.

    Raises:
        ValueError: the bytes are not what `encode` writes.
    """
    value = orjson.loads(encoded)
    if _DOLLAR in encoded if isinstance(encoded, bytes) else "$" in encoded:
        return unfold(value)
    return value


def _unknown(value: Any) -> Any:
    """Turn what orjson does not know into what it does; the tags in it make `encode` walk the whole."""
    return _fold(value, "data")


def _fold(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _fold_text(str.__str__(value))
    if isinstance(value, int):
        return int(value) if value in _INT64 else {"$int": str(int(value))}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
    if isinstance(value, Mapping):
        return {_fold_key(key, where): _fold(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_fold(item, f"{where}[{place}]") for place, item in enumerate(value)]
    return _fold_rarer(value, where)


def _fold_rarer(value: Any, where: str) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidArgument(f"{where} is a time without a time zone: {value}", hint="give it one, such as UTC")
        return {"$time": value.isoformat()}
    if isinstance(value, Enum):
        return _fold(value.value, where)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, os.PathLike):
        return _fold_text(os.fsdecode(value))
    # Scalars and arrays of numerical packages, without importing any of them: a scalar's `tolist` is the number.
    if callable(plain := getattr(value, "tolist", None)):
        return _fold(plain(), where)
    raise InvalidArgumentType(
        f"{where} is a {type(value).__name__}, which cannot be stored",
        hint="give text, numbers, booleans, lists or dicts of them, bytes, or times with a time zone",
    )


def _fold_text(text: str) -> Any:
    try:
        text.encode()
    except UnicodeEncodeError:
        return {"$text": base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()}
    return text


def _fold_key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise InvalidArgumentType(f"{where} has the key {key!r}, which is not text", hint="use text keys")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{where} has a key that is not valid text: {key!r}") from None
    return "$" + key if key.startswith("$") else str.__str__(key)


def unfold(value: Any) -> Any:
    """Return a value of plain JSON with its tags turned into what they stand for.

    Raises:
        ValueError, TypeError: a tag is unknown, or stands for nothing.
    """
    if isinstance(value, list):
        return [unfold(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, item),) = value.items()
        if key.startswith("$") and not key.startswith("$$"):
            return _untag(key, item)
    return {key.removeprefix("$"): unfold(item) for key, item in value.items()}


def _untag(tag: str, item: Any) -> Any:
    match tag:
        case "$float":
            return float(item)
        case "$int":
            return int(item)
        case "$bytes":
            return base64.b64decode(item, validate=True)
        case "$text":
            return base64.b64decode(item, validate=True).decode("utf-8", "surrogatepass")
        case "$time":
            return datetime.fromisoformat(item)
    raise ValueError(f"unknown tag {tag!r}")
