"""Curves in a terminal, drawn with Braille dots: each character holds two columns of four."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from datmo.cli.table import cut, extent

__all__ = ["Curve", "draw"]

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bits of a Braille character by row and column; its code point is U+2800 and these (Unicode, chapter 21)."""

_COLOURS = ("36", "33", "35", "32", "34", "31")
_BETWEEN = " │"
_AXIS = "step"
_APART = "   "


class Curve(NamedTuple):
    """What is drawn: its name, and points from left to right; of those that are not finite there is nothing."""

    name: str
    steps: Sequence[float]
    values: Sequence[float]


class _Frame(NamedTuple):
    """The values at the edges of a chart."""

    left: float
    right: float
    bottom: float
    top: float


def draw(curves: Sequence[Curve], *, width: int, height: int, colour: bool) -> list[str]:
    """Return the lines of a chart of all curves; without colours, which tell them apart, a chart for each.

    Parameters:
        curves: what is drawn.
        width: of the whole, in characters.
        height: of one chart, in lines.
        colour: whether colours may be used.
    """
    shown = [curve for curve in curves if any(map(_finite, zip(curve.steps, curve.values, strict=True)))]
    if not shown:
        return []
    if not colour and len(shown) > 1:
        return [line for curve in shown for line in draw([curve], width=width, height=height, colour=False)]
    frame = _frame(shown)
    labels = {0: _label(frame.top), height - 1: _label(frame.bottom)}
    margin = max(map(len, labels.values()))
    columns = max(width - margin - len(_BETWEEN), 4)
    painted = [_paint(curve, frame, columns, height) for curve in shown]
    lines = [
        f"{labels.get(row, ''):>{margin}}{_BETWEEN}{_row([each[row] for each in painted], colour=colour)}"
        for row in range(height)
    ]
    left, right = _label(frame.left), _label(frame.right)
    between = max(columns - len(left) - len(right), 1)
    axis = f"{_AXIS:^{between}}" if between > len(_AXIS) + 1 else " " * between
    lines.append(f"{'':{margin + len(_BETWEEN)}}{left}{axis}{right}")
    return [*_legend(shown, width=width, colour=colour), *lines]


def _finite(point: tuple[float, float]) -> bool:
    return math.isfinite(point[0]) and math.isfinite(point[1])


def _frame(curves: Sequence[Curve]) -> _Frame:
    points = [point for curve in curves for point in zip(curve.steps, curve.values, strict=True) if _finite(point)]
    steps, values = [x for x, _ in points], [y for _, y in points]
    return _Frame(min(steps), max(steps), min(values), max(values))


def _label(value: float) -> str:
    return f"{value:.4g}"


def _legend(curves: Sequence[Curve], *, width: int, colour: bool) -> list[str]:
    """Return the names of the curves, in as many lines as they need."""
    lines: list[str] = []
    used = width
    for number, each in enumerate(curves):
        name = cut(each.name, width)
        shown = f"\x1b[{_tint(number)}m{name}\x1b[0m" if colour else name
        if used + len(_APART) + extent(name) > width:
            lines.append(shown)
            used = extent(name)
        else:
            lines[-1] += _APART + shown
            used += len(_APART) + extent(name)
    return lines


def _tint(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _row(cells: Sequence[Sequence[int]], *, colour: bool) -> str:
    """Return one line of the chart: where curves meet, the last one is seen."""
    drawn = []
    for column in zip(*cells, strict=True):
        top = max((number for number, bits in enumerate(column) if bits), default=None)
        if top is None:
            drawn.append(" ")
        else:
            dots = chr(0x2800 + column[top])
            drawn.append(f"\x1b[{_tint(top)}m{dots}\x1b[0m" if colour else dots)
    return "".join(drawn).rstrip()


def _paint(curve: Curve, frame: _Frame, columns: int, rows: int) -> list[list[int]]:
    """Return the bits of each character of a chart, row by row."""
    cells = [[0] * columns for _ in range(rows)]
    for x, y in _dots(curve, frame, columns * 2, rows * 4):
        cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    return cells


def _dots(curve: Curve, frame: _Frame, width: int, height: int) -> Iterator[tuple[int, int]]:
    """Yield the dots of a curve, those between its points too."""
    last: tuple[int, int] | None = None
    for point in zip(curve.steps, curve.values, strict=True):
        if not _finite(point):
            last = None
            continue
        x = round(_share(point[0], frame.left, frame.right) * (width - 1))
        y = round((1 - _share(point[1], frame.bottom, frame.top)) * (height - 1))
        if last is None:
            yield x, y
        else:
            count = max(abs(x - last[0]), abs(y - last[1]), 1)
            for number in range(1, count + 1):
                part = number / count
                yield round(last[0] + (x - last[0]) * part), round(last[1] + (y - last[1]) * part)
        last = x, y


def _share(value: float, low: float, high: float) -> float:
    """Return where a value lies between two, from 0 to 1; half where there is nothing between them."""
    half_span = high / 2 - low / 2  # the whole may be more than a float holds
    return (value / 2 - low / 2) / half_span if half_span else 0.5
