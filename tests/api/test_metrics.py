"""Reading metrics back: whole, by steps, fewer points."""

from __future__ import annotations

import math
import os
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync

import datmo.aio
from datmo.errors import EntityNotFound, InvalidArgument, InvalidArgumentType
from tests.api.face import AsyncFace, Face

pytestmark = pytest.mark.anyio
only_async = pytest.mark.parametrize("face", [AsyncFace()], ids=["async"])

TRAINING = """
import datmo, math
task = datmo.task.current()
for step in range(3000):
    task.log(step=step, loss=1 / (step + 1), wave=math.sin(step))
task.log(step=5000, loss=math.inf)
task.log(loss=math.nan)
"""


async def test_a_series_comes_back_as_arrays(face: Face, project: Any, home: Path) -> None:
    (home / "train.py").write_text(TRAINING)
    task = await project.tasks.run("python train.py")
    loss = await project.tasks.metrics(task.id[:8], "loss")
    assert loss.name == "loss"
    assert [each.typecode for each in (loss.steps, loss.times, loss.values)] == ["q", "d", "d"]
    assert list(loss.steps) == [*range(3000), 5000, 5001]
    assert list(loss.values[:3000]) == [1 / (step + 1) for step in range(3000)]
    assert loss.values[3000] == math.inf
    assert math.isnan(loss.values[3001])
    assert list(loss.times) == sorted(loss.times)
    some = await project.tasks.metrics(task.id, "wave", start=10, end=20)
    assert list(zip(some.steps, some.values, strict=True)) == [(step, math.sin(step)) for step in range(10, 21)]
    few = await project.tasks.metrics(task.id, "wave", points=100)
    assert len(few.steps) <= 100
    assert max(few.values) == max(math.sin(step) for step in range(3000))
    summaries = await project.tasks.summaries(task.id)
    assert (summaries["wave"]["count"], summaries["loss"]["max"]) == (3000, math.inf)
    assert math.isnan(summaries["loss"]["last"])


async def test_tasks_are_found_and_sorted_by_their_metrics(face: Face, project: Any) -> None:
    ids = []
    for loss in (0.5, 0.25, 0.75):
        line = f'{{"log": {{"loss": {loss}, "val/acc": 1}}}}'
        ids.append((await project.tasks.run(["sh", "-c", f"echo '{line}' >> $DATMO_OUTBOX"])).id)
    await project.tasks.run("true")
    low = await project.tasks.ls(where="metrics.loss.last <= 0.5", sort="metrics.loss.min asc")
    assert [task.id for task in low] == [ids[1], ids[0]]
    assert len(await project.tasks.ls(where='metrics."val/acc".count == 1')) == 3
    assert [task.id for task in await project.tasks.ls(sort="metrics.loss.last", limit=1)] == [ids[2]]


async def test_what_is_not_there_is_said(face: Face, project: Any, home: Path) -> None:
    (home / "train.py").write_text(TRAINING)
    quiet = await project.tasks.run("true")
    assert await project.tasks.summaries(quiet.id) == {}
    with pytest.raises(EntityNotFound, match=r"the task has no metric 'loss'(.|\n)*none yet"):
        await project.tasks.metrics(quiet.id, "loss")
    task = await project.tasks.run("python train.py")
    with pytest.raises(EntityNotFound, match=r"no metric 'los'(.|\n)*perhaps 'loss'"):
        await project.tasks.metrics(task.id, "los")
    with pytest.raises(EntityNotFound, match="no task"):
        await project.tasks.metrics("zzzz", "loss")
    with pytest.raises(InvalidArgument, match="2 or more"):
        await project.tasks.metrics(task.id, "loss", points=1)
    with pytest.raises(InvalidArgumentType, match="named by text"):
        await project.tasks.metrics(task.id, 3)
    assert list((await project.tasks.metrics(task.id, "loss", start=4000, end=4500)).steps) == []


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sample as often as there is a look."""
    monkeypatch.setattr("datmo.runner.usage.FIRST", 0.0)
    monkeypatch.setattr("datmo.runner.usage.EVERY", 0.0)


GATED = """
import datmo, sys
datmo.task.current().log(loss=0.5)
open(sys.argv[1]).read()
datmo.task.current().log(loss=0.25)
"""


@only_async
@pytest.mark.parametrize("executor", ["process", "docker", "track"])
async def test_what_a_task_uses_is_sampled(  # noqa: PLR0917
    face: Face, project: datmo.aio.Project, home: Path, often: None, executor: str, base_image: str
) -> None:
    gate = home / "gates" / "gate"
    gate.parent.mkdir()
    os.mkfifo(gate)
    (home / "train.py").write_text(GATED)
    (home / "Dockerfile").write_text(f"FROM {base_image}\n")
    (home / ".gitignore").write_text("gates\n")

    async def run() -> None:
        if executor == "track":
            async with project.track() as task:
                task.log(loss=0.5)
                await run_sync(gate.read_text)
                task.log(loss=0.25)
        else:
            path = str(gate) if executor == "process" else "/data/gates/gate"
            options = datmo.aio.TaskOptions(data={"gates": gate.parent})
            await project.tasks.run(["python", "train.py", path], executor=executor, options=options)

    async with anyio.create_task_group() as workers:
        workers.start_soon(run)
        samples = 0
        async for event in project.log.follow(after=0, types=["task.metrics"]):
            samples += "system.cpu" in event.data["series"]
            if samples == 2:
                break
        await run_sync(gate.write_text, "")
    (task,) = await project.tasks.ls()
    assert task.status == "SUCCESS", await task.logs()
    summaries = await project.tasks.summaries(task.id)
    assert summaries["system.memory"]["last"] > 1 << 20
    assert 0 <= (summaries["system.cpu"]["max"] or 0) < 100 * (os.cpu_count() or 1) + 100
    assert summaries["loss"]["count"] == 2
    assert (await project.log.replay()).different == ()
    if executor == "docker":
        await project.tasks.stop_all()
        await datmo.aio.cleanup(home)


@only_async
async def test_it_is_not_where_nobody_wants_it(face: Face, project: datmo.aio.Project, home: Path, often: None) -> None:
    gate = home / ".datmo" / "gate"
    os.mkfifo(gate)
    (home / "train.py").write_text(GATED)
    options = datmo.aio.TaskOptions(system_metrics=False)
    async with anyio.create_task_group() as workers:
        workers.start_soon(partial(project.tasks.run, ["python", "train.py", str(gate)], options=options))
        async for _ in project.log.follow(after=0, types=["task.metrics"]):
            break
        await run_sync(gate.write_text, "")
    (task,) = await project.tasks.ls()
    assert set(await project.tasks.summaries(task.id)) == {"loss"}
    created = [event async for event in project.log.read(types=["task.created"])]
    assert created[0].data["options"]["system_metrics"] is False
    with pytest.raises(InvalidArgumentType, match="True or False"):
        await project.tasks.run("true", options=datmo.aio.TaskOptions(system_metrics=1))  # type: ignore[arg-type]
