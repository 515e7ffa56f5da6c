"""Parts of a series: by steps, and fewer points that show the same."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import islice
from operator import le

from datmo.core.points import Columns
from datmo.errors import InvalidArgument

__all__ = ["checked_points", "thinned", "window"]


def checked_points(points: int | None) -> None:
    """Refuse a number of points that cannot be given.

    Raises:
        InvalidArgument: it is none, or fewer than two.
    """
    if points is not None and (type(points) is not int or points < 2):
        raise InvalidArgument(f"points is how many to return at most, 2 or more, not {points!r}")


def window(columns: Columns, start: int | None, end: int | None) -> Columns:
    """Return the points whose steps lie from `start` to `end`, both included."""
    steps = columns.steps
    if start is None and end is None:
        return columns
    if all(map(le, steps, islice(steps, 1, None))):
        first = 0 if start is None else bisect_left(steps, start)
        behind = len(steps) if end is None else bisect_right(steps, end)
        return Columns(steps[first:behind], columns.times[first:behind], columns.values[first:behind])
    places = [
        place for place, step in enumerate(steps) if (start is None or step >= start) and (end is None or step <= end)
    ]
    return _at(columns, places)


def thinned(columns: Columns, points: int) -> Columns:
    """Return at most so many points, no peak lost.

    The series is cut into `points // 2` parts of equally many points; of each the least and the greatest value stay, in
    the order in which they came. NaN is left out where a part has anything else.
    """
    count = len(columns.values)
    if count <= points:
        return columns
    parts = points // 2
    places: list[int] = []
    for part in range(parts):
        first, behind = part * count // parts, (part + 1) * count // parts
        places += sorted(_ends(columns.values, first, behind))
    return _at(columns, places)


def _ends(values: array[float], first: int, behind: int) -> set[int]:
    """Return the places of the least and of the greatest value of a part; one where they are the same."""
    # NaN is neither less nor more than anything: where it does not come first, `min` and `max` pass over it.
    while first < behind - 1 and math.isnan(values[first]):
        first += 1
    part = values[first:behind]
    if math.isnan(part[0]):
        return {first}
    return {first + part.index(min(part)), first + part.index(max(part))}


def _at(columns: Columns, places: Iterable[int]) -> Columns:
    chosen = Columns.empty()
    for place in places:
        chosen.steps.append(columns.steps[place])
        chosen.times.append(columns.times[place])
        chosen.values.append(columns.values[place])
    return chosen
