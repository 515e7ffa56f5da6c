"""Writing to the outbox: every call that returned is a whole line in the file, whatever comes after."""

from __future__ import annotations

import ast
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import datmo.inside
from datmo.inside import CurrentTask, lines

ROOT = Path(datmo.inside.__file__).parent.parent.parent


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture(params=["orjson", "standard library"])
def task(request: pytest.FixtureRequest, outbox: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CurrentTask]:
    """A task whose lines are written with orjson, and one in a Python that has none."""
    if request.param == "standard library":
        monkeypatch.setattr("datmo.inside.tasks.dumps", lines.dumps)
    made = CurrentTask("t" * 16, str(outbox), str(outbox.parent / "files"))
    yield made
    made._outbox.close()


def said(outbox: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in outbox.read_bytes().splitlines()]


def test_a_point_is_in_the_file_when_the_call_returns(task: CurrentTask, outbox: Path) -> None:
    for step in range(3):
        task.log(step=step, loss=0.5 / (step + 1), count=step)
        assert len(said(outbox)) == step + 1
    task.log(loss=1)
    assert [(each["log"], each.get("step")) for each in said(outbox)] == [
        ({"loss": 0.5, "count": 0}, 0),
        ({"loss": 0.25, "count": 1}, 1),
        ({"loss": 0.5 / 3, "count": 2}, 2),
        ({"loss": 1}, None),
    ]
    times = [each["time"] for each in said(outbox)]
    assert times == sorted(times)


def test_names_that_are_none_of_python_come_in_a_dict(task: CurrentTask, outbox: Path) -> None:
    task.log({"train/loss": 0.5, "step": 7}, step=1, loss=0.25)
    assert said(outbox)[0]["log"] == {"train/loss": 0.5, "step": 7, "loss": 0.25}


@pytest.mark.parametrize("again", [1, 2], ids=["first", "again"])
def test_what_is_not_finite_is_kept(task: CurrentTask, outbox: Path, again: int) -> None:
    for _ in range(again):
        task.log(a=math.nan, b=math.inf, c=-math.inf, d=1.0)
    assert said(outbox)[-1]["log"] == {"a": {"$float": "nan"}, "b": {"$float": "inf"}, "c": {"$float": "-inf"}, "d": 1}


def test_whatever_is_a_number_is_logged_as_one(task: CurrentTask, outbox: Path) -> None:
    class Scalar:
        """As those of numerical packages."""

        def __float__(self) -> float:
            return 0.5

    class Step(int):
        """As those, too."""

    for _ in range(2):
        task.log(step=Step(3), scalar=Scalar(), true=True, decimal=Decimal("0.25"), big=2**70)
    for each in said(outbox):
        assert (each["log"], each["step"]) == ({"scalar": 0.5, "true": 1, "decimal": 0.25, "big": 2.0**70}, 3)


@pytest.mark.parametrize(
    ("step", "values", "error", "words"),
    [
        (None, {"loss": "0.5"}, TypeError, "loss is the str '0.5', which is no number"),
        (None, {"loss": None}, TypeError, "no number"),
        (None, {"loss": [1.0]}, TypeError, "no number"),
        (None, {}, ValueError, "nothing to log"),
        (3, {}, ValueError, "nothing to log"),
        (0.5, {"loss": 1.0}, TypeError, "a step is an integer of 64 bits, not the float 0.5"),
        ("3", {"loss": 1.0}, TypeError, "a step is an integer"),
        (1 << 63, {"loss": 1.0}, TypeError, "64 bits"),
        (None, {"": 1.0}, ValueError, "cannot name a metric"),
        (None, {"a\nb": 1.0}, ValueError, "cannot name a metric"),
        (None, {"x" * 201: 1.0}, ValueError, "cannot name a metric"),
        (None, {7: 1.0}, TypeError, "named by text, not by 7"),
        (None, {f"{number:0190}": 1.0 for number in range(500)}, ValueError, "65536 may be logged at once"),
    ],
)
def test_what_cannot_be_logged_is_refused_and_leaves_nothing(  # noqa: PLR0917
    task: CurrentTask, outbox: Path, step: Any, values: dict[Any, Any], error: type[Exception], words: str
) -> None:
    task.log(fine=1.0)
    for _ in range(2):
        with pytest.raises(error, match=words):
            task.log(values, step=step)
    assert len(said(outbox)) == 1


def test_configuration_and_results_are_what_they_were_given(task: CurrentTask, outbox: Path) -> None:
    class Array:
        def tolist(self) -> list[float]:
            return [0.5, math.nan]

    task.log_config({"lr": 0.1, "$": 1}, layers=(64, 32), path=Path("/data"), big=2**64, weights=Array())
    task.log_results(accuracy=0.97, best=True, none=None, name="a\udcff")
    assert said(outbox) == [
        {
            "config": {
                "lr": 0.1,
                "$$": 1,
                "layers": [64, 32],
                "path": "/data",
                "big": {"$int": str(2**64)},
                "weights": [0.5, {"$float": "nan"}],
            }
        },
        {"results": {"accuracy": 0.97, "best": True, "none": None, "name": "a\udcff"}},
    ]
    with pytest.raises(TypeError, match=r"config\.it is the object <object"):
        task.log_config(it=object())
    with pytest.raises(ValueError, match="write a file instead"):
        task.log_results(text="x" * 65536)
    with pytest.raises(TypeError, match="the key 1"):
        task.log_results({1: 2})  # type: ignore[dict-item]


