"""What the lines of an outbox say; see `datmo.inside` for their form."""

from __future__ import annotations

import json
import math
import time
from array import array
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import orjson

from datmo.core.points import Columns
from datmo.errors import InvalidArgument
from datmo.eventlog.codec import encode, unfold

__all__ = ["Lines", "Said"]

_LONGEST = 1 << 16
_NAME_LENGTH = 200
_MOST_SERIES = 10_000
_KINDS = ("log", "config", "results", "artifact")
_NUMBERS = frozenset([float, int])
_DIGITS = 19
"""Of integers that do not fit into 64 bits, at least."""

_FIRST_STEP, _LAST_STEP = -(1 << 63), (1 << 63) - 1
_LATEST = 1e11
"""Seconds since 1970 after which a time was meant otherwise."""


class Said:
    """What some lines say.

    Parameters:
        now: when they are read, for points that do not say when they were.

    Attributes:
        series: points by the names of their metrics.
        config, results: what was reported.
        artifacts: the paths of the files that are to be kept, and what they are called if not so.
        bad: how many lines could not be used.
        why: what was wrong with the first of them.
    """

    def __init__(self, now: float) -> None:
        self.now = now
        self.series: dict[str, Columns] = {}
        self._adding: dict[str, tuple[Callable[[int], None], Callable[[float], None], Callable[[float], None]]] = {}
        self.config: dict[str, Any] = {}
        self.results: dict[str, Any] = {}
        self.artifacts: list[tuple[str, str | None]] = []
        self.bad: int = 0
        self.why: str | None = None

    def column(self, name: str) -> Columns:
        """Return the points of a metric, to be added to."""
        columns = self.series.get(name)
        if columns is None:
            columns = self.series[name] = Columns.empty()
            self._adding[name] = (columns.steps.append, columns.times.append, columns.values.append)
        return columns

    def plain(self, content: Any) -> bool:
        """Add a line of nothing but points, of metrics that have some already; say whether it was one."""
        try:
            values, step, at = content["log"], content["step"], content["time"]
            if type(step) is not int or not _FIRST_STEP <= step <= _LAST_STEP or len(content) != 3:
                return False
            if type(at) is not float or not 0 <= at < _LATEST:
                return False
            adding = self._adding
            for name, value in values.items():
                if type(value) not in _NUMBERS or name not in adding:
                    return False
            for name, value in values.items():
                add_step, add_time, add_value = adding[name]
                add_step(step)
                add_time(at)
                add_value(value)
        except (TypeError, KeyError, AttributeError):
            return False
        return True

    def complain(self, why: str) -> None:
        """Count a line that cannot be used."""
        self.bad += 1
        self.why = self.why or why


