"""What a notebook shows: well-formed, nothing of the user's taken for markup, charts that hold what they should."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from datmo.core.differences import Difference, ValueChange
from datmo.core.entity.task import Task
from datmo.core.html import difference_html, sparkline, task_html


def points(svg: str) -> list[tuple[float, float]]:
    """Return the points of all lines of a chart."""
    root = ElementTree.fromstring(svg)
    pairs = [pair for line in root for pair in line.attrib["points"].split()]
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in pairs)]


@given(st.lists(st.floats(width=32), max_size=50))
def test_a_chart_holds_every_finite_value_within_its_bounds(values: list[float]) -> None:
    finite = [value for value in values if math.isfinite(value)]
    drawn = sparkline(values)
    assert bool(drawn) == bool(finite)
    if drawn:
        found = points(drawn)
        assert len(found) >= len(finite)
        assert all(0 <= x <= 121 and 0 <= y <= 24 for x, y in found)


def test_a_chart_goes_up_where_values_grow_and_has_a_gap_where_one_is_missing() -> None:
    (one,) = re.findall('points="(.*?)"', sparkline([1.0, 2.0, 3.0]))
    heights = [float(pair.split(",")[1]) for pair in one.split()]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] > heights[-1]
    assert len(re.findall("<polyline", sparkline([1.0, 2.0, math.nan, 1.0]))) == 2


def test_what_the_machine_did_is_drawn_with_its_unit_and_a_difference_says_between_what_it_is() -> None:
    task = Task(id="t", model_id="", session_id="", command="x", status="SUCCESS", created_at=datetime.now(UTC))
    page = task_html(task, {"loss": [0.5, 0.25], "system.memory": [1e9, 2e9]})
    assert "<td" in page
    assert "2.0 GB" in page
    change = ValueChange("lr", "changed", 0.1, 0.2)
    found = Difference("7k2m", None, (change,), (), (), (), None, (), ())
    assert "7k2m" in difference_html(found)
    assert "the folder as it is" in difference_html(found)
    assert difference_html(found._replace(config=())) == "<em>no difference</em>"
