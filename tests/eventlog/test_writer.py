"""The writer: group commit, cancellation, closing, what is kept and what is durable, a full disk, forks."""

from __future__ import annotations

import itertools
import os
import sqlite3
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datmo.core.event import Appended
from datmo.core.ids import event_ids
from datmo.errors import LogError
from tests.eventlog.support import differing_views, note, opened, printed, texts, with_project

if TYPE_CHECKING:
    from pathlib import Path

    from datmo.eventlog.log import EventLog

pytestmark = pytest.mark.anyio


async def test_appends_that_wait_together_are_committed_together(tmp_path: Path) -> None:
    async def append(number: int) -> None:
        await log.append(note(str(number), f"note/{number}"))

    async with opened(tmp_path) as log:
        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(append, number)
        times = {event.recorded_us async for event in log.read()}
        assert (await log.head())[0] == 200
    assert len(times) < 20  # a transaction has one time


async def test_an_append_that_was_cancelled_is_whole_or_not_there(tmp_path: Path) -> None:
    """However far it had come: each loop turn is tried."""
    acknowledged = set()
    async with opened(tmp_path) as log:
        for turns in range(40):
            name = f"note/{turns}"

            async def append(name: str) -> None:
                await log.append(note("a", name), note("b", name))
                acknowledged.add(name)

            async with anyio.create_task_group() as group:
                group.start_soon(append, name)
                for _ in range(turns // 2):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
        await log.append(note("end"))
        counts: dict[str, int] = {}
        async for event in log.read(stream="note/*"):
            counts[event.stream] = counts.get(event.stream, 0) + 1
        assert counts.pop("note/one") == 1
        assert set(counts.values()) <= {2}
        assert acknowledged <= set(counts)
        assert (await log.verify()).ok


async def test_a_cancelled_append_is_tried_again_with_its_key(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        ids = event_ids(1_700_000_000_000_000)
        for turns in range(20):
            key = next(ids)
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(append_a, log, key)
                    for _ in range(turns):
                        await anyio.lowlevel.checkpoint()
                    scope.cancel()
            await log.append(note("a"), key=key)
        assert len(await texts(log)) == 20


async def append_a(log: EventLog, key: str) -> None:
    await log.append(note("a"), key=key)


async def test_what_waits_when_the_log_is_closed_is_written(tmp_path: Path) -> None:
    landed: list[Appended] = []

    async def append(log: EventLog) -> None:
        landed.append(await log.append(note("a")))

    async with anyio.create_task_group() as group, opened(tmp_path) as log:
        await log.append(note("first"))
        for _ in range(50):
            group.start_soon(append, log)
        await anyio.lowlevel.checkpoint()
    assert len(landed) == 50
    with pytest.raises(LogError, match="closed"):
        await log.append(note("too late"))
    with pytest.raises(LogError, match="closed"):
        await log.head()


async def test_an_append_without_anyone_to_write_it_is_told(tmp_path: Path) -> None:
    """Handed over in the same turn in which the log is closed, the first one of all."""
    outcomes: list[object] = []

    async def append(log: EventLog) -> None:
        try:
            outcomes.append(await log.append(note("a")))
        except LogError as error:
            outcomes.append(error)

    async with anyio.create_task_group() as group, opened(tmp_path) as log:
        group.start_soon(append, log)
        await anyio.lowlevel.checkpoint()
    assert len(outcomes) == 1
    async with opened(tmp_path) as log:
        assert len(await texts(log)) == isinstance(outcomes[0], Appended)


@pytest.mark.parametrize("error", [ZeroDivisionError(), SystemExit(3), ExceptionGroup("own", [KeyError()])])
async def test_an_error_in_the_body_leaves_as_itself(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        await append_and_raise(tmp_path, error)
    assert caught.value is error
    async with opened(tmp_path) as log:
        assert await texts(log) == ["a"]


async def append_and_raise(folder: Path, error: BaseException) -> None:
    async with opened(folder) as log:
        await log.append(note("a"))
        raise error


async def test_a_cancelled_body_leaves_a_whole_log(tmp_path: Path) -> None:
    with anyio.CancelScope() as scope:
        async with opened(tmp_path) as log:
            await log.append(note("a"), durable=False)
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    async with opened(tmp_path) as log:
        assert await texts(log) == ["a"]
        assert await durable_mark(log) == 1


async def durable_mark(log: EventLog) -> int | None:
    row = await log.query(lambda connection: connection.execute("SELECT value FROM mark").fetchone())
    return None if row is None else row[0]


async def test_what_nobody_waits_for_is_kept_at_once_and_durable_within_a_second(tmp_path: Path) -> None:
    async with opened(tmp_path) as log, opened(tmp_path) as other:
        before = anyio.current_time()
        await log.append(note("a"), durable=False)
        assert log._writer is not None
        due = log._writer._durable_by
        assert before + 1 <= due <= anyio.current_time() + 1
        assert await texts(other) == ["a"]
        mark = await durable_mark(log)
        assert mark is None or anyio.current_time() >= due
        with anyio.fail_after(60):
            while await durable_mark(log) is None:
                await anyio.lowlevel.checkpoint()
        assert anyio.current_time() >= due


async def test_a_durable_append_takes_what_nobody_waited_for_along(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await log.append(note("a"), durable=False)
        await log.append(note("b"))
        assert log._writer is not None
        assert log._writer._durable_by == float("inf")


async def test_a_full_disk_is_an_error_and_leaves_nothing_half(tmp_path: Path) -> None:
    async with with_project(tmp_path) as log:
        assert log._writing is not None
        await log._writing.run(lambda connection: connection.execute("PRAGMA max_page_count = 60").fetchall())
        with pytest.raises(LogError, match="disk is full") as caught:
            await print_for_ever(log)
        assert caught.value.hint
        assert (await log.head())[0] % 100 == 5
        await log._writing.run(lambda connection: connection.execute("PRAGMA max_page_count = 100000").fetchall())
        await log.append(note("room again"))
        assert (await log.verify()).ok
    assert await differing_views(tmp_path) == ()


async def print_for_ever(log: EventLog) -> None:
    for start in itertools.count(0, 100):
        await log.append(*[printed(number, number + 1) for number in range(start, start + 100)])


async def test_a_forked_child_is_told_to_open_the_project_anew(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await log.append(note("a"))
        child = os.fork()
        if child == 0:
            os._exit(in_child(log))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        await log.append(note("b"))
        assert await texts(log) == ["a", "b"]


def in_child(log: EventLog) -> int:
    """Both refuse before they wait for a thread that is not there; the write lock is let go of."""
    for coroutine in (log.append(note("child")), log.head()):
        try:
            coroutine.send(None)
        except LogError as error:
            if "fork" not in error.message:
                return 1
        else:
            return 2
    return 0 if log._lock._descriptor is None else 3


async def test_the_write_ahead_log_stays_small_while_others_read(tmp_path: Path) -> None:
    async with with_project(tmp_path) as log, anyio.create_task_group() as group:

        async def follow() -> None:
            async for _ in log.follow():
                pass

        group.start_soon(follow)
        for start in range(0, 20_000, 1000):
            await log.append(*[printed(number, number + 1) for number in range(start, start + 1000)])
        assert (tmp_path / "log.db-wal").stat().st_size < 20 << 20
        group.cancel_scope.cancel()


@settings(max_examples=30)
@given(
    groups=st.lists(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.booleans()), min_size=1, max_size=6), max_size=6
    )
)
async def test_any_mixture_of_appends_leaves_a_right_chain(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[tuple[int, int, bool]]]
) -> None:
    """Some refused, some cut by expectations, some not durable, some at once."""
    folder = tmp_path_factory.mktemp("log")

    async def attempt(stream: int, expected: int, durable: bool) -> None:
        try:
            events = [note("x", f"note/{stream}"), note("y", f"note/{stream + 1}")]
            await log.append(*events, expected={f"note/{stream}": expected}, durable=durable)
        except LogError:
            refused.append(stream)

    refused: list[int] = []
    async with opened(folder) as log:
        for members in groups:
            async with anyio.create_task_group() as group:
                for member in members:
                    group.start_soon(attempt, *member)
        report = await log.verify()
        assert report.ok
        assert report.events == 2 * (sum(map(len, groups)) - len(refused))


def test_sqlite_is_thread_safe_as_the_writer_needs_it() -> None:
    assert sqlite3.threadsafety >= 1
