"""Views: rebuilt on their own, compared with a replay, and read while another process rebuilds them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from datmo.core.event import Event
from datmo.errors import DamagedLog
from datmo.eventlog.log import EventLog
from datmo.eventlog.upcast import Schemas
from datmo.projections.projection import Projection, Row
from datmo.projections.views import Views, compare_file
from tests.eventlog.support import UNLOCKED, note, sql

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

SCHEMAS = Schemas({"note.written": 1})


def count(row: Row | None, event: Event) -> Row:
    before: Row = {"id": event.entity_id, "notes": 0, "texts": [], "first": event.position} if row is None else row
    return {**before, "notes": before["notes"] + 1, "texts": [*before["texts"], event.data["text"]]}


def views(version: int) -> Views:
    columns = {"id": "TEXT", "notes": "INTEGER", "texts": "JSON", "first": "INTEGER"}
    return Views([Projection("pad", version, columns, ("note.written",), count)], SCHEMAS)


async def pads(log: EventLog) -> list[Row]:
    pad = views(1).projections[0]
    return await log.query(lambda connection: pad.select(connection, "ORDER BY id"))


async def test_a_fold_is_saved_once_for_each_row_that_a_transaction_touches(tmp_path: Path) -> None:
    async with EventLog.open(tmp_path / "log.db", views(1), SCHEMAS) as log:
        await log.append(note("a"), note("b", "note/two"), note("c"))
        await log.append(note("d"))
        assert await pads(log) == [
            {"id": "one", "notes": 3, "texts": ["a", "c", "d"], "first": 1},
            {"id": "two", "notes": 1, "texts": ["b"], "first": 2},
        ]


async def test_a_view_that_was_tampered_with_is_named(tmp_path: Path) -> None:
    async with EventLog.open(tmp_path / "log.db", views(1), SCHEMAS) as log:
        await log.append(note("a"))
    sql(tmp_path, "UPDATE pad SET notes = 2")
    report = await anyio.to_thread.run_sync(compare_file, tmp_path / "log.db", views(1))
    assert (report.events, report.rows, report.different) == (1, 1, ("pad",))


async def test_views_are_read_whole_while_another_process_rebuilds_them(tmp_path: Path) -> None:
    """Each opening by another version makes them anew; a reader sees the rows of before or after, never none."""
    async with EventLog.open(tmp_path / "log.db", views(1), SCHEMAS) as log:
        await log.append(*[note(str(number)) for number in range(300)])
        done = anyio.Event()

        async def rebuild() -> None:
            for version in range(2, 12):
                async with EventLog.open(tmp_path / "log.db", views(version), SCHEMAS):
                    pass
            done.set()

        async with anyio.create_task_group() as group:
            group.start_soon(rebuild)
            while not done.is_set():
                assert [row["notes"] for row in await pads(log)] == [300]


async def test_views_are_not_made_of_a_damaged_log(tmp_path: Path) -> None:
    async with EventLog.open(tmp_path / "log.db", views(1), SCHEMAS) as log:
        await log.append(note("a"), note("b"), note("c"))
    sql(tmp_path, *UNLOCKED, "UPDATE event SET data = x'7b' WHERE position = 2")
    with pytest.raises(DamagedLog, match="position 2"):
        async with EventLog.open(tmp_path / "log.db", views(2), SCHEMAS):
            pass
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection:
        assert connection.execute("SELECT notes FROM pad").fetchall() == [(3,)]  # as they were
        assert connection.execute("SELECT version FROM view").fetchall() == [(1,)]
