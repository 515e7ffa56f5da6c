"""Stopping: by cancelling the caller, by Ctrl-C, by another process. Always recorded, nothing left behind."""

from __future__ import annotations

import itertools
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync

import datmo
import datmo.aio
from tests.api.processes import Signpost, keeper_of, nothing_is_left, output, script, what_is_wrong

pytestmark = pytest.mark.anyio


@pytest.fixture
async def project(home: Path) -> AsyncIterator[datmo.aio.Project]:
    async with datmo.aio.init(home, name="iris") as project:
        yield project


@pytest.fixture
def signpost(tmp_path: Path) -> Signpost:
    return Signpost(tmp_path)


async def test_cancelling_the_caller_stops_the_task(project: datmo.aio.Project, signpost: Signpost) -> None:
    pid = 0
    async with anyio.create_task_group() as workers:
        workers.start_soon(project.tasks.run, signpost.command())
        pid = await run_sync(signpost.wait)
        workers.cancel_scope.cancel()
    (task,) = await project.tasks.ls()
    assert (task.status, task.exit_code) == ("STOPPED", 128 + signal.SIGTERM)
    assert await task.logs() == "running\n"
    assert task.file_collection_id is not None
    await nothing_is_left(project, task.id, pid)


async def test_a_task_may_save_its_work_when_it_is_stopped(project: datmo.aio.Project, signpost: Signpost) -> None:
    saving = "trap 'echo saved > $DATMO_TASK_DIR/checkpoint; exit 0' TERM"
    command = ["sh", "-c", f"{saving}; sleep 600 & echo $$ > {signpost.path}; wait"]
    async with anyio.create_task_group() as workers:
        workers.start_soon(project.tasks.run, command)
        await run_sync(signpost.wait)
        workers.cancel_scope.cancel()
    (task,) = await project.tasks.ls()
    assert (task.status, task.exit_code) == ("STOPPED", 0)
    files = await task.files()
    assert [file.name for file in files] == ["checkpoint", "task.log"]


async def test_whenever_it_is_cancelled_no_task_is_left_unfinished(project: datmo.aio.Project, home: Path) -> None:
    for milliseconds in itertools.count(0, 4):
        with anyio.move_on_after(milliseconds / 1000):
            await project.tasks.run("sleep 600")
        # On a busy machine it takes longer until there are some that ran.
        if milliseconds >= 92 and any(task.start_time for task in await project.tasks.ls()):
            break
    statuses = [task.status for task in await project.tasks.ls()]
    assert set(statuses) == {"STOPPED"}
    assert list((home / ".datmo" / "tasks").iterdir()) == []


async def test_cancelled_before_it_was_started_it_says_so(project: datmo.aio.Project) -> None:
    async with anyio.create_task_group() as workers:
        workers.start_soon(project.tasks.run, "sleep 600")
        async for _ in project.log.follow(types=["task.created"]):
            workers.cancel_scope.cancel()
            break
    (task,) = await project.tasks.ls()
    assert task.status == "STOPPED"


async def test_another_process_can_ask_it_to_stop(project: datmo.aio.Project, signpost: Signpost) -> None:
    asked = (
        "import sys, datmo\n"
        "from datmo.core.event import NewEvent\n"
        "with datmo.open() as project:\n"
        "    (task,) = project.tasks.ls()\n"
        "    project.log.append(NewEvent(f'task/{task.id}', 'task.stop_requested', {}))\n"
    )
    pid, ended = 0, list[datmo.aio.Task]()

    async def run() -> None:
        ended.append(await project.tasks.run(signpost.command()))

    async with anyio.create_task_group() as workers:
        workers.start_soon(run)
        pid = await run_sync(signpost.wait)
        await run_sync(lambda: output(asked, cwd=project.home))
    assert (ended[0].status, ended[0].exit_code) == ("STOPPED", 128 + signal.SIGTERM)
    await nothing_is_left(project, ended[0].id, pid)
    times = {event.type: event.recorded_us async for event in project.log.read(types=["task.*"])}
    # It was heard of at once, and not when somebody looked by chance.
    assert times["task.stopped"] - times["task.stop_requested"] < 10_000_000


async def test_edits_made_meanwhile_do_not_matter(project: datmo.aio.Project, home: Path, signpost: Signpost) -> None:
    logs: list[str] = []

    async def run() -> None:
        logs.append(await (await project.tasks.run(signpost.command("cat train.py"))).logs())

    async with anyio.create_task_group() as workers:
        workers.start_soon(run)
        async for _ in project.log.follow(after=0, types=["task.started"]):
            break
        (home / "train.py").write_text("print('edited')\n")
        await run_sync(signpost.wait)
    assert logs == ["running\nprint('accuracy: 0.9')\n"]


