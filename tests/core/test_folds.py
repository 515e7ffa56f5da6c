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
