"""Appending: all or nothing, in order, with expectations, and once for each key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from datmo.core import session
from datmo.core.event import Appended, Expected, NewEvent
from datmo.core.ids import event_ids, is_event_id
from datmo.errors import Conflict, InvalidArgument, InvalidArgumentType, LogError
from datmo.eventlog.log import correlation
from datmo.projections.tasks import TASKS, output_of
from tests.eventlog.support import (
    TASK,
    created,
    differing_views,
    everything,
    note,
    opened,
    printed,
    texts,
    with_project,
)

if TYPE_CHECKING:
    from pathlib import Path

    from datmo.eventlog.log import EventLog

pytestmark = pytest.mark.anyio

KEY = next(event_ids(1_700_000_000_000_000))


async def test_positions_count_the_log_and_versions_the_stream(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        assert await log.append(note("a"), note("b", "note/two")) == Appended(1, 2)
        assert await log.append(note("c")) == Appended(3, 3)
        found = [(event.position, event.stream, event.version) for event in await everything(log)]
    assert found == [(1, "note/one", 1), (2, "note/two", 1), (3, "note/one", 2)]


async def test_an_event_says_who_when_and_by_which_command(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        token = correlation.set("command-1")
        await log.append(note("a"), note("b"))
        correlation.reset(token)
        await log.append(note("c"))
        first, second, third = await everything(log)
    assert is_event_id(first.id)
    assert first.id < second.id
    assert first.actor.pid > 0
    assert first.recorded_at.utcoffset() is not None
    assert first.recorded_us <= second.recorded_us <= third.recorded_us
    assert [event.ordinal for event in (first, second, third)] == [0, 1, 0]
    assert first.correlation == second.correlation == "command-1" != third.correlation


@pytest.mark.parametrize(
    ("before", "expected", "fits"),
    [
        (0, 0, True),
        (2, 2, True),
        (2, 1, False),
        (0, 1, False),
        (0, Expected.NONE, True),
        (1, Expected.NONE, False),
        (1, Expected.EXISTS, True),
        (0, Expected.EXISTS, False),
        (0, Expected.ANY, True),
        (1, Expected.ANY, True),
    ],
)
@pytest.mark.parametrize("anew", [False, True])
async def test_an_append_states_what_it_expects_of_the_stream(
    tmp_path: Path, before: int, expected: int | Expected, fits: bool, anew: bool
) -> None:
    async with opened(tmp_path) as log:
        for number in range(before):
            await log.append(note(str(number)))
        if not anew:
            assert await append_if_it_fits(log, expected) is fits
    if anew:  # by a process that remembers nothing of the stream
        async with opened(tmp_path) as log:
            assert await append_if_it_fits(log, expected) is fits


async def append_if_it_fits(log: EventLog, expected: int | Expected) -> bool:
    before = await texts(log)
    refusal: Conflict | None = None
    try:
        await log.append(note("more"), expected=expected)
    except Conflict as conflict:
        refusal = conflict
    assert await texts(log) == (before if refusal else [*before, "more"])
    assert refusal is None or refusal.hint
    return refusal is None


async def test_what_one_process_remembers_of_a_stream_gives_way_to_what_another_appends(tmp_path: Path) -> None:
    async with opened(tmp_path) as one, opened(tmp_path) as other:
        await one.append(note("a"), expected=0)
        await other.append(note("b"), expected=1)
        with pytest.raises(Conflict, match="at version 2"):
            await one.append(note("c"), expected=1)
        await one.append(note("c"), expected=2)
        await other.append(note("d"), expected=3)
        assert [event.version for event in await everything(one)] == [1, 2, 3, 4]


async def test_several_streams_are_appended_to_together_or_not_at_all(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await log.append(note("a", "note/one"))
        both = (note("b", "note/one"), note("c", "note/two"))
        with pytest.raises(Conflict, match="note/two is at version 0"):
            await log.append(*both, expected={"note/one": 1, "note/two": Expected.EXISTS})
        assert await texts(log) == ["a"]
        await log.append(*both, expected={"note/one": 1, "note/two": Expected.NONE, "note/three": Expected.NONE})
        assert await texts(log) == ["a", "b", "c"]
        with pytest.raises(InvalidArgument, match="mapping"):
            await log.append(*both, expected=0)


async def test_a_key_makes_a_second_try_harmless(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await log.append(note("before"))
        first = await log.append(note("a"), note("b"), key=KEY)
        await log.append(note("after"))
        assert await log.append(note("a"), note("b"), key=KEY) == first == Appended(2, 3)
    async with opened(tmp_path) as log:  # as after a crash
        assert await log.append(note("a"), note("b"), key=KEY, expected=0) == first
        assert await texts(log) == ["before", "a", "b", "after"]
        assert (await everything(log))[1].id == KEY


async def test_many_tries_at_once_with_one_key_land_once(tmp_path: Path) -> None:
    landed = set()

    async def attempt(log: EventLog) -> None:
        landed.add(await log.append(note("a"), key=KEY))

    async with opened(tmp_path) as log, opened(tmp_path) as other, anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(attempt, log)
            group.start_soon(attempt, other)
    assert len(landed) == 1
    async with opened(tmp_path) as log:
        assert await texts(log) == ["a"]


@pytest.mark.parametrize("again", [[note("a")], [note("a"), note("b"), note("c")], [note("a"), note("b", "note/x")]])
async def test_a_key_is_refused_for_another_append(tmp_path: Path, again: list[NewEvent]) -> None:
    async with opened(tmp_path) as log:
        await log.append(note("a"), note("b"), key=KEY)
        with pytest.raises(Conflict, match="belongs to another append"):
            await log.append(*again, key=KEY)
        with pytest.raises(InvalidArgument, match="is a UUID"):
            await log.append(note("a"), key="mine")


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (NewEvent("note", "note.written", {}), InvalidArgument),
        (NewEvent("note/a b", "note.written", {}), InvalidArgument),
        (NewEvent("note/*", "note.written", {}), InvalidArgument),
        (NewEvent("note/\udcff", "note.written", {}), InvalidArgument),
        (NewEvent("note/a", "written", {}), InvalidArgument),
        (NewEvent("note/a", "note.written", {"a": object()}), InvalidArgumentType),
        (NewEvent("note/a", "note.written", ["a"]), InvalidArgumentType),  # type: ignore[arg-type]  # the test
    ],
)
async def test_an_event_that_cannot_be_stored_is_refused_whole(
    tmp_path: Path, event: NewEvent, error: type[InvalidArgument]
) -> None:
    async with opened(tmp_path) as log:
        with pytest.raises(error):
            await log.append(note("a"), event)
        with pytest.raises(InvalidArgument, match="at least one event"):
            await log.append()
        assert await log.head() == (0, "")


async def test_one_that_is_refused_does_not_trouble_the_others_of_its_group(tmp_path: Path) -> None:
    outcomes: dict[str, Any] = {}

    async def attempt(log: EventLog, name: str, *events: NewEvent) -> None:
        try:
            outcomes[name] = await log.append(*events, expected=7 if name == "version" else Expected.ANY)
        except LogError as error:
            outcomes[name] = type(error)

    twice = session.create("a" * 16, "same name", (), current=False)
    taken = session.create("b" * 16, "same name", (), current=False)
    async with with_project(tmp_path) as log:
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(attempt, log, f"good {number}", note(str(number), f"note/{number}"))
            group.start_soon(attempt, log, "version", note("no"))
            group.start_soon(attempt, log, "output", note("no", "note/1"), printed(5, 6))
            group.start_soon(attempt, log, "first name", *twice)
            group.start_soon(attempt, log, "second name", *taken)
            group.start_soon(attempt, log, "broken", NewEvent("task/new", "task.created", {}))
            group.start_soon(attempt, log, "right output", printed(0, 1))
        assert sorted(await texts(log)) == sorted(str(number) for number in range(20))
        found = await everything(log)
        assert (await log.verify()).ok
    assert [event.position for event in found] == list(range(1, len(found) + 1))
    assert [outcomes.pop(name) for name in ("version", "output", "second name", "broken")] == [
        Conflict, Conflict, Conflict, LogError,
    ]  # fmt: skip
    assert len({outcome.first for outcome in outcomes.values()}) == 22
    assert await differing_views(tmp_path) == ()


class Exploding:
    """A value whose own code fails when it is asked for plain numbers."""

    def tolist(self) -> None:
        raise ZeroDivisionError("in tolist")


async def test_a_value_that_raises_is_its_callers_own_trouble(tmp_path: Path) -> None:
    failures: list[InvalidArgument] = []

    async def attempt(log: EventLog, number: int) -> None:
        value: Any = Exploding() if number % 5 == 0 else number
        try:
            await log.append(NewEvent("note/one", "note.written", {"text": value}))
        except InvalidArgument as error:
            failures.append(error)

    async with opened(tmp_path) as log:
        await attempt(log, 0)
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(attempt, log, number)
        await attempt(log, 21)
        assert len(await everything(log)) == 17
    assert [str(error) for error in failures] == ["the data cannot be stored (ZeroDivisionError: in tolist)"] * 5
    assert all(isinstance(error.__cause__, ZeroDivisionError) for error in failures)


async def test_views_show_what_was_appended_at_once(tmp_path: Path) -> None:
    async with with_project(tmp_path) as log:
        await log.append(printed(0, 3), printed(3, 5))
        row = await log.query(lambda connection: TASKS.load(connection, TASK))
        assert row is not None
        assert (row["status"], row["config"]) == ("RUNNING", {"rate": 0.1})
        assert await log.query(lambda connection: output_of(connection, TASK)) == (5, 5)
        with pytest.raises(Conflict, match="goes on at 5, not at 4"):
            await log.append(printed(4, 6))
        assert await log.query(lambda connection: output_of(connection, TASK)) == (5, 5)


async def test_a_payload_lies_beside_its_event(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await log.append(note("a"), note("b", payload=b"\x00bytes"), note("c", payload=b""))
        assert [await log.payload(position) for position in (1, 2, 3)] == [None, b"\x00bytes", b""]
        assert [event.digest is not None for event in await everything(log)] == [False, True, True]


async def test_time_never_falls_in_the_log(tmp_path: Path) -> None:
    from datmo.eventlog import append

    async with opened(tmp_path) as log:
        await log.append(note("a"))
        assert isinstance(log._writer and log._writer._appender, append.Appender)
        log._writer._appender._clock = lambda: 1  # type: ignore[union-attr]  # a clock that was set back
        await log.append(note("b"))
        first, second = await everything(log)
    assert first.recorded_us == second.recorded_us


async def test_the_database_itself_refuses_to_change_an_event(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await log.append(note("a", payload=b"x"), created("x" * 16))
        for statement in (
            "UPDATE event SET data = x'7b7d'",
            "DELETE FROM event",
            "UPDATE payload SET bytes = x'00'",
        ):
            with pytest.raises(LogError, match=re.compile("immutable|never changed")):
                await log.query(lambda connection, text=statement: connection.execute(text))  # type: ignore[misc]
