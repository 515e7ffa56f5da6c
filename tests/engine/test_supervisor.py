"""The supervisor of one task: whatever goes wrong around the command, the task's end is recorded truly."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import pytest

import datmo.aio
from datmo.capture.collect import Stamp
from datmo.core import task as rules
from datmo.core.event import NewEvent
from datmo.core.ids import new_id
from datmo.errors import CodeError, Conflict, RunnerError
from datmo.runner.executors.base import Chunk, Handle, RunSpec
from datmo.runner.executors.process import ProcessExecutor
from datmo.runner.results import COUNT_LIMIT
from datmo.runner.supervisor import Supervisor
from datmo.runner.witness import FileLock, Witness, end_session

pytestmark = pytest.mark.anyio


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[datmo.aio.Project]:
    async with datmo.aio.init(tmp_path, name="iris") as project:
        yield project


class Making:
    """Makes supervisors of tasks of a project that has captured nothing."""

    def __init__(self, project: datmo.aio.Project) -> None:
        self.workspace = project._workspace
        self.tasks = self.workspace.tasks_folder
        self.said: list[str] = []

    async def supervisor(self, *argv: str, **more: Any) -> Supervisor:
        task_id = new_id()
        session = (await self.workspace.session(None))["id"]
        created = rules.TaskCreated(
            session_id=session,
            name=None,
            command=" ".join(argv),
            argv=list(argv),
            executor="process",
            executor_reason="",
            code_id="c" * 40,
            environment_id="e" * 64,
            config={},
            options={},
        )
        folder = self.tasks / task_id
        spec = RunSpec(task_id=task_id, argv=argv, folder=folder, code=folder / "code", files=folder / "files")

        def check_out() -> Mapping[str, Stamp]:
            spec.code.mkdir()
            spec.files.mkdir()
            return {}

        options = {"executor": ProcessExecutor(self.tasks), "check_out": check_out, **more}
        return Supervisor(
            log=self.workspace.log,
            store=self.workspace.store,
            spec=spec,
            runs_on="this machine",
            created=(rules.create(task_id, created),),
            notice=self.said.append,
            **options,
        )


@pytest.fixture
def making(project: datmo.aio.Project) -> Making:
    return Making(project)


async def test_it_records_a_task_from_beginning_to_end(project: datmo.aio.Project, making: Making) -> None:
    supervisor = await making.supervisor("echo", "hello")
    await supervisor.run()
    stream = f"task/{supervisor.spec.task_id}"
    assert [event.type async for event in project.log.read(stream=stream)] == [
        "task.created",
        "task.started",
        "task.output",
        "task.finished",
    ]
    assert not supervisor.spec.folder.exists()
    assert making.said == []


@pytest.mark.parametrize("error", [CodeError("the code 'cccc' is not in the repository"), OSError(28, "No space left")])
async def test_a_failing_checkout_is_a_failed_task_with_the_reason(
    project: datmo.aio.Project, making: Making, error: Exception
) -> None:
    def check_out() -> Mapping[str, Stamp]:
        raise error

    supervisor = await making.supervisor("true", check_out=check_out)
    await supervisor.run()
    (task,) = await project.tasks.ls()
    assert (task.status, task.exit_code, task.start_time) == ("FAILED", 125, None)
    assert str(error) in str(task.reason)
    assert not supervisor.spec.folder.exists()


async def test_an_unexpected_error_before_the_start_ends_the_task_and_goes_on(
    project: datmo.aio.Project, making: Making
) -> None:
    def check_out() -> Mapping[str, Stamp]:
        raise ZeroDivisionError("nobody thought of it")

    supervisor = await making.supervisor("true", check_out=check_out)
    with pytest.RaisesGroup(ZeroDivisionError):
        await supervisor.run()
    (task,) = await project.tasks.ls()
    assert (task.status, task.reason) == ("FAILED", "ZeroDivisionError('nobody thought of it')")


class Replacing(ProcessExecutor):
    """An executor whose record replaces what is not UTF-8, as a container's does."""

    async def output(
        self, handle: Handle, cursor: int, *, follow: bool, mark: bytes = b""
    ) -> AsyncGenerator[Chunk, None]:
        async with aclosing(super().output(handle, cursor, follow=follow, mark=mark)) as chunks:
            async for chunk in chunks:
                yield chunk._replace(exact=False)


async def test_output_that_is_not_what_was_written_is_marked_so(project: datmo.aio.Project, making: Making) -> None:
    supervisor = await making.supervisor("echo", "hello", executor=Replacing(making.tasks))
    await supervisor.run()
    (task,) = await project.tasks.ls()
    assert any("what the engine made of it" in notice for notice in task.notices)
    assert [event.data["exact"] async for event in project.log.read(types=["task.output"])] == [False]


