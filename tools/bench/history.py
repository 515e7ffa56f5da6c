"""What the log's benches append: output of tasks, 206 bytes of data each, folded into the view of tasks."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import datmo.aio
from datmo.core import task
from datmo.core.event import NewEvent
from datmo.core.ids import new_id
from datmo.eventlog.codec import encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from datmo.engine.log import Log

DATA_SIZE = 206


def log_file(folder: Path) -> Path:
    """Return the database of the project in a folder."""
    return folder / ".datmo" / "log.db"


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Log]:
    """Open the log of a project by the public async API, making the project where there is none."""
    async with datmo.aio.init(folder, name="bench") as project:
        yield project.log


class Task:
    """A task, and the events of its output."""

    def __init__(self) -> None:
        self.id = new_id()
        self._printed = 0

    def created(self) -> NewEvent:
        """Return the event that begins it."""
        return task.create(
            self.id,
            task.TaskCreated(
                session_id="0" * 16,
                name=None,
                command="python train.py",
                argv=["python", "train.py"],
                executor="process",
                executor_reason="bench",
                code_id="c" * 40,
                environment_id="e" * 64,
                config={},
                options={},
            ),
        )

    def output(self, count: int) -> list[NewEvent]:
        """Return the next events."""
        events = []
        for start in range(self._printed, self._printed + count):
            data = {"start": start, "end": start + 1, "size": 1, "pad": ""}
            data["pad"] = "x" * (DATA_SIZE - len(encode(data)))
            events.append(NewEvent(f"task/{self.id}", "task.output", data))
        self._printed += count
        return events
