"""Folds of events into rows."""

from __future__ import annotations

from typing import Any

import pytest

from datmo.core import content, snapshot, task
from datmo.core.event import Event


def event(event_type: str, **data: Any) -> Event:
    kind = event_type.partition(".")[0]
    return Event(1, "", f"{kind}/own", 1, event_type, 1, 0, "{}", "", 0, None, b"", data)


@pytest.mark.parametrize(
    ("fold", "event_type"),
    [
        (snapshot.evolve, "snapshot.created"),
        (task.evolve, "task.created"),
        (content.evolve_environment, "environment.created"),
        (content.evolve_files, "files.stored"),
    ],
)
def test_a_rows_key_is_the_streams_whatever_the_data_says(fold: Any, event_type: str) -> None:
    row = fold(None, event(event_type, id="another's"))
    assert row["id"] == "own"


@pytest.mark.parametrize(
    ("created", "ended", "expected"),
    [
        (10, {"started_us": 20, "ended_us": 30}, (20, 30)),
        (10, {"started_us": 31, "ended_us": 30}, (30, 30)),  # as an engine notes a short run
        (10, {"ended_us": 30}, (25, 30)),  # an event of before, or where it is not known
        (10, {"started_us": 20, "ended_us": None}, (25, 40)),
        (22, {"started_us": 20, "ended_us": 30}, (25, 30)),  # another clock than ours
        (10, {"started_us": 4, "ended_us": 9}, (25, 25)),
    ],
)
def test_a_task_took_what_passed_where_it_ran(
    created: int, ended: dict[str, int | None], expected: tuple[int, int]
) -> None:
    state = {"status": "RUNNING", "created_at": created, "started_at": 25, "results": {}, "config": {}}
    left: dict[str, Any] = {
        "exit_code": 0,
        "reason": None,
        "results": {},
        "config": {},
        "file_collection_id": None,
        "notices": [],
    }
    happened = event("task.finished", **left, **ended)._replace(recorded_us=40)
    row = task.evolve(state, happened) or {}
    assert (row["started_at"], row["ended_at"]) == expected
