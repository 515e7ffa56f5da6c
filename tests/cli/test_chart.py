"""Curves in a terminal: as wide as they may be, every point in its place."""

from __future__ import annotations

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from datmo.cli.chart import Curve, draw

FULL = 0x2800


def dots(line: str) -> int:
    return sum((ord(sign) - FULL).bit_count() for sign in line if FULL <= ord(sign) < FULL + 256)


def test_a_line_goes_from_corner_to_corner() -> None:
    name, *lines, steps = draw([Curve("loss", [0, 10], [1.0, 0.5])], width=40, height=5, colour=False)
    assert name == "loss"
    assert [line.split("│")[0].strip() for line in lines] == ["1", "", "", "", "0.5"]
    assert steps.split() == ["0", "step", "10"]
    assert all(len(line) <= 40 for line in (*lines, steps))
    starts = [len(line.split("│")[1]) - len(line.split("│")[1].lstrip()) for line in lines]
    assert starts == sorted(starts)
    assert starts[0] == 0
    assert len(lines[-1]) == 40


def test_what_is_not_finite_is_a_gap() -> None:
    whole = draw([Curve("a", [0, 1, 2], [0.0, 0.0, 0.0])], width=30, height=1, colour=False)
    broken = draw([Curve("a", [0, 1, 2], [0.0, math.nan, 0.0])], width=30, height=1, colour=False)
    assert dots(whole[1]) > 20
    assert dots(broken[1]) == 2
    assert draw([Curve("a", [0, 1], [math.inf, math.nan])], width=30, height=3, colour=False) == []


def test_colours_tell_curves_apart_and_where_there_are_none_each_has_its_own_chart() -> None:
    curves = [Curve("one", [0, 1], [0, 1]), Curve("two", [0, 1], [1, 0])]
    assert len(draw(curves, width=30, height=4, colour=True)) == 6
    plain = draw(curves, width=30, height=4, colour=False)
    assert len(plain) == 12
    assert [plain[0], plain[6]] == ["one", "two"]
    assert not any("\x1b" in line for line in plain)


@given(st.lists(st.tuples(st.floats(), st.floats()), min_size=1, max_size=30), st.integers(20, 100), st.integers(1, 20))
def test_any_values_can_be_drawn_within_the_width(points: list[tuple[float, float]], width: int, height: int) -> None:
    points.sort(key=lambda point: point[0])
    curve = Curve("c", [x for x, _ in points], [y for _, y in points])
    lines = draw([curve], width=max(width, 40), height=height, colour=False)
    assert bool(lines) == any(math.isfinite(x) and math.isfinite(y) for x, y in points)
    assert all(len(line) <= max(width, 40) for line in lines)


def test_names_take_as_many_lines_as_they_need() -> None:
    curves = [Curve(f"task {number} of a sweep", [0, 1], [0, 1]) for number in range(5)]
    lines = draw(curves, width=40, height=4, colour=True)
    named = [re.sub(r"\x1b\[\d+m", "", line) for line in lines if "task" in line]
    assert len(named) == 3
    assert all(len(line) <= 40 for line in named)
    assert len(draw(curves, width=200, height=4, colour=True)) == 6