# Output as it comes


async def test_live_output_is_what_is_recorded_in_order(project: datmo.aio.Project) -> None:
    seen: list[tuple[int, bytes]] = []

    async def live(stream: int, data: bytes) -> None:
        seen.append((stream, data))

    await project.tasks.run(["sh", "-c", "seq 2000; echo worse >&2; seq 2000"], live=live)
    numbers = b"".join(b"%d\n" % number for number in range(1, 2001))
    assert b"".join(data for stream, data in seen if stream == 1) == numbers * 2
    assert b"".join(data for stream, data in seen if stream == 2) == b"worse\n"


async def test_an_error_of_live_stops_the_task_and_goes_on(project: datmo.aio.Project, signpost: Signpost) -> None:
    async def live(stream: int, data: bytes) -> None:
        raise BrokenPipeError("nobody reads")

    with pytest.raises(BrokenPipeError, match="nobody reads"):
        await project.tasks.run(["sh", "-c", "echo hello; exec sleep 600"], live=live)
    (task,) = await project.tasks.ls()
    assert (task.status, await task.logs()) == ("STOPPED", "hello\n")


async def test_a_live_that_never_returns_does_not_keep_it_from_being_cancelled(project: datmo.aio.Project) -> None:
    stuck = anyio.Event()

    async def live(stream: int, data: bytes) -> None:
        stuck.set()
        await anyio.sleep_forever()

    async def run() -> None:
        await project.tasks.run(["sh", "-c", "seq 100; exec sleep 600"], live=live)

    async with anyio.create_task_group() as workers:
        workers.start_soon(run)
        await stuck.wait()
        workers.cancel_scope.cancel()
    (task,) = await project.tasks.ls()
    assert task.status == "STOPPED"
    assert (await task.logs()).split()[-1] == "100"


# Ctrl-C in a script of the sync API


async def test_ctrl_c_stops_the_task_of_a_script(project: datmo.aio.Project, home: Path, signpost: Signpost) -> None:
    source = (
        "import datmo\n"
        "try:\n"
        f"    datmo.task.run({signpost.command()!r})\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', datmo.task.ls()[0].status)\n"
    )
    process = script(source, cwd=home)
    pid = await run_sync(signpost.wait)
    process.send_signal(signal.SIGINT)
    said, wrong = await run_sync(lambda: process.communicate(timeout=200))
    assert (process.returncode, said) == (0, "interrupted STOPPED\n"), wrong
    (task,) = await project.tasks.ls()
    assert (task.status, await task.logs()) == ("STOPPED", "running\n")
    await nothing_is_left(project, task.id, pid)


async def test_ctrl_c_within_an_open_project_closes_it(
    project: datmo.aio.Project, home: Path, signpost: Signpost
) -> None:
    source = f"import datmo\nwith datmo.open() as project:\n    project.tasks.run({signpost.command()!r})\n"
    process = script(source, cwd=home)
    pid = await run_sync(signpost.wait)
    process.send_signal(signal.SIGINT)
    _, wrong = await run_sync(lambda: process.communicate(timeout=200))
    assert process.returncode == -signal.SIGINT
    assert what_is_wrong(wrong).strip().endswith("KeyboardInterrupt")
    (task,) = await project.tasks.ls()
    assert task.status == "STOPPED"
    await nothing_is_left(project, task.id, pid)


async def test_a_task_outlives_a_killed_supervisor(project: datmo.aio.Project, home: Path, signpost: Signpost) -> None:
    process = script(f"import datmo\ndatmo.task.run({signpost.command()!r})\n", cwd=home)
    pid = await run_sync(signpost.wait)
    async for _ in project.log.follow(after=0, types=["task.started"]):
        break
    process.kill()
    await run_sync(lambda: process.communicate(timeout=200))
    try:
        (task,) = await project.tasks.ls()
        assert task.status == "RUNNING"
        assert Path(f"/proc/{pid}").exists()
        assert (await project.log.verify()).ok
    finally:
        from datmo.runner.executors.process import ProcessExecutor

        executor = ProcessExecutor(home / ".datmo" / "tasks")
        keeper = await keeper_of(project, task.id)
        await executor.stop({**keeper._asdict(), "folder": task.id}, grace=0)
