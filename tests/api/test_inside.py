"""What the code of a task says of itself: seen while it runs, kept whatever becomes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync

import datmo.aio
from datmo.runner.library import LIBRARY, make_library
from tests.api.face import AsyncFace, Face, contents
from tests.api.processes import Signpost, script

pytestmark = pytest.mark.anyio
only_async = pytest.mark.parametrize("face", [AsyncFace()], ids=["async"])

TRAINING = """
import datmo, math, pathlib
task = datmo.task.current()
for step in range(100):
    task.log(step=step, loss=1 / (step + 1))
task.log({"val/acc": math.nan})
task.log_config(lr=0.1, seed=3)
task.log_results(accuracy=0.9, f1=0.5, best="no")
pathlib.Path("model.pt").write_text("weights")
task.log_artifact("model.pt")
print("accuracy: 0.8")
print("epochs: 4")
(pathlib.Path(__import__("os").environ["DATMO_TASK_DIR"]) / "stats.json").write_text('{"best": "yes"}')
"""


async def test_metrics_configuration_results_and_files_of_a_task(face: Face, project: Any, home: Path) -> None:
    (home / "train.py").write_text(TRAINING)
    task = await project.tasks.run("python train.py")
    assert await face.value(task, "status") == "SUCCESS", await face.logs(task)
    # Lines of its output first, then what it reported, then what it left in stats.json.
    assert await face.value(task, "results") == {"accuracy": 0.9, "epochs": 4, "f1": 0.5, "best": "yes"}
    assert await face.value(task, "config") == {"lr": 0.1, "seed": 3}
    assert set(await contents(face, task)) == {"model.pt", "stats.json", "task.log"}
    known = await project.tasks.inspect(task.id)
    assert set(known["metrics"]) == {"loss", "val/acc"}
    loss = known["metrics"]["loss"]
    assert (loss["count"], loss["last"], loss["min"], loss["max"], loss["last_step"]) == (100, 0.01, 0.01, 1.0, 99)
    assert known["metrics"]["val/acc"]["min"] is None
    made = await project.snapshots.create("reported", task_id=task.id)
    assert made.config == {"lr": 0.1, "seed": 3}


async def test_any_language_may_append_lines(face: Face, project: Any) -> None:
    line = '{"log": {"loss": 0.25}}'
    task = await project.tasks.run(["sh", "-c", f"echo '{line}' >> $DATMO_OUTBOX; echo bad >> $DATMO_OUTBOX"])
    known = await project.tasks.inspect(task.id)
    assert known["metrics"]["loss"]["last"] == 0.25
    assert "a line of its outbox could not be used: bad: no JSON object" in known["notices"]


WAITING = """
import datmo, sys
task = datmo.task.current()
task.log(loss=0.5)
task.log_results(early=1)
task.log_config(lr=0.1)
open("model.pt", "w").write("weights")
task.log_artifact("model.pt")
open(sys.argv[1]).read()
"""


@only_async
async def test_it_is_seen_while_the_task_runs(face: Face, project: datmo.aio.Project, home: Path) -> None:
    (home / "train.py").write_text(WAITING)
    gate = home / ".datmo" / "gate"
    os.mkfifo(gate)
    async with anyio.create_task_group() as workers:
        workers.start_soon(project.tasks.run, ["python", "train.py", str(gate)])
        async for _ in project.log.follow(after=0, types=["task.artifact_stored"]):
            break
        (task,) = await project.tasks.ls()
        assert (task.status, task.results, task.config) == ("RUNNING", {"early": 1}, {"lr": 0.1})
        known = await project.tasks.inspect(task.id)
        assert known["metrics"]["loss"]["count"] == 1
        await run_sync(gate.write_text, "")
    assert (await project.tasks.get(task.id)).status == "SUCCESS"


LOGGING = """
import datmo, os, sys
task = datmo.task.current()
for step in range(20000):
    task.log(step=step, loss=step / 2)
    if step == 2000:
        print("begun", flush=True)
        open(sys.argv[1], "w").write(str(os.getpid()))
task.log_results(steps=20000)
"""


@only_async
async def test_nothing_is_lost_or_doubled_when_the_supervisor_is_killed(
    face: Face, project: datmo.aio.Project, home: Path, tmp_path: Path
) -> None:
    (home / "train.py").write_text(LOGGING)
    signpost = Signpost(tmp_path)
    command = ["python", "train.py", str(signpost.path)]
    supervisor = script(f"import datmo; datmo.task.run({command!r})", cwd=home)
    await run_sync(signpost.wait)
    async for _ in project.log.follow(after=0, types=["task.metrics"]):
        break
    supervisor.kill()
    await run_sync(supervisor.communicate)
    async with datmo.aio.open(home) as other, anyio.create_task_group() as workers:
        workers.start_soon(other.tasks.recover)
        workers.start_soon(project.tasks.recover)
    (task,) = await project.tasks.ls()
    assert task.results["steps"] == 20000
    known = await project.tasks.inspect(task.id)
    assert known["metrics"]["loss"]["count"] == 20000
    assert known["metrics"]["loss"]["last"] == 19999 / 2
    assert (await project.log.replay()).different == ()


def bare(source: str, folder: Path, *paths: Path) -> str:
    """Run a script in a Python that has nothing installed, with some folders on its path."""
    environment = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "DATMO_OUTBOX": str(folder / "outbox")}
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", source],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_python_without_datmo_gets_one_that_only_knows_its_task(tmp_path: Path) -> None:
    library = tmp_path / LIBRARY
    make_library(library)
    make_library(library)  # again is nothing
    source = (
        "import sys, datmo\n"
        "datmo.task.current().log(loss=0.5)\n"
        "from datmo.task import current\n"
        "import datmo.inside\n"
        "assert current is datmo.inside.current\n"
        "print(datmo.__file__, 'orjson' in sys.modules, 'anyio' in sys.modules)"
    )
    assert bare(source, tmp_path, library) == f"{library}/datmo/__init__.py False False\n"
    assert b'"loss":0.5' in (tmp_path / "outbox").read_bytes()


@pytest.mark.parametrize("first", [True, False], ids=["library first", "library last"])
def test_it_steps_aside_where_there_is_a_datmo(tmp_path: Path, first: bool) -> None:
    library, own = tmp_path / LIBRARY, tmp_path / "own"
    make_library(library)
    (own / "datmo").mkdir(parents=True)
    (own / "datmo" / "__init__.py").write_text("from datmo import other\nname = 'own'\n")
    (own / "datmo" / "other.py").write_text("")
    paths = (library, own) if first else (own, library)
    source = "import datmo, datmo.other; print(datmo.name, datmo.__file__, datmo.__spec__.name)"
    assert bare(source, tmp_path, *paths) == f"own {own}/datmo/__init__.py datmo\n"
