"""Errors leave the engine as themselves: no exception group of ours reaches anyone."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

import datmo.aio
from datmo.engine.edge import single_error
from datmo.errors import CodeError, EngineUnreachable, EntityNotFound, Refused

pytestmark = pytest.mark.anyio


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[datmo.aio.Project]:
    async with datmo.aio.init(tmp_path, name="iris") as project:
        yield project


@pytest.mark.parametrize(
    "error",
    [ValueError("mine"), KeyboardInterrupt(), SystemExit(3), ExceptionGroup("ours", [ValueError("one")])],
    ids=lambda error: type(error).__name__,
)
async def test_what_the_body_raises_is_what_the_caller_gets(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        async with datmo.aio.init(tmp_path):
            raise error
    assert caught.value is error


async def test_what_a_command_raises_is_what_the_caller_gets(tmp_path: Path) -> None:
    with pytest.raises(EntityNotFound):
        async with datmo.aio.init(tmp_path) as project:
            await project.snapshots.get("zzzz")
    with pytest.raises(Refused):
        async with datmo.aio.open(tmp_path) as project:
            await project.sessions.delete("default")


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()], ids=lambda error: type(error).__name__)
async def test_no_group_stands_behind_what_the_body_raises(tmp_path: Path, error: BaseException) -> None:
    """IPython shows such an error as plain text, and does not mark the cell as failed."""
    before = LookupError("before")
    error.__context__ = before
    async with datmo.aio.init(tmp_path) as project:
        with pytest.raises(type(error)) as caught:
            async with project.tasks.start(["sleep 60"]):
                raise error
        assert caught.value is error
        assert caught.value.__context__ is before
        assert [task.status for task in await project.tasks.ls()] == ["STOPPED"]


async def test_of_two_failures_at_once_one_is_raised_and_the_other_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No engine answers, while the code cannot be captured either."""
    async with datmo.aio.init(tmp_path) as project:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nowhere.sock")
        (tmp_path / "Dockerfile").write_text("FROM scratch\n")
        (tmp_path / ".git").write_text("gitdir: nowhere\n")
        with pytest.raises((EngineUnreachable, CodeError)):
            await project.tasks.run("true")
        assert await project.tasks.ls() == []


def test_several_of_ours_become_the_first_with_notes() -> None:
    with pytest.raises(Refused, match="first") as caught, single_error():
        raise ExceptionGroup("", [Refused("first"), ExceptionGroup("", [CodeError("second")])])
    assert caught.value.__notes__ == ["and: second"]


def test_a_group_with_something_unexpected_in_it_stays_whole() -> None:
    with pytest.RaisesGroup(Refused, ValueError), single_error():
        raise ExceptionGroup("", [Refused("ours"), ValueError("a bug")])


async def test_a_cancelled_body_closes_the_project(tmp_path: Path) -> None:
    with anyio.CancelScope() as scope:
        async with datmo.aio.init(tmp_path) as project:
            scope.cancel()
            await project.snapshots.ls()
    async with datmo.aio.open(tmp_path) as project:
        assert (await project.log.verify()).ok


async def test_a_cancelled_command_leaves_the_project_usable(project: datmo.aio.Project) -> None:
    for milliseconds in range(0, 40, 4):
        with anyio.move_on_after(milliseconds / 1000):
            await project.snapshots.create("cut short")
    made = await project.snapshots.create("whole")
    assert (await project.snapshots.ls())[0] == made
    assert (await project.log.verify()).ok
    assert (await project.log.replay()).different == ()


async def test_damage_where_the_head_was_noted_is_part_of_the_report(project: datmo.aio.Project) -> None:
    await project.snapshots.create("x")
    last, _ = await project.log.head()
    with closing(sqlite3.connect(project.home / ".datmo" / "log.db")) as connection:
        connection.executescript(
            f"DROP TRIGGER event_is_never_changed; UPDATE event SET data = x'7b' WHERE position = {last}"
        )
    report = await project.log.verify()
    assert [problem.position for problem in report.problems] == [last]