def test_files_are_copied_as_they_are_now(
    task: CurrentTask, outbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out" / "deep").mkdir(parents=True)
    (tmp_path / "out" / "model.pt").write_text("first")
    (tmp_path / "out" / "deep" / "notes").write_text("n")
    task.log_artifact("out/model.pt")
    (tmp_path / "out" / "model.pt").write_text("second")
    kept = tmp_path / "files"
    assert (kept / "out" / "model.pt").read_text() == "first"
    task.log_artifact(tmp_path / "out")
    assert (kept / "out" / "model.pt").read_text() == "second"
    task.log_artifact(kept / "out" / "deep" / "notes")  # which is there already
    assert [each["artifact"] for each in said(outbox)] == [
        "out/model.pt",
        "out/model.pt",
        "out/deep/notes",
        "out/deep/notes",
    ]
    elsewhere = tmp_path / "here"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    task.log_artifact("../out/deep/notes")
    assert (kept / "notes").read_text() == "n"
    assert not [name for name in os.listdir(kept) if name.startswith(".datmo")]
    with pytest.raises(FileNotFoundError, match="missing"):
        task.log_artifact("missing")


def test_threads_and_forked_children_mix_no_lines(task: CurrentTask, outbox: Path) -> None:
    task.log(step=0, parent=0.0)
    threads = [threading.Thread(target=log_many, args=(task, f"thread {number}")) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    children = []
    for number in range(3):
        child = os.fork()
        if not child:
            try:
                log_many(task, f"child {number}")
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    found: dict[str, list[int]] = {}
    for each in said(outbox):
        (name,) = each["log"]
        found.setdefault(name, []).append(each["step"])
    assert found.pop("parent") == [0]
    assert len(found) == 7
    assert all(steps == list(range(500)) for steps in found.values())


def log_many(task: CurrentTask, name: str) -> None:
    for step in range(500):
        task.log({name: step / 2}, step=step)


LOGGER = """
import sys
from datmo.inside import current
task = current()
step = 0
while True:
    task.log(step=step, loss=0.5)
    sys.stdout.write(f"{step}\\n")
    step += 1
"""


def test_nothing_that_returned_is_lost_by_kill_9(outbox: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", LOGGER],
        env={**os.environ, "DATMO_OUTBOX": str(outbox), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(1000):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split("\n")
    process.stdout.close()
    process.wait()
    acknowledged = int(rest[-2]) if len(rest) > 1 else 999
    steps = [each["step"] for each in said(outbox)]
    assert steps == list(range(len(steps)))
    assert steps[-1] in {acknowledged, acknowledged + 1}


FULL = """
import resource
from datmo.inside import current
task = current()
task.log(step=0, loss=0.5)
size = len(open(task._outbox.path, 'rb').read())
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))
for _ in range(2):
    try:
        task.log(step=1, loss=0.25)
    except OSError:
        print("full")
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
task.log(step=2, loss=0.125)
task.log(step=3, loss=0.5)
"""


def test_a_full_disk_is_an_error_and_spoils_no_other_line(outbox: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL],
        env={**os.environ, "DATMO_OUTBOX": str(outbox), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("full\nfull\n", "")
    first, torn, *others = outbox.read_bytes().splitlines()
    assert json.loads(first)["step"] == 0
    assert torn.startswith(b'{"log":')
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(torn)
    assert [json.loads(line)["step"] for line in others if line] == [2, 3]


def test_a_closed_outbox_says_that_the_task_has_ended(task: CurrentTask, outbox: Path) -> None:
    task.log(loss=1.0)
    task._outbox.close()
    with pytest.raises(RuntimeError, match="the task has ended"):
        task.log(loss=2.0)
    with pytest.raises(RuntimeError, match="the task has ended"):
        task.log_results(a=1)
    assert len(said(outbox)) == 1


def test_outside_of_a_task_there_is_no_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATMO_OUTBOX", raising=False)
    with pytest.raises(RuntimeError, match="this code runs in no task: run it by"):
        datmo.inside.current()


def test_it_is_one_object_for_the_process(monkeypatch: pytest.MonkeyPatch, outbox: Path) -> None:
    monkeypatch.setenv("DATMO_OUTBOX", str(outbox))
    monkeypatch.setenv("DATMO_TASK_ID", "t" * 16)
    assert datmo.inside.current() is datmo.inside.current()
    assert datmo.inside.current().id == "t" * 16


@pytest.mark.parametrize("path", sorted((ROOT / "datmo" / "inside").glob("*.py")), ids=lambda path: str(path.name))
def test_older_pythons_understand_it(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 8))
