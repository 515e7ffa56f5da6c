"""Values that are given inline, as `key:value`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from datmo.errors import InvalidArgument

__all__ = ["parse_pairs"]

_PYTHONS = {"True": True, "False": False, "None": None}


def parse_pairs(name: str, pairs: Iterable[str]) -> dict[str, Any]:
    """Return the values of some `key:value`; the first colon separates, and the last of a key wins.

    A value is JSON where it can be read as that (`0.1`, `true`, `null`, `[64, 32]`, `"0.1"`), else the text itself.

    Parameters:
        name: what they are, for the error.
        pairs: as somebody typed them.

    Raises:
        InvalidArgument: one has no key, or no colon.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, colon, text = pair.partition(":")
        if not colon or not key.strip():
            raise InvalidArgument(f"{pair!r} is no {name}: it has no key and value", hint=f"--{name} lr:0.1")
        values[key.strip()] = _value(text.strip())
    return values


def _value(text: str) -> Any:
    if text in _PYTHONS:
        return _PYTHONS[text]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
