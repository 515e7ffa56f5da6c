"""Points of metrics, and the one form in which they are kept: the payloads of `task.metrics` events.

Four bytes of length (little endian) and that many bytes of JSON come first: a list of `[name, count, size]`, one for
each series in the payload. For each of them, in that order, follow three columns: the steps (64-bit integers, deflated
by zlib where `size`, the bytes that they take, is less than eight for each), the times (64-bit floats, seconds since
1970) and the values (64-bit floats; NaN and infinities are themselves). All numbers are little endian. A point takes 17
to 24 bytes, and reading it back is copying.
"""

from __future__ import annotations

import json
import math
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypedDict

__all__ = ["Columns", "Series", "Summary", "join", "pack", "summary", "unpack"]

_LENGTH = struct.Struct("<I")
_ITEM = 8
_MANY = 1024
"""Points whose steps are not deflated: what comes so fast shall be read back fast, too."""

_DRAWN = 240
"""Points in a chart beside text."""

_FOREIGN = sys.byteorder == "big"


class Columns(NamedTuple):
    """Points of one series, in the order in which they came.

    Attributes:
        steps: integers (`array("q")`).
        times: seconds since 1970 (`array("d")`).
        values: numbers (`array("d")`).
    """

    steps: array[int]
    times: array[float]
    values: array[float]

    @classmethod
    def empty(cls) -> Columns:
        """Return no points, to be filled."""
        return cls(array("q"), array("d"), array("d"))


class Summary(TypedDict):
    """What is known of a series without reading it; `min` and `max` leave NaN out, and are None where all is NaN."""

    count: int
    first_step: int
    last_step: int
    last_time: float
    last: float
    min: float | None
    max: float | None


class Series(NamedTuple):
    """Points of a metric, as programs read them; what is in one place of the three arrays belongs together.

    The arrays are the standard library's; numerical packages take them without copying: `numpy.asarray(series.values)`.

    Attributes:
        name: the metric.
        steps: integers, as `array("q")`.
        times: seconds since 1970, as `array("d")`.
        values: numbers, as `array("d")`; NaN and infinities are themselves.
    """

    name: str
    steps: array[int]
    times: array[float]
    values: array[float]

    def __repr__(self) -> str:
        if not self.steps:
            return f"<Series {self.name}: no points>"
        points = f"{len(self.steps)} points, steps {self.steps[0]} to {self.steps[-1]}"
        return f"<Series {self.name}: {points}, last value {self.values[-1]:.6g}>"

    def _repr_html_(self) -> str:
        from datmo.core.html import sparkline, text_html
        from datmo.core.sampling import thinned

        drawn = thinned(Columns(self.steps, self.times, self.values), _DRAWN).values
        return f"{text_html(repr(self)[1:-1])}<br>{sparkline(drawn)}"


def pack(series: Mapping[str, Columns]) -> bytes:
    """Return points as they are kept."""
    header: list[list[Any]] = []
    parts: list[bytes] = []
    for name, columns in series.items():
        steps = _bytes(columns.steps)
        if len(columns.steps) < _MANY and len(deflated := zlib.compress(steps, 1)) < len(steps):
            steps = deflated
        header.append([name, len(columns.steps), len(steps)])
        parts += (steps, _bytes(columns.times), _bytes(columns.values))
    text = json.dumps(header, separators=(",", ":")).encode()
    return b"".join([_LENGTH.pack(len(text)), text, *parts])


def unpack(payload: bytes) -> Iterator[tuple[str, Columns]]:
    """Yield each series of a payload by its name."""
    for name, view in _split(payload):
        yield name, _columns(*view)


def join(payloads: Iterable[bytes], name: str) -> Columns:
    """Return one series of many payloads, in their order."""
    joined = Columns.empty()
    for payload in payloads:
        for found, view in _split(payload):
            if found == name:
                _extend(joined, *view)
    return joined


def summary(columns: Columns) -> Summary:
    """Return what is to be known of some points, at least one."""
    # NaN is neither less nor more than anything: where it does not come first, `min` and `max` pass over it.
    start = next((place for place, value in enumerate(columns.values) if not math.isnan(value)), None)
    numbers = columns.values[start:] if start else columns.values
    return Summary(
        count=len(columns.steps),
        first_step=columns.steps[0],
        last_step=columns.steps[-1],
        last_time=columns.times[-1],
        last=columns.values[-1],
        min=None if start is None else min(numbers),
        max=None if start is None else max(numbers),
    )


_View = tuple[int, int, memoryview]
"""How many points, the bytes of their steps, and all their bytes."""


def _split(payload: bytes) -> Iterator[tuple[str, _View]]:
    whole = memoryview(payload)
    if not whole:
        return
    offset = _LENGTH.size + _LENGTH.unpack_from(whole)[0]
    for name, count, size in json.loads(bytes(whole[_LENGTH.size : offset])):
        end = offset + size + 2 * _ITEM * count
        yield name, (count, size, whole[offset:end])
        offset = end


def _columns(count: int, size: int, view: memoryview) -> Columns:
    columns = Columns.empty()
    _extend(columns, count, size, view)
    return columns


def _extend(columns: Columns, count: int, size: int, view: memoryview) -> None:
    steps = view[:size] if size == _ITEM * count else zlib.decompress(view[:size])
    middle = size + _ITEM * count
    _add(columns.steps, steps)
    _add(columns.times, view[size:middle])
    _add(columns.values, view[middle:])


def _add(column: array[Any], part: bytes | memoryview) -> None:
    if _FOREIGN:
        swapped = array(column.typecode, bytes(part))
        swapped.byteswap()
        column.extend(swapped)
    else:
        column.frombytes(part)


def _bytes(column: array[Any]) -> bytes:
    if _FOREIGN:
        column = array(column.typecode, column)
        column.byteswap()
    return column.tobytes()
