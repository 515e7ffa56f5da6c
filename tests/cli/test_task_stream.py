"""Output as JSON, a document a line."""

from __future__ import annotations

from datmo.cli.task_stream import OutputLines
from datmo.core.event import Event
from datmo.engine.tasks import TaskUpdate

UPDATE = TaskUpdate(Event(1, "", "task/a", 1, "task.output", 1, 0, "{}", "", 0, None, b"", {}), ())


def test_output_that_ends_within_a_character_loses_nothing() -> None:
    lines = OutputLines("a")
    first = list(lines.take(UPDATE, 1, "größer\nende ü".encode()[:-1]))
    second = list(lines.take(UPDATE, 2, b"whole\n\xe2\x82"))
    assert [each["text"] for each in (*first, *second)] == ["größer\n", "whole\n"]
    assert [(each["stream"], each["text"]) for each in lines.close()] == [
        ("stdout", "ende \ufffd"),
        ("stderr", "\ufffd"),
    ]
