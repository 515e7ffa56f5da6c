"""Sweeps: one command for many values of its parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from datmo.errors import InvalidArgument

__all__ = ["MOST", "TaskSpec", "combinations", "crossed", "fill", "parse_axis", "parse_value", "variables"]

_RANGE = re.compile(r"(-?[0-9]{1,15})\.\.(-?[0-9]{1,15})")
_PLACE = re.compile(r"\{([^{}]+)\}")
MOST = 100_000
"""Tasks of one sweep; whoever asks for more has mistyped a range."""


@dataclass(frozen=True)
class TaskSpec:
    """One task of many.

    Parameters:
        command: text, split as a shell splits words, or a list of words. `{name}` in a word stands for the parameter of
            that name; other braces stay.
        parameters: become the task's config, and environment variables `DATMO_PARAM_<NAME>`.
        name: a name for people.
    """

    command: str | Sequence[str]
    parameters: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    name: str | None = field(default=None, kw_only=True)


def parse_axis(text: str) -> tuple[str, list[Any]]:
    """Return the name and the values of `lr=0.1,0.01` or `seed=0..3` (both ends included).

    Raises:
        InvalidArgument: it is not of that form.
    """
    name, equals, listed = text.partition("=")
    if not equals or not name.strip() or not listed.strip():
        raise InvalidArgument(f"{text!r} names no values", hint="give NAME=VALUE,VALUE or NAME=FIRST..LAST")
    values: list[Any] = []
    for part in listed.split(","):
        found = _RANGE.fullmatch(part.strip())
        if found is None:
            values.append(parse_value(part.strip()))
            continue
        first, last = int(found[1]), int(found[2])
        if abs(last - first) >= MOST:
            raise InvalidArgument(f"{text!r} has more than {MOST} values", hint="give a smaller range")
        values.extend(range(first, last + 1) if first <= last else range(first, last - 1, -1))
    return name.strip(), values


def parse_value(text: str) -> Any:
    """Return what a word of an axis or a cell of a table stands for: JSON where it is JSON, else itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def combinations(axes: Iterable[tuple[str, Sequence[Any]]]) -> list[dict[str, Any]]:
    """Return every combination of the values of some axes, the last axis the quickest; one empty one without axes.

    Raises:
        InvalidArgument: an axis is named twice, or there are too many.
    """
    listed = list(axes)
    names = [name for name, _ in listed]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidArgument(f"the parameter {twice!r} is given twice", hint="list all its values at once")
    count = 1
    for _, values in listed:
        count *= len(values)
    if count > MOST:
        raise InvalidArgument(f"these are {count} tasks, more than {MOST}", hint="give fewer values")
    return [dict(zip(names, values, strict=True)) for values in product(*(values for _, values in listed))]


def crossed(rows: Sequence[Mapping[str, Any]], points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each of some parameters with each combination of a grid.

    Raises:
        InvalidArgument: one is in both, or there are too many.
    """
    if len(rows) * len(points) > MOST:
        raise InvalidArgument(f"these are {len(rows) * len(points)} tasks, more than {MOST}", hint="give fewer values")
    for row in rows:
        if twice := next((name for name in row if any(name in point for point in points)), None):
            raise InvalidArgument(f"the parameter {twice!r} is given twice: in the file and as a grid")
    return [{**row, **point} for row in rows for point in points]


def fill(words: Sequence[str], parameters: Mapping[str, Any]) -> list[str]:
    """Return the words of a command with `{name}` replaced by the parameter of that name; other braces stay."""

    def value(place: re.Match[str]) -> str:
        return _text(parameters[place[1]]) if place[1] in parameters else place[0]

    return [_PLACE.sub(value, word) for word in words] if parameters else list(words)


def variables(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters as environment variables: `DATMO_PARAM_` and the name, upper-cased, other characters `_`."""
    return {f"DATMO_PARAM_{re.sub('[^A-Z0-9]', '_', name.upper())}": _text(value) for name, value in parameters.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