class Lines:
    """Understands lines; points without a step go on where their series has come to.

    Parameters:
        last_steps: the last step of each series.
    """

    def __init__(self, last_steps: Mapping[str, int] | None = None) -> None:
        self._last = dict(last_steps or {})

    def taken(self, series: Mapping[str, Columns]) -> None:
        """Remember points that were recorded."""
        self._last.update({name: columns.steps[-1] for name, columns in series.items()})

    def understand(self, data: bytes) -> Said:
        """Return what some whole lines say."""
        said = Said(time.time())
        lines = [line for line in data.split(b"\n") if line]
        for content, line in zip(_parsed(data, lines), lines, strict=True):
            if said.plain(content):  # nearly all: there are millions
                continue
            if type(content) is not dict or len(line) >= _LONGEST:
                if not line.isspace():
                    said.complain(_shown(line, "no JSON object" if len(line) < _LONGEST else "too long"))
                continue
            try:
                self._add(said, content)
            except (TypeError, ValueError, InvalidArgument) as error:
                said.complain(_shown(line, str(error)))
        return said

    def _add(self, said: Said, content: dict[str, Any]) -> None:
        """Add one line, whole or not at all.

        Raises:
            TypeError, ValueError, InvalidArgument: it is not as it should be.
        """
        if "log" not in content and not any(kind in content for kind in _KINDS):
            raise ValueError(f"it has none of {', '.join(_KINDS)}")
        config, results = _values(content.get("config", {})), _values(content.get("results", {}))
        artifacts = [(_file(content["artifact"]), _name(content.get("name")))] if "artifact" in content else []
        if "log" in content:
            self._points(said, content)
        said.config.update(config)
        said.results.update(results)
        said.artifacts += artifacts

    def _points(self, said: Said, content: dict[str, Any]) -> None:
        values, step, at = content["log"], content.get("step"), content.get("time", said.now)
        if type(at) not in _NUMBERS or not 0 <= at < _LATEST:
            raise ValueError(f"{at!r} is no time in seconds since 1970")
        if step is not None and (type(step) is not int or not _FIRST_STEP <= step <= _LAST_STEP):
            raise ValueError(f"{step!r} is no step: an integer is")
        if type(values) is not dict:
            raise ValueError(f"{values!r} is no object of names and numbers")
        # All are looked at before one is added.
        numbers = {name: _number(value) for name, value in values.items()}
        for name in numbers:
            if name not in said.series:
                self._check(name, len(said.series))
        for name, number in numbers.items():
            columns = said.column(name)
            columns.steps.append(self._next(name, columns.steps) if step is None else step)
            columns.times.append(at)
            columns.values.append(number)

    def _next(self, name: str, steps: array[int]) -> int:
        last = steps[-1] if steps else self._last.get(name, -1)
        return min(last + 1, _LAST_STEP)

    def _check(self, name: str, new: int) -> None:
        if not 0 < len(name) <= _NAME_LENGTH or not name.isprintable():
            raise ValueError(f"{name!r} cannot name a metric")
        if name not in self._last and len(self._last) + new >= _MOST_SERIES:
            raise ValueError(f"it begins one more series than the {_MOST_SERIES} that a task may have")


def _parsed(data: bytes, lines: list[bytes]) -> list[Any]:
    """Return lines as JSON, and None for those that are none; all at once, where all are well."""
    # Each line has to begin and to end as an object does, or two halves could make a whole.
    if data.count(b"}\n{") == len(lines) - 1 and data[:1] == b"{" and data.rstrip(b"\n")[-1:] == b"}":
        with suppress(orjson.JSONDecodeError):
            parsed: list[Any] = orjson.loads(b"[" + b",".join(lines) + b"]")
            if len(parsed) == len(lines):
                return parsed
    return [_one(line) for line in lines]


def _one(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            return json.loads(line, parse_int=_integer)  # which knows NaN and infinities, and lone surrogates
        except (ValueError, RecursionError):
            return None


def _integer(text: str) -> int | float:
    """Return an integer as orjson does: beyond 64 bits it is a float."""
    return int(text) if len(text) < _DIGITS else float(text)


def _number(value: Any) -> float:
    if type(value) is dict and len(value) == 1 and "$float" in value:
        value = float(value["$float"])
    if isinstance(value, bool | int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    raise ValueError(f"{value!r} is no number")


def _values(values: Any) -> dict[str, Any]:
    """Return configuration or results as they are recorded."""
    if type(values) is not dict:
        raise ValueError(f"{values!r} is no object of names and values")
    unfolded: dict[str, Any] = unfold(values)
    encode(unfolded)  # or the event could not be recorded because of it
    return unfolded


def _file(path: Any) -> str:
    if not isinstance(path, str) or not path or "\0" in path:
        raise ValueError(f"{path!r} is no path of a file")
    return path


def _name(name: Any) -> str | None:
    return None if name is None else _file(name)


def _shown(line: bytes, why: str) -> str:
    text = line.decode("utf-8", "replace")
    return f"{text if len(text) <= 80 else text[:77] + '...'}: {why}"
