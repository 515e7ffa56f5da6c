"""Following: one look for all who follow, each told of what concerns it, nothing missed by who comes and goes."""

from __future__ import annotations

import sqlite3
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskStatus

from datmo.errors import LogError
from datmo.eventlog.log import EventLog
from datmo.eventlog.read import Selection, read_page
from tests.eventlog.support import note, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
async def log(tmp_path: Path) -> Any:
    async with opened(tmp_path) as log:
        yield log


async def take(log: EventLog, count: int, **options: Any) -> list[str]:
    """Follow until so many events were seen; return their texts."""
    found: list[str] = []
    async with aclosing(log.follow(**options)) as events:  # type: ignore[type-var]
        async for event in events:
            found.append(event.data["text"])
            if len(found) == count:
                break
    return found


async def test_each_of_many_followers_sees_all_that_concerns_it_in_order(log: EventLog) -> None:
    seen: dict[int, list[str]] = {}

    async def follow(number: int, after: int | None) -> None:
        seen[number] = await take(log, 20, after=after, stream=f"note/{number % 10}")

    (start, _) = await log.head()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for number in range(30):
                group.start_soon(follow, number, start)
            for text in range(200):
                await log.append(note(str(text), f"note/{text % 10}"), durable=False)
    assert seen == {number: [str(text) for text in range(number % 10, 200, 10)] for number in range(30)}


async def test_who_comes_and_goes_while_others_append_misses_nothing(log: EventLog) -> None:
    position = (await log.head())[0]
    found: list[str] = []

    async def append() -> None:
        for text in range(300):
            await log.append(note(str(text)), durable=False)
            await anyio.lowlevel.checkpoint()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(append)
            while len(found) < 300:
                async with aclosing(log.follow(after=position, types=["note.*"])) as events:  # type: ignore[type-var]
                    async for event in events:
                        found.append(event.data["text"])
                        position = event.position
                        if len(found) % 7 == 0 or len(found) == 300:
                            break
    assert found == [str(text) for text in range(300)]


async def test_who_is_not_concerned_reads_nothing(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str | None] = []

    def noted(connection: Any, selection: Selection, **more: Any) -> Any:
        read.append(selection.stream)
        return read_page(connection, selection=selection, **more)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for number in range(50):
                await group.start(partial(follow_idly, log, f"note/{number}"))
            monkeypatch.setattr("datmo.eventlog.log.read_page", noted)
            for text in range(10):
                await log.append(note(str(text), "note/here"))
            assert len(await take(log, 10, after=0, stream="note/here")) == 10
            group.cancel_scope.cancel()
    assert set(read) == {"note/here"}


async def follow_idly(log: EventLog, stream: str, *, task_status: TaskStatus[None]) -> None:
    """Follow a stream for ever; has started when it waits for the second event."""
    await log.append(note("first", stream))
    async for _ in log.follow(after=0, stream=stream):
        task_status.started()


async def test_the_end_of_the_log_is_the_end_of_following(tmp_path: Path) -> None:
    async with anyio.create_task_group() as group:
        async with opened(tmp_path) as log:
            failed = anyio.Event()

            async def follow() -> None:
                with pytest.raises(LogError, match="closed"):
                    await take(log, 1, types=["note.*"])
                failed.set()

            group.start_soon(follow)
            await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(30):
            await failed.wait()


@pytest.mark.parametrize("look", ["_end", "_look"])
async def test_a_log_that_cannot_be_read_is_an_error_of_who_follows_and_of_nobody_else(
    log: EventLog, monkeypatch: pytest.MonkeyPatch, look: str
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(f"datmo.eventlog.watch.{look}", fail)
        with anyio.fail_after(30), pytest.raises(LogError, match="disk I/O error"):
            await take(log, 1, types=["note.*"])
    async with anyio.create_task_group() as group:
        group.start_soon(take, log, 1)
        await log.append(note("on it goes"))
        assert await take(log, 1, after=0) == ["on it goes"]
        group.cancel_scope.cancel()
