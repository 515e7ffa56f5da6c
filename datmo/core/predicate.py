"""Whether an expression holds for plain values: what the SQL of `datmo.projections.selecting` is held against."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from datmo.core.expression import AllOf, AnyOf, Comparison, Key, Literal, Node, Not, number_of

__all__ = ["holds", "lowered"]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def lowered(text: str) -> str:
    """Return text with ASCII letters in lower case, as SQLite's `lower` does."""
    return text.translate(_LOWER)


_MISSING = object()


def holds(node: Node, values: Mapping[str, Any]) -> bool:
    """Say whether an expression holds.

    Parameters:
        node: the expression.
        values: the fields by their names; times in microseconds.
    """
    match node:
        case AllOf(parts):
            return all(holds(part, values) for part in parts)
        case AnyOf(parts):
            return any(holds(part, values) for part in parts)
        case Not(part):
            return not holds(part, values)
        case Comparison(key, sign, value):
            found = _find(key, values)
            return found is not _MISSING and _compare(found, sign, value)


def _find(key: Key, values: Mapping[str, Any]) -> Any:
    found = values[key.field]
    for part in key.path:
        if not isinstance(found, Mapping) or part not in found:
            return _MISSING
        found = found[part]
    return found


def _compare(found: Any, sign: str, value: Literal) -> bool:
    if sign == "!=":
        return not _compare(found, "==", value)
    if value is None or isinstance(value, bool):
        return found is value
    if isinstance(value, str):
        if not isinstance(found, str) or not _is_valid(found):
            return False
        return lowered(value) in lowered(found) if sign == "~" else _COMPARE[sign](found, value)
    number = number_of(found)
    return number is not None and _COMPARE[sign](number, value)


def _is_valid(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
