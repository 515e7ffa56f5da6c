"""kill -9 of a supervisor at random moments, two rescuers at once: every task ends truly, with all that it did.

`DATMO_KILLS` says how many moments are tried over each executor.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest
from anyio.to_thread import run_sync

import datmo.aio
from datmo.engine.entities import Task
from datmo.runner.executors.docker import DockerExecutor
from tests.api.processes import script, what_is_wrong

pytestmark = pytest.mark.anyio

KILLS = int(os.environ.get("DATMO_KILLS", "3"))
LINES = 400
CHATTY = (
    f"i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo $i; echo e$i >&2;"
    """ echo "{\\"log\\": {\\"n\\": $i}}" >> "$DATMO_OUTBOX"; done;"""
    f" echo weights > model.bin; echo lines: {LINES}; exit 7"
)
WORK = f"""
import anyio, datmo.aio

async def main():
    async with datmo.aio.open() as project, anyio.create_task_group() as workers:
        print("working", flush=True)
        for _ in range(2):
            workers.start_soon(project.tasks.run, ["sh", "-c", {CHATTY!r}])

anyio.run(main)
"""
RESCUE = "import datmo\nwith datmo.open() as project: project.tasks.recover()"


@pytest.mark.timeout(60 + 20 * KILLS)
@pytest.mark.parametrize("executor", ["process", "docker"])
async def test_nothing_of_a_task_is_lost_with_its_supervisor(tmp_path: Path, base_image: str, executor: str) -> None:
    (tmp_path / "train.py").write_text("0")
    if executor == "docker":
        (tmp_path / "Dockerfile").write_text(f"FROM {base_image}\n")
    chance = random.Random(7)
    async with datmo.aio.init(tmp_path) as project:
        await project.tasks.run("true")  # the image is built
        for _ in range(KILLS):
            await killed(tmp_path, chance.uniform(0.05, 1.0 if executor == "process" else 2.5))
            rescuers = [script(RESCUE, cwd=tmp_path) for _ in range(2)]
            assert [what_is_wrong((await run_sync(each.communicate))[1]) for each in rescuers] == ["", ""]
            for task in await project.tasks.ls(filter="weights"):
                await check(project, task)
            assert list((tmp_path / ".datmo" / "tasks").iterdir()) == []
        assert (await project.log.verify()).ok
        assert (await project.log.replay()).different == ()
        project_tasks = {task.id for task in await project.tasks.ls()}
    if executor == "docker":
        async with DockerExecutor() as docker:
            assert not project_tasks & {each.task_id for each in await docker.containers()}
    await datmo.aio.cleanup(tmp_path)


async def killed(home: Path, seconds: float) -> None:
    """Start two tasks, and kill whoever runs them after a while; it may have ended before."""
    process = script(WORK, cwd=home)
    assert process.stdout is not None
    assert await run_sync(process.stdout.readline) == "working\n"
    try:
        await run_sync(process.wait, seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    await run_sync(process.communicate)


async def check(project: datmo.aio.Project, task: Task) -> None:
    """Check that a task ended as its program does, or never began."""
    if task.status in {"STOPPED", "LOST"}:  # its supervisor was killed before it could start it, or have it start
        assert "started" in (task.reason or "")
        assert await task.logs() == ""
        return
    assert (task.status, task.exit_code, task.results["lines"]) == ("FAILED", 7, LINES)
    lines = (await task.logs()).splitlines()
    assert [line for line in lines if line.isdecimal()] == [str(number) for number in range(1, LINES + 1)]
    assert [line for line in lines if line[0] == "e"] == [f"e{number}" for number in range(1, LINES + 1)]
    measured = await project.tasks.metrics(task.id, "n")
    assert list(measured.values) == list(range(1, LINES + 1))
    assert {file.name for file in await task.files()} == {"model.bin", "task.log"}
