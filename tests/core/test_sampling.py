"""Parts of a series, and fewer points that show the same."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datmo.core.points import Columns
from datmo.core.sampling import checked_points, thinned, window
from datmo.errors import InvalidArgument

VALUES = st.lists(st.floats(), min_size=1, max_size=60)


def series(values: list[float], steps: list[int] | None = None) -> Columns:
    places = range(len(values))
    return Columns(array("q", steps or places), array("d", places), array("d", values))


@given(VALUES, st.integers(2, 20))
def test_fewer_points_keep_every_peak(values: list[float], points: int) -> None:
    found = thinned(series(values), points)
    assert len(found.values) <= max(points, 2)
    assert list(found.steps) == sorted(set(found.steps))
    assert all(
        same(values[step], value) and at == step
        for step, at, value in zip(found.steps, found.times, found.values, strict=True)
    )
    numbers = [value for value in values if not math.isnan(value)]
    if numbers:
        kept = [value for value in found.values if not math.isnan(value)]
        assert (min(kept), max(kept)) == (min(numbers), max(numbers))


def same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=30),
    st.none() | st.integers(-6, 6),
    st.none() | st.integers(-6, 6),
    st.booleans(),
)
def test_a_window_has_the_steps_between_both_ends(
    steps: list[int], start: int | None, end: int | None, ordered: bool
) -> None:
    steps = sorted(steps) if ordered else steps
    found = window(series([float(place) for place in range(len(steps))], steps), start, end)
    expected = [
        (step, float(place))
        for place, step in enumerate(steps)
        if (start is None or step >= start) and (end is None or step <= end)
    ]
    assert list(zip(found.steps, found.values, strict=True)) == expected


@pytest.mark.parametrize("points", [1, 0, -3, 2.5, True, "10"])
def test_a_number_of_points_that_cannot_be_is_refused(points: object) -> None:
    with pytest.raises(InvalidArgument, match="2 or more"):
        checked_points(points)  # type: ignore[arg-type]
