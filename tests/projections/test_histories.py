"""The log is the truth: whatever happened, a replay gives the same views, byte for byte."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from hypothesis import given, settings

from datmo.core import project
from datmo.core.event import NewEvent
from datmo.errors import LogError
from datmo.eventlog.log import EventLog
from datmo.eventlog.schema import open_file
from datmo.eventlog.verify import verify_file
from datmo.projections.all import SCHEMAS, VIEWS
from datmo.projections.views import compare_file, replay_file
from tests.projections.histories import DEFAULT, HISTORIES, PROJECT, VALUES, create_session, create_task, end_task

History = list[list[tuple[Callable[[int, dict[str, Any]], list[NewEvent]], int, dict[str, Any]]]]


@settings(max_examples=500)
@given(history=HISTORIES)
def test_a_replay_gives_the_live_views_byte_for_byte(history: History) -> None:
    with in_memory() as file:
        anyio.run(live, file, history)
        before = dump(file)
        report = compare_file(file, VIEWS)
        assert report.different == ()
        with closing(open_file(file)) as connection:
            for view in VIEWS.projections:
                connection.execute(f"DROP TABLE {view.table}")
            VIEWS.rebuild(connection)
        assert dump(file) == before
        assert verify_file(file).ok


@contextmanager
def in_memory() -> Iterator[Path]:
    """A real file that no disk has to sync: there are hundreds."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder) / "log.db"


async def live(file: Path, history: History) -> None:
    """Append it, the commands of a group at the same time."""
    async with EventLog.open(file, VIEWS, SCHEMAS) as log:
        if (await log.head())[0] == 0:
            await log.append(*project.initialize(PROJECT, DEFAULT, "iris", ""), durable=False)
        for commands in history:
            async with anyio.create_task_group() as group:
                for command, entity, values in commands:
                    group.start_soon(attempt, log, command(entity, values))


async def attempt(log: EventLog, events: list[NewEvent]) -> None:
    with suppress(LogError):  # refused, as it may be
        await log.append(*events, durable=False)


def dump(file: Path) -> dict[str, list[tuple[str, ...]]]:
    """Every value of every view, as SQLite would write it down: 1 is not 1.0, NULL not ''."""
    with closing(sqlite3.connect(file)) as connection:
        return {
            view.table: connection.execute(
                f"SELECT {', '.join(f'quote({name})' for name in view.columns)} FROM {view.table} ORDER BY 1"
            ).fetchall()
            for view in VIEWS.projections
        }


@settings(max_examples=25)
@given(history=HISTORIES, values=VALUES)
def test_a_replay_up_to_a_position_shows_what_was_then(history: History, values: dict[str, Any]) -> None:
    with in_memory() as file:
        check_as_of(file, history, values)


def check_as_of(then: Path, history: History, values: dict[str, Any]) -> None:
    anyio.run(live, then, history)
    position = verify_file(then).position
    before = dump(then)
    more: History = [[(create_session, 4, values), (create_task, 4, values)], [(end_task, 4, values)]]
    anyio.run(live, then, more)
    views, report = replay_file(then, VIEWS, position)
    assert report.events == position
    copy = then.with_name("then.db")
    with closing(sqlite3.connect(copy)) as target, closing(views):
        views.backup(target)
    assert dump(copy) == before
