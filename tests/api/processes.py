"""Real processes for tests: scripts, tasks that say when they run, and whether anything is left of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import datmo
from datmo.runner.witness import Witness, alive

ROOT = Path(datmo.__file__).parent.parent


def script(source: str, *, cwd: Path, **options: Any) -> subprocess.Popen[str]:
    """Start Python on some source, every warning an error there too."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", source],
        cwd=cwd,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def output(source: str, *, cwd: Path) -> str:
    """Run a script that must end well and say nothing on stderr; return what it printed."""
    process = script(source, cwd=cwd)
    said, wrong = process.communicate(timeout=200)
    assert what_is_wrong(wrong) == ""
    assert process.returncode == 0
    return said


def what_is_wrong(said: str) -> str:
    """What a script said on stderr, but for development mode's remarks on slow callbacks: the machine may be busy."""
    return "\n".join(line for line in said.splitlines() if not line.startswith("Executing <"))


class Signpost:
    """A FIFO through which a task says that it has come so far; nobody has to guess or to sleep."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "signpost"
        os.mkfifo(self.path)

    def command(self, then: str = "exec sleep 600") -> list[str]:
        """A command that says it runs, and then goes on."""
        return ["sh", "-c", f"echo running; echo $$ > {self.path}; {then}"]

    def wait(self) -> int:
        """Return the pid of the task's process once it runs."""
        return int(self.path.read_text())


async def keeper_of(project: Any, task_id: str) -> Witness:
    """The process that keeps a task, from what the log says of it."""
    async for event in project.log.read(stream=f"task/{task_id}", types=["task.started"]):
        handle = event.data["handle"]
        return Witness(handle["pid"], handle["start_time"], handle["boot_id"])
    raise AssertionError(f"task {task_id} was never started")


async def nothing_is_left(project: Any, task_id: str, pid: int) -> None:
    """Check that neither keeper nor child nor folder of a task is there any more."""
    assert not alive(await keeper_of(project, task_id))
    assert not Path(f"/proc/{pid}").exists()
    assert not (project.home / ".datmo" / "tasks" / task_id).exists()
