"""Tasks whose supervisor was killed: whoever comes next finishes the job, exactly once."""

from __future__ import annotations

import os
import select
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync

import datmo.aio
from datmo.runner.witness import alive
from tests.api.face import AsyncFace, Face, contents
from tests.api.processes import Signpost, keeper_of, script
from tests.api.test_unattended import orphan

pytestmark = pytest.mark.anyio

LINES = 3000
CHATTY = (
    "seq {count}; seq {count} 1>&2; echo accuracy: 0.5; echo weights > model.bin; echo mine > $DATMO_TASK_DIR/own;"
    " exit 3"
)


async def test_what_ended_meanwhile_is_finished_as_it_should_have_been(
    face: Face, project: Any, tmp_path: Path
) -> None:
    signpost, go_on = Signpost(tmp_path), tmp_path / "go-on"
    command = f"cat {go_on}; {CHATTY.format(count=LINES)}"
    os.mkfifo(go_on)
    pid = await orphan_of(project, signpost, command)
    await anyio.Path(go_on).write_text("")
    await run_sync(wait_for_end_of, pid)
    (finished,) = await project.tasks.recover()
    assert await face.value(finished, "status") == "FAILED"
    assert await face.value(finished, "exit_code") == 3
    assert (await face.value(finished, "results"))["accuracy"] == 0.5
    numbers = [line for line in (await face.logs(finished)).splitlines() if line.isdecimal()]
    assert sorted(map(int, numbers)) == sorted([*range(1, LINES + 1)] * 2)
    kept = await contents(face, finished)
    assert (kept["model.bin"], kept["own"]) == (b"weights\n", b"mine\n")
    assert "train.py" not in kept
    await gone(project, finished.id, pid)


async def test_what_still_runs_is_attended_to_its_end(face: Face, project: Any, tmp_path: Path) -> None:
    signpost, go_on = Signpost(tmp_path), tmp_path / "go-on"
    os.mkfifo(go_on)
    pid = await orphan_of(project, signpost, f"cat {go_on}; echo done: 1")
    assert await project.tasks.recover(stay=False) == []
    (task,) = await project.tasks.ls()
    assert await face.value(task, "unattended")
    async with anyio.create_task_group() as workers:
        workers.start_soon(project.tasks.recover)
        await anyio.Path(go_on).write_text("")
    ended = await project.tasks.get(task.id)
    assert (await face.value(ended, "status"), await face.value(ended, "results")) == ("SUCCESS", {"done": 1})
    await gone(project, task.id, pid)


async def test_two_rescuers_at_once_record_everything_once(face: Face, project: Any, tmp_path: Path) -> None:
    pid = await orphan_of(project, Signpost(tmp_path), CHATTY.format(count=LINES))
    async with datmo.aio.open(project.home) as other, anyio.create_task_group() as workers:
        workers.start_soon(other.tasks.recover)
        workers.start_soon(project.tasks.recover)
    (task,) = await project.tasks.ls()
    assert await face.value(task, "status") == "FAILED"
    numbers = [line for line in (await face.logs(task)).splitlines() if line.isdecimal()]
    assert sorted(map(int, numbers)) == sorted([*range(1, LINES + 1)] * 2)
    ends = [event.type async for event in project.log.read(stream=f"task/{task.id}", types=["task.failed"])]
    assert ends == ["task.failed"]
    await gone(project, task.id, pid)


async def test_an_orphan_is_stopped_by_whoever_asks(face: Face, project: Any, tmp_path: Path) -> None:
    pid = await orphan(project, Signpost(tmp_path))
    (task,) = await project.tasks.ls()
    stopped = await project.tasks.stop(task.id[:6])
    assert await face.value(stopped, "status") == "STOPPED"
    await gone(project, task.id, pid)


async def test_a_task_of_another_process_is_stopped_by_way_of_the_log(face: Face, project: Any, tmp_path: Path) -> None:
    signpost = Signpost(tmp_path)
    supervisor = script(f"import datmo; print(datmo.task.run({signpost.command()!r}).status)", cwd=project.home)
    pid = await run_sync(signpost.wait)
    (stopped,) = await project.tasks.stop_all()
    assert await face.value(stopped, "status") == "STOPPED"
    said, _ = await run_sync(supervisor.communicate)
    assert said == "STOPPED\n"
    await gone(project, stopped.id, pid)


