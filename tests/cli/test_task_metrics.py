"""`datmo task metrics`: a task's metrics for people and for programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio

TRAINING = """
import datmo, math
task = datmo.task.current()
for step in range(100):
    task.log(step=step, loss=1 / (step + 1))
task.log(acc=math.nan)
"""


@pytest.fixture
async def task(run: Datmo, project: Path) -> str:
    """The id of a task that has reported two metrics."""
    (project / "train.py").write_text(TRAINING)
    done = await run("task", "run", "python train.py")
    assert done.code == 0
    (listed,) = (await run("task", "ls", "--format", "json")).json
    return str(listed["id"])


async def test_all_metrics_of_a_task(run: Datmo, task: str) -> None:
    shown = await run("task", "metrics", task[:6])
    assert shown.rows[0] == ["metric", "last", "min", "max", "step", "points", "when"]
    assert [row[:6] for row in shown.rows[1:]] == [
        ["loss", "0.01", "0.01", "1", "99", "100"],
        ["acc", "nan", "0", "1", *shown.rows[2][4:6]],
    ]
    known = (await run("task", "metrics", task, "--format", "json")).json
    assert (known["loss"]["count"], known["acc"]["last"], known["acc"]["min"]) == (100, {"$float": "nan"}, None)
    as_csv = await run("task", "metrics", task, "--format", "csv")
    assert as_csv.out.splitlines() == [
        "name,last,min,max,last_step,count",
        "loss,0.01,0.01,1.0,99,100",
        "acc,nan,,,0,1",
    ]
    page = await run("task", "inspect", task)
    lines = page.out[page.out.index("\nmetrics ") + 1 :].splitlines()
    assert [line.split() for line in lines[:2]] == [
        ["metrics", "last", "min", "max", "points"],
        ["loss", "0.01", "0.01", "1", "100"],
    ]


async def test_the_points_of_one(run: Datmo, task: str) -> None:
    shown = await run("task", "metrics", task, "loss")
    assert shown.rows[0] == ["step", "time,", "UTC", "value"]
    assert len(shown.rows) == 21
    assert (shown.rows[1][-1], shown.rows[-1][-1]) == ("1", "0.01")
    assert shown.err == "showing 20 of 100 points; --points 0 shows all\n"
    assert len((await run("task", "metrics", task, "loss", "--points", "0")).rows) == 101
    some = await run("task", "metrics", task, "loss", "--start", "3", "--end", "4", "--format", "json")
    assert (some.json["steps"], some.json["values"]) == ([3, 4], [0.25, 0.2])
    lines = (await run("task", "metrics", task, "loss", "--end", "0", "--format", "csv")).out.splitlines()
    assert lines[0] == "step,time,value"
    assert lines[1].startswith("0,20")
    assert lines[1].endswith("Z,1.0")


async def test_what_cannot_be_shown(run: Datmo, task: str) -> None:
    missing = await run("task", "metrics", task, "los")
    assert (missing.code, missing.err) == (1, "error: the task has no metric 'los'\nhint: perhaps 'loss'\n")
    assert (await run("task", "metrics", task, "--start", "3")).code == 2
    await run("task", "run", "true")
    quiet = (await run("task", "ls", "--format", "json")).json[0]["id"]
    assert (await run("task", "metrics", quiet)).err.startswith("no metrics yet\nhint: ")
