"""GPUs as processes are given them: each to one task at a time, those of orphans to nobody."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio
import pytest

import datmo.aio
from datmo.aio import TaskOptions
from datmo.core.event import NewEvent
from datmo.engine.devices import Devices
from datmo.errors import InvalidArgument
from tests.api.tasks import unfinished_task

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has two, for the tests; what is done with them is not their business."""
    monkeypatch.setattr("datmo.capture.machine._gpus", lambda folder: iter(["H200", "H200"]))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
async def project(tmp_path: Path) -> Any:
    (tmp_path / "home").mkdir()
    async with datmo.aio.init(tmp_path / "home", name="x") as project:
        yield project


async def test_tasks_at_the_same_time_have_different_ones(project: datmo.aio.Project) -> None:
    # Both are there at once: each opens one end of a pipe, which waits for the other.
    pipe = project.home.parent / "pipe"
    os.mkfifo(pipe)
    commands = [f"echo device: $CUDA_VISIBLE_DEVICES; {each} {pipe}" for each in ("echo >", "cat")]
    specs = [*(["sh", "-c", command] for command in commands), "true", "true"]
    tasks = await project.tasks.map(specs, limit=4, options=TaskOptions(gpus=1))
    assert sorted(task.results["device"] for task in tasks[:2]) == [0, 1]
    assert [task.status for task in tasks] == ["SUCCESS"] * 4


async def test_a_device_is_waited_for(project: datmo.aio.Project) -> None:
    devices = Devices(project._workspace, shared=False)
    order = []

    async def second() -> None:
        async with devices.taken("2") as gpus:
            order.append(gpus)

    async with anyio.create_task_group() as workers, devices.taken("device=1") as gpus:
        assert gpus == "device=1"
        workers.start_soon(second)
        async with devices.taken("1") as other:
            assert other == "device=0"
        order.append("first")
    assert order == ["first", "device=0,1"]


async def test_those_of_a_task_whose_supervisor_was_killed_are_in_use(project: datmo.aio.Project) -> None:
    task_id = await unfinished_task(project)
    handle = {"devices": ["0"]}
    await project.log.append(NewEvent(f"task/{task_id}", "task.started", {"handle": handle, "runs_on": "here"}))
    async with Devices(project._workspace, shared=False).taken("1") as gpus:
        assert gpus == "device=1"


@pytest.mark.parametrize("wanted", [3, "device=0,2", "device=GPU-1"])
async def test_what_is_not_here_is_refused(project: datmo.aio.Project, wanted: int | str) -> None:
    before = await project.log.head()
    with pytest.raises(InvalidArgument, match="there are"):
        await project.tasks.run("true", options=TaskOptions(gpus=wanted))
    assert await project.log.head() == before


async def test_only_the_visible_ones_are_ours(project: datmo.aio.Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-7")
    task = await project.tasks.run(["sh", "-c", "echo got: $CUDA_VISIBLE_DEVICES"], options=TaskOptions(gpus="all"))
    assert task.results == {"got": "GPU-7"}