async def test_what_has_ended_is_left_as_it_is(face: Face, project: Any) -> None:
    ended = await project.tasks.run("true")
    before = await project.log.head()
    assert await project.tasks.stop_all() == []
    assert await face.value(await project.tasks.stop(ended.id), "status") == "SUCCESS"
    assert [await face.value(each, "status") for each in await project.tasks.wait(ended.id)] == ["SUCCESS"]
    assert await project.tasks.recover() == []
    assert await project.log.head() == before


async def test_running_a_task_finishes_what_others_left(face: Face, project: Any, tmp_path: Path) -> None:
    pid = await orphan_of(project, Signpost(tmp_path), "exit 4")
    await run_sync(wait_for_end_of, pid)
    (left,) = await project.tasks.ls()
    for _ in range(50):  # a busy machine may need more than one
        await project.tasks.run("sleep 0.2")
        if (await face.value(await face.now(left), "status")) == "FAILED":
            break
    assert await face.value(await face.now(left), "exit_code") == 4


async def test_a_task_is_followed_from_its_creation_to_its_end(face: Face, project: Any) -> None:
    task = await project.tasks.run(["sh", "-c", "echo out; echo err >&2"])
    updates = [update async for update in follow(project, task.id)]
    assert [update.event.type for update in updates][:2] == ["task.created", "task.started"]
    assert updates[-1].event.type == "task.finished"
    printed = [part for update in updates for part in update.output]
    assert sorted(printed) == [(1, b"out\n"), (2, b"err\n")]


async def test_all_that_is_known_of_a_task(face: Face, project: Any) -> None:
    task = await project.tasks.run("echo accuracy: 0.9")
    known = await project.tasks.inspect(task.id[:8])
    assert known["command"] == "echo accuracy: 0.9"
    assert known["results"] == {"accuracy": 0.9}
    assert [each["path"] for each in known["file_collection"]["files"]] == ["task.log"]
    assert known["end_time"] >= known["start_time"] >= known["created_at"]


async def gone(project: Any, task_id: str, pid: int) -> None:
    """Check that neither keeper nor child nor folder of a task is there any more."""
    async with datmo.aio.open(project.home) as other:
        keeper = await keeper_of(other, task_id)
    assert not await run_sync(alive, keeper)
    assert not Path(f"/proc/{pid}").exists()
    assert not (project.home / ".datmo" / "tasks" / task_id).exists()


def follow(project: Any, task_id: str) -> Any:
    """Both faces give an iterator; the synchronous one is wrapped to be awaited."""
    target = getattr(project, "_target", None)
    if target is None:
        return project.tasks.follow(task_id)

    async def each() -> Any:
        for update in await run_sync(lambda: list(target.tasks.follow(task_id))):
            yield update

    return each()


async def orphan_of(project: Any, signpost: Signpost, command: str) -> int:
    """Kill the supervisor of a task that runs a shell's command, once that runs; return the pid of the shell."""
    supervisor = script(f"import datmo; datmo.task.run({signpost.command(command)!r})", cwd=project.home)
    pid = await run_sync(signpost.wait)
    async with datmo.aio.open(project.home) as other:
        async for _ in other.log.follow(after=0, types=["task.started"]):
            break
    supervisor.kill()
    await run_sync(supervisor.communicate)
    return pid


def wait_for_end_of(pid: int) -> None:
    """Return when a process that is not our child has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([descriptor], [], [])
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("face", [AsyncFace()], ids=["async"])
async def test_a_rescuer_who_looked_before_another_finished_records_nothing(
    face: Face, project: datmo.aio.Project, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    os.mkfifo(go_on)
    await orphan_of(project, Signpost(tmp_path), f"cat {go_on}; exit 4")
    await anyio.Path(go_on).write_text("")
    recovering = project.tasks._recovering
    (row,) = await recovering.orphans()
    late = await recovering._supervisor(row)
    (finished,) = await project.tasks.recover()
    before = await project.log.head()
    assert await late.adopt() is False
    assert await project.log.head() == before
    assert (await finished.refresh()).exit_code == 4
    assert list((project.home / ".datmo" / "tasks").iterdir()) == []
