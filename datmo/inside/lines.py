"""The lines of the outbox, for the values that are not plain numbers."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["LONGEST", "NAME_LENGTH", "OPT_APPEND_NEWLINE", "artifact", "dumps", "points", "values"]

LONGEST = 1 << 16
"""Bytes of the longest line, with its newline."""

NAME_LENGTH = 200
"""Characters of the longest name of a metric."""

OPT_APPEND_NEWLINE = 0
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def dumps(content: Any, /, default: Callable[[Any], Any] | None = None, option: int | None = None) -> bytes:
    """Return one line, as `orjson.dumps` does, for Pythons that do not have that.

    Raises:
        ValueError: there is NaN or an infinity in it.
    """
    return _encode(content).encode("ascii") + b"\n"


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a metric is named by text, not by {name!r}")
    if not 0 < len(name) <= NAME_LENGTH or not name.isprintable():
        raise ValueError(f"{name!r} cannot name a metric: 1 to {NAME_LENGTH} printable characters can")
    return name


def points(step: Any, given: Mapping[Any, Any], at: float) -> bytes:
    """Return the line of some points, whatever kinds of numbers they are.

    Raises:
        TypeError, ValueError: a value is no number, or a name or the step cannot be one.
    """
    if not given:
        raise ValueError("there is nothing to log: give values by their names, such as loss=0.2")
    line: dict[str, Any] = {"log": {_name(name): _number(name, value) for name, value in given.items()}}
    if step is not None:
        line["step"] = _step(step)
    line["time"] = at
    return _line(line)


def values(kind: str, given: Mapping[Any, Any]) -> bytes:
    """Return the line of configuration or results.

    Raises:
        TypeError, ValueError: a value cannot be kept.
    """
    return _line({kind: _fold(given, kind)})


def artifact(path: str, name: str | None = None) -> bytes:
    """Return the line of a file: in the task's folder, or of one elsewhere with the name that it is kept under."""
    return _line({"artifact": path} if name is None else {"artifact": path, "name": name})


def _line(content: Mapping[str, Any]) -> bytes:
    line = dumps(content)
    if len(line) > LONGEST:
        raise ValueError(f"this is {len(line)} bytes, and {LONGEST} may be logged at once: write a file instead")
    return line


def _number(name: str, value: Any) -> Any:
    """Return a number as JSON has it: scalars of numerical packages are numbers, too; text is none."""
    if isinstance(value, (str, bytes, bytearray)) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise TypeError(f"{name} is {_shown(value)}, which is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} is {_shown(value)}, which is no number: {error}") from error
    return number if math.isfinite(number) else {"$float": repr(number)}


def _step(step: Any) -> int:
    try:
        number = step.__index__()
    except AttributeError:
        number = int(step) if isinstance(step, float) and step.is_integer() else None
    if number is None or not -(1 << 63) <= number < 1 << 63:
        raise TypeError(f"a step is an integer of 64 bits, not {_shown(step)}")
    return int(number)


def _fold(value: Any, where: str) -> Any:
    """Return a value as the event log writes it; see `datmo.eventlog.codec`."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value) if -(1 << 63) <= value < 1 << 63 else {"$int": str(int(value))}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
    if isinstance(value, Mapping):
        return {_key(key, where): _fold(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_fold(item, f"{where}[{place}]") for place, item in enumerate(value)]
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    plain = getattr(value, "tolist", None)  # scalars and arrays of numerical packages
    if callable(plain):
        return _fold(plain(), where)
    raise TypeError(f"{where} is {_shown(value)}: text, numbers, booleans, and lists or dicts of them can be kept")


def _key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{where} has the key {key!r}, which is not text")
    return "$" + key if key.startswith("$") else key


def _shown(value: Any) -> str:
    text = repr(value)
    return f"the {type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
