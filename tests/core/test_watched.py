"""What is known of tasks under way, from their events."""

from __future__ import annotations

from typing import Any

from datmo.core.event import Event
from datmo.core.html_progress import counts
from datmo.core.watched import Watched


def event(task_id: str, kind: str, **data: Any) -> Event:
    return Event(1, "", f"task/{task_id}", 1, kind, 1, 0, "{}", "", 0, None, b"", data)


def test_of_a_task_that_is_tried_again_the_last_attempt_counts() -> None:
    watched = Watched(["a", "b"], lambda: 0.0)
    watched.hear(event("a", "task.created", config={}, options={}))
    watched.hear(event("a", "task.started"))
    watched.hear(event("a", "task.failed"))
    assert counts(watched) == "1 of 2 tasks · 0 running · 1 failed"
    watched.hear(event("c", "task.created", config={}, options={"retry_of": "a", "attempt": 2}))
    watched.hear(event("c", "task.started"))
    assert counts(watched) == "0 of 2 tasks · 1 running"
    watched.hear(event("c", "task.finished"))
    watched.hear(event("b", "task.stopped"))
    assert counts(watched) == "2 of 2 tasks · 0 running · 1 stopped"
    assert watched.finished == {"SUCCESS": 1, "STOPPED": 1}
