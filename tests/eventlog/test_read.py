"""Reading by position, stream, type and time; following; damage on the way."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from datmo.errors import DamagedLog, LogError
from datmo.eventlog import watch
from datmo.eventlog.read import Selection
from tests.eventlog.support import UNLOCKED, differing_views, note, opened, sql, texts, with_project

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from datmo.core.event import Event
    from datmo.eventlog.log import EventLog

pytestmark = pytest.mark.anyio


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EventLog]:
    """Positions 1-5 are a project with a task, 6-1205 notes in turn in two streams."""
    async with with_project(tmp_path) as log:
        for start in range(0, 1200, 100):
            await log.append(*[note(str(number), f"note/{number % 2}") for number in range(start, start + 100)])
        yield log


async def positions(events: AsyncIterator[Event]) -> list[int]:
    return [event.position async for event in events]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, range(1, 1206)),
        ({"after": 1200}, range(1201, 1206)),
        ({"after": 2, "upto": 4}, range(3, 5)),
        ({"upto": 0}, range(0)),
        ({"after": 5000}, range(0)),
        ({"limit": 700}, range(1, 701)),
        ({"limit": 0}, range(0)),
        ({"limit": 512}, range(1, 513)),
        ({"backward": True}, range(1205, 0, -1)),
        ({"backward": True, "limit": 600}, range(1205, 605, -1)),
        ({"backward": True, "after": 1000, "upto": 1100}, range(1100, 1000, -1)),
        ({"stream": "note/0"}, range(6, 1206, 2)),
        ({"stream": "note/1", "backward": True}, range(1205, 5, -2)),
        ({"stream": "note/1", "backward": True, "limit": 513}, range(1205, 179, -2)),
        ({"stream": "note/0", "after": 1100, "upto": 1110}, range(1102, 1111, 2)),
        ({"stream": "note/0", "after": 1100, "upto": 1110, "backward": True}, range(1110, 1101, -2)),
        ({"stream": "note/?", "after": 1100, "upto": 1110}, range(0)),
        ({"stream": "note/*"}, range(6, 1206)),
        ({"stream": "project/*"}, range(1, 2)),
        ({"types": ["note.written"]}, range(6, 1206)),
        ({"types": ["session.*", "task.created"]}, range(2, 5)),
        ({"types": ["session.*"], "stream": "task/*"}, range(0)),
        ({"stream": "nobody/here"}, range(0)),
    ],
)
async def test_a_reader_gets_what_it_asks_for_in_order(log: EventLog, options: dict[str, Any], expected: range) -> None:
    assert await positions(log.read(**options)) == list(expected)


async def test_a_follower_of_a_long_stream_does_not_walk_it_each_time(log: EventLog) -> None:
    query, values = Selection(after=1200, upto=1205, stream="note/0").query()
    plan = await log.query(lambda connection: connection.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall())
    assert [detail for *_, detail in plan] == ["SEARCH event USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]


async def test_times_select_events(log: EventLog) -> None:
    events = [event async for event in log.read()]
    middle = events[600].recorded_at
    before = [event.position for event in events if event.recorded_at < middle]
    upto = [event.position for event in events if event.recorded_at <= middle]
    assert await positions(log.read(since=middle)) == list(range(len(before) + 1, 1206))
    assert await positions(log.read(until=middle)) == upto
    assert await positions(log.read(since=middle, until=middle, backward=True)) == upto[len(before) :][::-1]
    assert await positions(log.read(until=middle, upto=3)) == [1, 2, 3]
    assert await positions(log.read(until=datetime(2000, 1, 1, tzinfo=UTC))) == []
    assert await positions(log.read(since=datetime.now(UTC) + timedelta(days=1))) == []


async def test_no_read_transaction_is_open_between_two_events(log: EventLog) -> None:
    async for _ in log.read():
        await log.append(note("meanwhile"))
        state = await log.query(lambda connection: connection.in_transaction)
        assert not state
        break


async def test_a_follower_sees_what_this_and_other_processes_append_at_one_of_the_next_looks(
    log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, looks = watch._look, 0

    def counted(connection: sqlite3.Connection, commits: int, after: int) -> tuple[int, list[tuple[int, str, str]]]:
        nonlocal looks
        looks += 1
        return look(connection, commits, after)

    monkeypatch.setattr(watch, "_look", counted)
    seen: list[tuple[str, int]] = []
    async with opened(tmp_path) as other, anyio.create_task_group() as group:

        async def follow() -> None:
            async for event in log.follow(after=1205, types=["note.*"]):
                seen.append((event.data["text"], looks))  # noqa: PERF401  # it has no end

        group.start_soon(follow)
        appended: list[int] = []
        for writer, text in ((log, "own"), (other, "other's")) * 3:
            await writer.append(note(text), note("second"))
            appended.append(looks)
            with anyio.fail_after(60):
                while len(seen) < 2 * len(appended):
                    await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert [text for text, _ in seen] == ["own", "second", "other's", "second"] * 3
    # One may be under way as it is appended, and one more while it is read: together less than a tenth of a second.
    assert all(when - appended[number // 2] <= 3 for number, (_, when) in enumerate(seen))
    assert 3 * watch._EVERY < 0.1


async def test_a_follower_begins_where_it_is_told(log: EventLog) -> None:
    found: list[int] = []
    async for event in log.follow(after=1000, stream="note/0"):
        found.append(event.position)
        if event.position == 1204:
            await log.append(note("x", "note/1"), note("y", "note/0"))
        if event.position == 1207:
            break
    assert found == [*range(1002, 1206, 2), 1207]


DAMAGE = [
    ("UPDATE event SET data = x'7b' WHERE position = 700", 700, "cannot be decoded"),
    ("DELETE FROM event WHERE position = 700", 700, "missing"),
    ("UPDATE event SET stream = CAST(x'6e6f74652fff' AS TEXT) WHERE position = 700", 700, "cannot be read"),
]


@pytest.mark.parametrize(("statement", "position", "reason"), DAMAGE)
async def test_damage_is_reported_with_its_position_behind_all_that_came_before(
    log: EventLog, tmp_path: Path, statement: str, position: int, reason: str
) -> None:
    sql(tmp_path, *UNLOCKED, statement)
    found, damage = await until_damage(log.read())
    assert found == list(range(1, position))
    assert damage.position == position
    assert reason in damage.reason
    found, damage = await until_damage(log.read(backward=True))
    assert (found, damage.position) == (list(range(1205, position, -1)), position)
    found, damage = await until_damage(log.follow(after=10))
    assert (found, damage.position) == (list(range(11, position)), position)
    with pytest.raises(DamagedLog, match=f"position {position}"):
        await differing_views(tmp_path)


async def until_damage(events: AsyncIterator[Event]) -> tuple[list[int], DamagedLog]:
    found: list[int] = []
    try:
        async for event in events:
            found.append(event.position)  # noqa: PERF401  # what comes before the error counts
    except DamagedLog as damage:
        return found, damage
    raise AssertionError("no damage was reported")


async def test_damage_is_reported_by_a_filtered_read_too(log: EventLog, tmp_path: Path) -> None:
    sql(tmp_path, *UNLOCKED, "UPDATE event SET actor = CAST(x'ff' AS TEXT) WHERE position = 700")
    filters: list[dict[str, Any]] = [
        {"stream": "note/0"}, {"types": ["note.*"]}, {"stream": "note/*", "backward": True},
    ]  # fmt: skip
    for options in filters:
        with pytest.raises(DamagedLog, match="position 700"):
            await positions(log.read(**options))
    assert len(await positions(log.read(stream="note/1"))) == 600


async def test_a_log_that_cannot_be_read_is_no_empty_log(log: EventLog, tmp_path: Path) -> None:
    sql(tmp_path, *UNLOCKED, "DELETE FROM event WHERE position = 1")
    with pytest.raises(DamagedLog, match="position 1: the event is missing"):
        await texts_unfiltered(log)
    assert len(await texts(log)) == 1200


async def texts_unfiltered(log: EventLog) -> list[int]:
    return await positions(log.read())


@pytest.mark.parametrize("table", ["event", "payload", "view", "mark"])
async def test_a_broken_page_is_told_as_damage_whatever_is_read(tmp_path: Path, table: str) -> None:
    async with opened(tmp_path) as log:
        await log.append(note("a", payload=b"beside"))
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    with (tmp_path / "log.db").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    failures: list[LogError] = []
    try:
        async with opened(tmp_path) as log:
            looks = (log.head, partial(log.payload, 1), partial(log.position_at, 1), lambda: positions(log.read()))
            for look in looks:
                try:
                    await look()
                except LogError as error:
                    failures.append(error)
    except LogError as error:
        failures.append(error)
    assert bool(failures) == (table != "mark")
