"""Reading metrics back: whole, by steps, fewer points."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from datmo.errors import EntityNotFound, InvalidArgument, InvalidArgumentType
from tests.api.face import Face

pytestmark = pytest.mark.anyio

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
