"""The live view of many tasks, on a real terminal."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from datmo.cli.task_live import View
from datmo.core.entity.task import Task
from datmo.core.event import Event
from datmo.engine.tasks import TaskUpdate
from tests.cli.conftest import program
from tests.cli.test_program import on_terminal

STEERING = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "iris"
    folder.mkdir()
    assert program("init", cwd=folder).id
    return folder


@pytest.mark.parametrize("columns", [40, 100])
def test_a_terminal_shows_what_runs_and_no_line_is_too_long(home: Path, tmp_path: Path, columns: int) -> None:
    both, last = tmp_path / "both", tmp_path / "last"
    shown = f"until test -e {both} && test -e {last}; do sleep 0.05; done"  # however slowly it is drawn
    done = on_terminal(
        "task", "run", f"sh -c 'echo epoch {{x}}; {shown}; exit {{x}}'", "--grid", "x=0,1,0", "-j", "2",
        cwd=home, keys={"2 running": both.touch, "epoch 1\x1b[0m": last.touch}, columns=columns,
    )  # fmt: skip
    assert done.code == 1
    plain = STEERING.sub("", done.out)
    assert "2 running" in plain
    assert "epoch 1" in plain
    assert re.search(r"3/3  \w{4} ", plain)
    assert " | epoch" not in plain
    drawn = [line for line in re.split(r"[\r\n]+|\x1b\[2K|\x1b\[1A", done.out) if line.endswith("epoch 1\x1b[0m")]
    assert drawn
    assert all(len(STEERING.sub("", line)) <= columns for line in drawn)
    assert "\x1b[36m" in done.out
    assert "\x1b[?25h" in done.out  # the cursor is there again


def test_without_colours_there_are_none(home: Path) -> None:
    done = on_terminal("task", "run", "echo {x}", "--grid", "x=0,1", cwd=home, keys={}, NO_COLOR="1")
    assert done.code == 0
    assert "2/2" in done.out
    assert not re.search(r"\x1b\[(?:\d+;)*[39][0-7]m", done.out)


def test_elsewhere_every_line_is_there(home: Path) -> None:
    done = program("task", "run", "sh -c 'echo {x}; echo e{x} >&2'", "--grid", "x=0,1", cwd=home)
    assert sorted(line.partition(" | ")[2] for line in done.out.splitlines()) == ["0", "1"]
    assert {"e0", "e1"} <= {line.partition(" | ")[2] for line in done.err.splitlines()}
    assert "\x1b" not in done.out + done.err


def event(task_id: str, kind: str, **data: Any) -> TaskUpdate:
    made = Event(1, "", f"task/{task_id}", 1, kind, 1, time.time_ns() // 1000, "{}", "", 0, None, b"", data)
    return TaskUpdate(made, ())


def task_that_took(seconds: float, *, status: str) -> Task:
    began = datetime(2026, 11, 1, tzinfo=UTC)
    end = began + timedelta(seconds=seconds)
    return Task(
        id="abcd1", model_id="", session_id="", command="false", status=status,
        created_at=began, start_time=began, end_time=end,
    )  # fmt: skip


def drawn(view: View, **options: Any) -> str:
    console = Console(file=StringIO(), width=100, height=10, force_terminal=False, **options)
    console.print(view)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_the_view_has_time_parameters_metrics_and_the_last_line() -> None:
    view = View(["abcd1", "efgh1"])
    view.hear(event("abcd1", "task.created", config={"lr": 0.1}, options={}))
    view.hear(event("abcd1", "task.started"))
    view.hear(event("abcd1", "task.metrics", series={"loss": {"last": 0.25}}))
    for part in (b"first\n", b"10 %\r20", b" %\r", b"\x1b[31mred\x1b[0m \xc3"):
        await view.take("abcd1", 1, part)
    shown = drawn(view)
    assert "0/2" in shown
    assert "1 running" in shown
    assert "1 waiting" in shown
    assert re.search(r"id +time +lr +loss +last line\nabcd. +00:0\d +0.1 +0.25 +red", shown)
    view.hear(event("abcd1", "task.failed"))
    view.ended(task_that_took(7, status="FAILED"))
    view.hear(event("efgh1", "task.started"))
    shown = drawn(view)
    assert "1/2" in shown
    assert "1 failed" in shown
    assert re.search(r"about 00:0\d left", shown)
    assert "abcd" not in shown


def test_an_attempt_that_is_followed_by_another_is_no_failure_yet() -> None:
    view = View(["abcd1", "efgh1"])
    view.hear(event("abcd1", "task.created", config={}, options={}))
    view.hear(event("abcd1", "task.failed"))
    view.hear(event("ijkl1", "task.created", config={}, options={"attempt": 2}))
    view.hear(event("ijkl1", "task.started"))
    shown = drawn(view)
    assert "failed" not in shown
    assert re.search(r"ijkl. +2 +00:0", shown)


def test_more_tasks_than_lines_are_counted() -> None:
    view = View([f"{n:04}" for n in range(20)])
    for n in range(20):
        view.hear(event(f"{n:04}", "task.started"))
    assert "and 15 more" in drawn(view)
