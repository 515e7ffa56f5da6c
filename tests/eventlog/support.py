"""What the tests of the log share: opening one, and events that are easily told apart."""

from __future__ import annotations

import sqlite3
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import anyio.to_thread

from datmo.core import project, task
from datmo.core.event import NewEvent
from datmo.eventlog.log import EventLog
from datmo.projections.all import SCHEMAS, VIEWS
from datmo.projections.views import compare_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from datmo.core.event import Event

TASK = "t" * 16


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[EventLog]:
    """A log with the project's own views."""
    async with EventLog.open(folder / "log.db", VIEWS, SCHEMAS) as log:
        yield log


@asynccontextmanager
async def with_project(folder: Path) -> AsyncIterator[EventLog]:
    """A log of a project with one task: five events."""
    async with opened(folder) as log:
        await log.append(*project.initialize("p" * 16, "s" * 16, "iris", ""))
        await log.append(created(TASK), started(TASK))
        yield log


def note(text: str, stream: str = "note/one", payload: bytes | None = None) -> NewEvent:
    """An event of a type that no view folds."""
    return NewEvent(stream, "note.written", {"text": text}, payload)


def created(task_id: str) -> NewEvent:
    return task.create(
        task_id,
        task.TaskCreated(
            session_id="s" * 16,
            name=None,
            command="python train.py",
            argv=["python", "train.py"],
            executor="process",
            executor_reason="no Dockerfile",
            code_id="c" * 40,
            environment_id="e" * 64,
            config={"rate": 0.1},
            options={},
        ),
    )


def started(task_id: str) -> NewEvent:
    return task.start(task_id, task.TaskStarted(handle={"pid": 1}, runs_on="this machine"))


def printed(start: int, end: int, task_id: str = TASK) -> NewEvent:
    return task.output(task_id, start, end, b"x" * (end - start))


async def texts(log: EventLog) -> list[str]:
    return [event.data["text"] async for event in log.read(types=["note.written"])]


async def everything(log: EventLog) -> list[Event]:
    return [event async for event in log.read()]


async def differing_views(folder: Path) -> tuple[str, ...]:
    """The views whose rows are not those of a replay."""
    report = await anyio.to_thread.run_sync(compare_file, folder / "log.db", VIEWS)
    return report.different


def sql(folder: Path, *statements: str) -> None:
    """Change the file behind the log's back, triggers and all."""
    with closing(sqlite3.connect(folder / "log.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


UNLOCKED = ("DROP TRIGGER event_is_never_changed", "DROP TRIGGER event_is_never_deleted")
