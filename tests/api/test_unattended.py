"""What is shown of a task whose supervisor was killed: it is never plainly running, and it can be cleaned up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from anyio.to_thread import run_sync

import datmo.aio
from datmo.errors import Refused
from tests.api.face import Face
from tests.api.processes import Signpost, script

pytestmark = pytest.mark.anyio


async def orphan(project: Any, signpost: Signpost, *, recorded: bool = True) -> int:
    """Kill the process that runs a task once the task runs, and its start is recorded or may be not; return its pid."""
    supervisor = script(f"import datmo; datmo.task.run({signpost.command()!r})", cwd=project.home)
    pid = await run_sync(signpost.wait)
    if recorded:
        async with datmo.aio.open(project.home) as other:
            async for _ in other.log.follow(after=0, types=["task.started"]):
                break
    supervisor.kill()
    await run_sync(supervisor.communicate)
    return pid


async def test_a_task_whose_supervisor_was_killed_is_unattended(face: Face, project: Any, tmp_path: Path) -> None:
    await orphan(project, Signpost(tmp_path))
    ended = await project.tasks.run("true")
    newest, task = await project.tasks.ls()
    assert (newest.id, await face.value(newest, "unattended")) == (ended.id, False)
    status = await face.value(task, "status")
    assert status == "RUNNING"
    assert await face.value(task, "unattended")
    assert await face.value(await face.now(task), "unattended")
    assert await face.value(await project.tasks.get(task.id), "unattended")
    assert [await face.value(each, "unattended") for each in (await project.status()).running] == [True]
    await face.cleanup(project.home)


async def test_a_task_that_runs_is_attended(face: Face, project: Any, tmp_path: Path) -> None:
    signpost = Signpost(tmp_path)
    command = signpost.command(f"cat {signpost.path}")
    supervisor = script(f"import datmo; datmo.task.run({command!r})", cwd=project.home)
    await run_sync(signpost.wait)
    (task,) = await project.tasks.ls()
    assert not await face.value(task, "unattended")
    with pytest.raises(Refused, match=task.id):
        await project.cleanup_plan()
    await run_sync(signpost.path.write_text, "go on")
    await run_sync(supervisor.communicate)
    assert await face.value(await face.now(task), "status") == "SUCCESS"


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "at once"])
async def test_cleanup_ends_what_still_runs_of_it(face: Face, project: Any, tmp_path: Path, recorded: bool) -> None:
    pid = await orphan(project, Signpost(tmp_path), recorded=recorded)
    (task,) = await project.tasks.ls()
    assert Path(f"/proc/{pid}").exists()
    said = await face.cleanup(project.home)
    assert f"what may still run of the unattended task {task.id}" in said
    assert not Path(f"/proc/{pid}").exists()
    assert not (project.home / ".datmo").exists()
