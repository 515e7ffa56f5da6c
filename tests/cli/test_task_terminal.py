"""`datmo task run --interactive` and `datmo task attach`, on real terminals."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, environment, program


class Terminal:
    """A program on a terminal of its own, at which somebody sits."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        self.ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (30, 100))
        self.settings = termios.tcgetattr(theirs)
        # Whoever begins a session and opens a terminal sits at it: only then does it have a Ctrl-C.
        at_it = f'exec "$@" < {(name := os.ttyname(theirs))} > {name} 2>&1'
        self.running = subprocess.Popen(
            ["sh", "-c", at_it, "sh", *PROGRAM, *arguments], cwd=cwd, env=environment(), start_new_session=True
        )
        self.theirs = theirs
        self.shown = ""

    def until(self, pattern: str) -> str:
        """Wait until something is shown that was not before; returns what was shown up to there."""
        deadline = time.monotonic() + 60
        while (found := re.search(pattern, self.shown)) is None:
            assert time.monotonic() < deadline, self.shown
            if select.select([self.ours], [], [], 1)[0]:
                self.shown += os.read(self.ours, 4096).decode(errors="replace")
        before, self.shown = self.shown[: found.end()], self.shown[found.end() :]
        return before

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """As a window does that is made smaller: the kernel tells whoever is in front."""
        termios.tcsetwinsize(self.theirs, (rows, columns))

    def end(self) -> int:
        """Wait for the program's end; the terminal is as it was."""
        while self.running.poll() is None:
            if select.select([self.ours], [], [], 0.1)[0]:
                self.shown += os.read(self.ours, 4096).decode(errors="replace")
        assert termios.tcgetattr(self.theirs) == self.settings
        os.close(self.theirs)
        os.close(self.ours)
        return self.running.returncode


@pytest.fixture
def home(tmp_path: Path, base_image: str) -> Iterator[Path]:
    folder = tmp_path / "iris"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {base_image}\n")
    assert program("init", cwd=folder).id
    yield folder
    program("task", "stop", "--all", cwd=folder)
    assert program("cleanup", "--yes", cwd=folder).code == 0


def test_a_python_prompt_in_a_container_with_resize_and_ctrl_c(home: Path) -> None:
    terminal = Terminal("task", "run", "--interactive", "python", cwd=home)
    terminal.until(">>> ")
    terminal.type("import os, time\r")
    terminal.until(">>> ")

    # The size arrives a moment after the window has it.
    for rows, columns in ((30, 100), (20, 77)):
        terminal.resize(rows, columns)
        shown = ""
        while f"size {columns} {rows} " not in shown:
            terminal.type("print('size', *os.get_terminal_size(), '')\r")
            shown = terminal.until(r"\nsize \d+ \d+ ")

    terminal.type("print('sleep' + 'ing'); time.sleep(600)\r")
    terminal.until("sleeping")
    terminal.type("\x03")
    terminal.until("KeyboardInterrupt")
    terminal.type("print('still', 'here')\r")
    terminal.until("\nstill here")
    terminal.type("exit(3)\r")
    terminal.until("FAILED")
    assert terminal.end() == 3


def test_without_a_command_there_is_a_shell(home: Path) -> None:
    terminal = Terminal("task", "run", "--interactive", cwd=home)
    terminal.until(r"[$#] ")
    terminal.type("echo in $PWD\r")
    terminal.until(r"in /home\r")
    terminal.type("exit\r")
    terminal.until("SUCCESS")
    assert terminal.end() == 0


def test_a_shell_is_one_whatever_the_entrypoint(home: Path, base_image: str) -> None:
    (home / "Dockerfile").write_text(f'FROM {base_image}\nENTRYPOINT ["python"]\n')
    terminal = Terminal("task", "run", "--interactive", cwd=home)
    terminal.until(r"[$#] ")  # its first prompt, which is in no record, however late somebody looks
    terminal.type("exit\r")
    terminal.until("SUCCESS")
    assert terminal.end() == 0


def test_what_ends_at_once_does_not_leave_its_terminal_waiting(home: Path) -> None:
    terminal = Terminal("task", "run", "--interactive", "python nowhere.py", cwd=home)
    terminal.until("can't open file")
    terminal.until("FAILED")
    assert terminal.end() == 2


def test_another_terminal_can_attach_and_leave(home: Path) -> None:
    one = Terminal("task", "run", "--interactive", "python", "--name", "shared", cwd=home)
    one.until(">>> ")
    task_id = program("task", "ls", "--format", "csv", cwd=home).out.splitlines()[1].split(",")[0]
    other = Terminal("task", "attach", task_id, cwd=home)
    other.until("Python 3")  # a prompt that was there before has no line's end: the engine does not have it yet
    other.type("print('typed', 'there')\r")
    one.until("\ntyped there")
    other.type("\x10\x11")  # Ctrl-P Ctrl-Q
    other.until("it runs on")
    assert other.end() == 0
    one.type("exit()\r")
    one.until("SUCCESS")
    assert one.end() == 0


def test_ctrl_c_leaves_a_task_without_a_terminal_running(home: Path) -> None:
    (home / "Dockerfile").unlink()
    task_id = program("task", "run", "--detach", "sh -c 'echo begun; exec sleep 600'", cwd=home).id
    terminal = Terminal("task", "attach", task_id, cwd=home)
    terminal.until("begun")
    terminal.type("\x03")
    assert terminal.end() == 128 + signal.SIGINT
    assert program("task", "ls", "--where", "status == 'RUNNING'", "--format", "csv", cwd=home).out.count(task_id) == 1
    assert program("task", "stop", task_id, cwd=home).code == 0
    (home / "Dockerfile").touch()


def test_it_needs_a_terminal(home: Path) -> None:
    done = program("task", "run", "--interactive", "python", cwd=home)
    assert done.code == 2
    assert "--interactive needs a terminal" in done.err
