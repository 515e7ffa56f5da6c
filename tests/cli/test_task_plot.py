"""`datmo task plot`: curves of a metric in the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio

TRAINING = """
import datmo, sys
for step in range(1000):
    datmo.task.current().log(step=step, loss=float(sys.argv[1]) / (step + 1))
"""


async def test_curves_of_several_tasks(run: Datmo, project: Path) -> None:
    (project / "train.py").write_text(TRAINING)
    done = await run("task", "run", "python train.py {scale}", "--grid", "scale=1,2")
    assert done.code == 0
    tasks = {each["config"]["scale"]: each["id"] for each in (await run("task", "ls", "--format", "json")).json}
    shown = await run("task", "plot", tasks[1], tasks[2], "loss", "--height", "6")
    title, *charts = shown.out.splitlines()
    assert title == "loss"
    assert charts[0] == f"{tasks[1][:4]} scale=1"
    assert charts[8] == f"{tasks[2][:4]} scale=2"
    assert charts[1].strip().startswith("1 │")
    assert charts[7].split() == ["0", "step", "999"]
    assert max(map(len, charts)) <= 80
    part = await run("task", "plot", tasks[1], "loss", "--start", "10", "--end", "19")
    assert part.out.splitlines()[-1].split() == ["10", "step", "19"]
    assert (await run("task", "plot", tasks[1], "loss", "--start", "5000")).err == "no points there\n"


async def test_what_cannot_be_drawn(run: Datmo, project: Path) -> None:
    assert (await run("task", "plot", "loss")).code == 2
    await run("task", "run", "true")
    (task,) = (await run("task", "ls", "--format", "json")).json
    missing = await run("task", "plot", task["id"], "loss")
    assert missing.code == 1
    assert missing.err.startswith("error: the task has no metric 'loss'")
