"""Completion: what a word may become, and that bash, zsh and fish themselves make it so."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from datmo.cli.completion import candidates
from datmo.cli.shells import SCRIPTS
from tests.cli.conftest import PROGRAM, environment, program

_PATIENCE = 60.0
"""Seconds after which a shell that does not show what it should has failed."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two sessions, a labelled snapshot, and a task."""
    folder = tmp_path_factory.mktemp("iris")
    (folder / "train.py").write_text("print('accuracy: 0.9')\n")
    for command in (
        ["init", "--name", "iris"],
        ["session", "create", "sweeps", "--no-current"],
        ["task", "run", "python train.py"],
        ["snapshot", "create", "-m", "the first: a baseline", "-l", "my best"],
    ):
        assert program(*command, cwd=folder).code == 0
    return folder


@pytest.fixture
def words(made: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """What the last word of a line may become; a line that ends in a blank has an empty one."""
    (made / "deep").mkdir(exist_ok=True)
    monkeypatch.chdir(made / "deep")

    def words(line: str) -> list[str]:
        typed = shlex.split(line) + ([""] if line.endswith(" ") or not line else [])
        return ["a file" if each.kind == "file" else each.value for each in candidates(typed)]

    return words


def id_of(made: Path, kind: str) -> str:
    return str(program(kind, "ls", "--format", "json", cwd=made).json[0]["id"])[:4]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sna", ["snapshot"]),
        ("--quiet ta", ["task"]),
        ("session cre", ["create"]),
        ("session select ", ["sweeps", "default"]),
        ("session select sw", ["sweeps"]),
        ("session select sweeps ", []),
        ("session delete --name d", ["default"]),
        ("task ls --session-id=s", ["--session-id=sweeps"]),
        ("task run --executor ", ["docker", "process"]),
        ("snapshot ls --format ", ["table", "json", "csv"]),
        ("snapshot create --label ", ["my best"]),
        ("snapshot create --config-file", ["--config-filename", "--config-filepath"]),
        ("snapshot create --filepaths ", ["a file"]),
        ("task run ", ["a file"]),
        ("task run -- python ", ["a file"]),
        ("task stop ", []),
        ("config set exec", ["executor"]),
        ("config set executor ", ["auto", "docker", "process"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("docs gu", ["guide"]),
        ("log ls --entity session/d", ["session/default"]),
        ("nonsense ", []),
        ("session nonsense ", []),
    ],
)
def test_what_a_word_may_become(words: Callable[[str], list[str]], line: str, expected: list[str]) -> None:
    assert words(line) == expected


def test_ids_are_as_short_as_they_can_be(words: Callable[[str], list[str]], made: Path) -> None:
    snapshot, task = id_of(made, "snapshot"), id_of(made, "task")
    assert words("snapshot inspect ") == ["my best", snapshot]
    assert words(f"snapshot diff 'my best' {snapshot[:2]}") == [snapshot]
    assert words("task inspect ") == words("snapshot create --task-id ") == [task]


def test_without_a_project_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert candidates(["snapshot", "inspect", ""]) == []
    assert [each.value for each in candidates(["vers"])] == ["version"]


def test_every_option_of_every_command_can_be_completed(words: Callable[[str], list[str]]) -> None:
    from tests.cli.test_tree import TREE

    for path, names in TREE.items():
        assert {name for name in names if name.startswith("--")} <= set(words(f"{path} --")), path


def test_it_is_answered_without_an_event_loop(made: Path) -> None:
    code = (
        "import os, sys; os.environ['_DATMO_COMPLETE'] = 'bash'; sys.argv = ['datmo', 'snapshot', 'inspect', ''];"
        " from datmo.__main__ import main; main();"
        " sys.exit(bool({'aiosqlite', 'pygit2', 'aiodocker', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=made, env=environment(), check=False, stdout=subprocess.PIPE
    )
    assert (done.returncode, done.stdout.decode().splitlines()[0]) == (0, "plain\tmy best\tthe first: a baseline")


# Real shells

_SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(datmo completion bash)"'),
    "zsh": (["zsh", "-f", "-i"], 'autoload -Uz compinit; compinit -u -D; eval "$(datmo completion zsh)"'),
    "fish": (["fish", "--no-config", "-i"], "datmo completion fish | source"),
}


class Shell:
    """A shell on a terminal of its own."""

    def __init__(self, name: str, folder: Path, home: Path) -> None:
        if shutil.which(name) is None:
            pytest.fail(f"there is no {name} here; `python3 tools/check.py` installs it on Debian", pytrace=False)
        binaries = home / "bin"
        binaries.mkdir()
        program = binaries / "datmo"
        program.write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
        program.chmod(0o755)
        command, self._load = _SHELLS[name]
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, 160))
        path = f"{binaries}:{os.environ['PATH']}"
        self._running = subprocess.Popen(
            ["setsid", "--ctty", *command],  # as a terminal does it: fish insists on one that is its own
            cwd=folder,
            env=environment(PATH=path, HOME=str(home), PS1="$ ", LC_ALL="C.UTF-8"),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self.shown = ""

    def load(self) -> None:
        """Let it take the script, as its user would."""
        self.type(f'{self._load}; echo lo""aded\n', "loaded")

    def type(self, keys: str, until: str) -> None:
        """Type, and wait until something is shown that was not there before."""
        self.shown = ""
        os.write(self._ours, keys.encode())
        deadline = time.monotonic() + _PATIENCE
        while until not in self._text():
            ready, _, _ = select.select([self._ours], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"{until!r} was not shown, but {self._text()!r}"
            self.shown += os.read(self._ours, 4096).decode(errors="replace")

    def _text(self) -> str:
        return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>]|\][^\x07]*\x07)|[\r\x0e\x0f]", "", self.shown)

    def close(self) -> None:
        self._running.kill()
        self._running.wait()
        with suppress(OSError):
            os.close(self._ours)


@pytest.fixture(params=list(_SHELLS))
def shell(request: pytest.FixtureRequest, made: Path, tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(request.param, made, tmp_path)
    shell.load()
    yield shell
    shell.close()


def test_a_shell_completes_commands_sessions_labels_and_ids(shell: Shell, made: Path) -> None:
    snapshot = id_of(made, "snapshot")
    shell.type("datmo sess\tsel\tswe\t\n", "the current session is sweeps")
    shell.type("datmo snapshot inspect --form\tjs\tmy\t\n", '"message": "the first: a baseline"')
    shell.type(f"datmo snapshot inspect {snapshot[:3]}\t\n", f"snapshot     {id_of(made, 'snapshot')}")
    shell.type("datmo session select def\t\n", "the current session is default")


def test_a_shell_completes_its_own_files_where_files_are_wanted(shell: Shell, made: Path) -> None:
    (made / "weights-of-the-model.bin").write_text("w")
    shell.type("datmo snapshot create -m kept --filepaths weights\t\n", "created snapshot")
    assert program("snapshot", "ls", "--filter", "kept", "--format", "json", cwd=made).json[0]["message"] == "kept"


@pytest.mark.parametrize("shell", [*SCRIPTS], indirect=True)
def test_the_printed_script_is_the_one_that_was_tried(shell: Shell, made: Path) -> None:
    shell.type("datmo completion ba\t | head -1\n", "for bash; in ~/.bashrc")