async def test_a_task_that_was_not_recorded_leaves_nothing(project: datmo.aio.Project, making: Making) -> None:
    supervisor = await making.supervisor("true")
    twice = await making.supervisor("true")
    twice.created = (*supervisor.created, NewEvent("project/other", "project.initialized", {"name": "x"}))
    with pytest.RaisesGroup(Conflict):
        await twice.run()
    assert await project.tasks.ls() == []
    assert not twice.spec.folder.exists()


async def test_a_folder_that_cannot_be_made_is_said_before_anything_is_recorded(
    project: datmo.aio.Project, making: Making
) -> None:
    making.tasks.parent.mkdir(exist_ok=True)
    making.tasks.write_text("in the way")
    supervisor = await making.supervisor("true")
    with pytest.RaisesGroup(RunnerError):
        await supervisor.run()
    assert await project.tasks.ls() == []


async def test_output_beyond_the_limit_is_drained_and_it_is_said(project: datmo.aio.Project, making: Making) -> None:
    supervisor = await making.supervisor("sh", "-c", "seq 100000; echo done > ../files/done")
    object.__setattr__(supervisor.spec, "output_limit", 1000)
    await supervisor.run()
    (task,) = await project.tasks.ls()
    assert task.status == "SUCCESS"
    assert len(await task.logs()) == 1000
    assert [file.name for file in await task.files()] == ["done", "task.log"]
    assert any("were not recorded" in notice for notice in task.notices)
    assert [event.data async for event in project.log.read(types=["task.output_limited"])] == [{"limit": 1000}]


async def test_results_that_are_too_many_are_counted_and_it_is_said(project: datmo.aio.Project, making: Making) -> None:
    supervisor = await making.supervisor("seq", "-f", "key %.0f: 1", str(COUNT_LIMIT + 5))
    await supervisor.run()
    (task,) = await project.tasks.ls()
    assert len(task.results) == COUNT_LIMIT
    assert "5 lines with results were too many to be kept" in task.notices


@pytest.mark.parametrize("stats", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b"[" * 100_000, b'{"x": "\\ud800"}'])
async def test_stats_that_are_no_object_are_left_with_a_notice(
    project: datmo.aio.Project, making: Making, tmp_path: Path, stats: bytes
) -> None:
    given = tmp_path / "given"
    given.write_bytes(stats)
    supervisor = await making.supervisor("sh", "-c", f"echo loss: 1; cp {given} $DATMO_TASK_DIR/stats.json")
    await supervisor.run()
    (task,) = await project.tasks.ls()
    assert (task.status, task.results["loss"]) == ("SUCCESS", 1)
    assert any("stats.json" in notice for notice in task.notices) == (b"x" not in stats)


async def test_its_lock_is_held_before_the_task_is_recorded(project: datmo.aio.Project, making: Making) -> None:
    """Or a process that recovers could take a task for orphaned that has only just begun."""
    held: list[bool] = []
    began = anyio.Event()

    async def look() -> None:
        async for event in project.log.follow(after=0, types=["task.created"]):
            lock = FileLock(making.tasks / event.entity_id / "lock")
            held.append(await anyio.to_thread.run_sync(lock.holder) is not None)
            began.set()
            return

    async def live(stream: int, data: bytes) -> None:
        await began.wait()

    async with anyio.create_task_group() as workers:
        workers.start_soon(look)
        supervisor = await making.supervisor("echo", "hello", live=live)
        await supervisor.run()
    assert held == [True]


class Sticky(ProcessExecutor):
    """An executor that cannot remove what it keeps, as when the engine goes away in the very end."""

    async def remove(self, handle: Handle) -> None:
        raise RunnerError("the engine went away")


async def test_what_cannot_be_tidied_up_does_not_change_how_it_ended(
    project: datmo.aio.Project, making: Making
) -> None:
    supervisor = await making.supervisor("true", executor=Sticky(making.tasks))
    await supervisor.run()
    (task,) = await project.tasks.ls()
    assert task.status == "SUCCESS"
    assert making.said == [f"something of task {task.id} is left behind: the engine went away"]


class Unkillable(ProcessExecutor):
    """Says of what it shall stop that it does not end, as it is of a process that waits for a dead drive."""

    handle: Handle | None = None

    async def stop(self, handle: Handle, *, grace: float) -> None:
        self.handle = handle
        raise RunnerError("the process 7 does not end, though it was killed")


async def test_what_does_not_end_though_it_was_killed_is_given_up(project: datmo.aio.Project) -> None:
    making = Making(project)
    executor = Unkillable(making.tasks)
    supervisor = await making.supervisor("sleep", "600", executor=executor, timeout=0.1)
    await supervisor.run()
    (task,) = await project.tasks.ls()
    assert (task.status, task.exit_code) == ("LOST", None)
    assert task.reason == "the process 7 does not end, though it was killed"
    assert executor.handle is not None
    keeper = Witness(*(executor.handle[name] for name in ("pid", "start_time", "boot_id")))
    await anyio.to_thread.run_sync(end_session, keeper)
