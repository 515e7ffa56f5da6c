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
from functools import cache
from pathlib import Path

import anyio
import asyncclick as click
import pytest

from datmo.cli.completion import answer, candidates, source_of
from datmo.cli.completion_values import BY_PARAMETER, Typed
from datmo.cli.shells import SCRIPTS
from datmo.core.schemas import CURRENT
from tests.cli.conftest import PROGRAM, environment, program
from tests.cli.test_tree import commands

_PATIENCE = 60.0
"""Seconds after which a shell that does not show what it should has failed."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two sessions, a labelled snapshot, a task, and a session and a snapshot that were deleted."""
    folder = tmp_path_factory.mktemp("iris")
    (folder / "train.py").write_text(
        "import datmo.task\ndatmo.task.current().log(step=1, loss=0.5)\nprint('accuracy: 0.9')\n"
    )
    for command in (
        ["init", "--name", "iris"],
        ["session", "create", "sweeps", "--no-current"],
        ["session", "create", "old ideas", "--no-current"],
        ["session", "delete", "old ideas"],
        ["task", "run", "python train.py --lr {lr}", "--grid", "lr=0.1"],
        ["snapshot", "create", "-m", "a mistake", "-l", "gone"],
        ["snapshot", "delete", "gone"],
        [
            "snapshot",
            "create",
            "-m",
            "the first: a baseline",
            "-l",
            "my best",
            "--config",
            "lr:0.1",
            "--stats",
            "f1:0.5",
        ],
    ):
        assert program(*command, cwd=folder).code == 0
    return folder


@pytest.fixture
def words(made: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """What the last word of a line may become; a line that ends in a blank has an empty one."""
    (made / "deep").mkdir(exist_ok=True)
    monkeypatch.chdir(made / "deep")

    def words(line: str) -> list[str]:
        open_quote = "'" * (line.count("'") % 2)
        typed = shlex.split(line + open_quote) + ([""] if not open_quote and (line.endswith(" ") or not line) else [])
        return ["a file" if each.kind == "file" else each.value for each in candidates(typed)]

    return words


STATUSES = ("CREATED", "RUNNING", "SUCCESS", "FAILED", "STOPPED", "LOST")

FREE = {
    **dict.fromkeys(
        ("--limit", "--jobs", "--repeat", "--retries", "--max-failures", "--cpus", "--points", "--height"), "a number"
    ),
    **dict.fromkeys(("--start", "--end"), "the number of a step"),
    **dict.fromkeys(("--since", "--until", "--timeout"), "a time"),
    "--mem-limit": "a size",
    "task files --only": "a pattern",
    "--ports": "two numbers",
    **dict.fromkeys(
        ("--message", "--description", "--filter", "init --name", "task run --name", "task rerun --name"), "own words"
    ),
    **dict.fromkeys(("session create NAME", "session create --name", "snapshot checkout --branch"), "a new name"),
}
"""Options and arguments that take free text, and what that is."""


@cache
def id_of(made: Path, kind: str) -> str:
    """The id of the project's task, or of its snapshot; asked for once, as a program takes its time."""
    more = ["--filter", "baseline"] if kind == "snapshot" else []
    return str(program(kind, "ls", "--format", "json", *more, cwd=made).json[0]["id"])[:4]


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
        ("task run --session sw", ["sweeps"]),
        ("task run --grid ", []),
        ("task run 'train.py --lr {lr} --seed {seed} {lr}' --grid ", ["lr=", "seed="]),
        ("task run train.py --rank ", ["config.lr", "results.accuracy", "duration"]),
        ("task run train.py --rank 'results.accuracy ", ["results.accuracy asc", "results.accuracy desc"]),
        ("task run --network ", ["none", "host"]),
        ("task run --workdir ", ["a file"]),
        ("task ls --status run", ["running"]),
        ("task ls --status RUN", ["RUNNING"]),
        ("task ls --where metrics.loss.la", ["metrics.loss.last_step", "metrics.loss.last_time", "metrics.loss.last"]),
        ("task ls --where 'exit_code == 0 and res", ["exit_code == 0 and results.accuracy"]),
        ("task ls --where 'status == ", [f'status == "{each}"' for each in STATUSES]),
        ("task ls --sort dur", ["duration"]),
        ("snapshot ls --where stats", ["stats.f1"]),
        ("snapshot ls --where=config.", ["--where=config.lr"]),
        ("snapshot ls --where 'stats.f1 c", ["stats.f1 contains"]),
        ("snapshot ls --where 'stats.f1 > 0.1 ", ["stats.f1 > 0.1 and", "stats.f1 > 0.1 or"]),
        ("snapshot ls --where 'label == ", ['label == "my best"']),
        ("snapshot ls --where 'not (session == ", ['not (session == "sweeps"', 'not (session == "default"']),
        ("snapshot ls --sort 'stats.f1 d", ["stats.f1 desc"]),
        ("snapshot export --where lab", ["label"]),
        ("snapshot create --config ", ["lr:"]),
        ("snapshot update best --stats ", ["f1:"]),
        ("snapshot create --config-filename ", ["a file"]),
        ("snapshot checkout --branch ", []),
        ("session undelete ", ["old ideas"]),
        ("log ls --type snapshot.c", ["snapshot.created", "snapshot.checked_out", "snapshot.collected"]),
        ("log follow --type tas", ["task.*", *(name for name in CURRENT if name.startswith("task."))]),
        ("log ls --entity tas", ["task/{task}", "task"]),
        ("docs sch", ["schema.json"]),
        ("config set exec", ["executor"]),
        ("config set executor ", ["auto", "docker", "process"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("docs gu", ["guide"]),
        ("log ls --entity session/d", ["session/default"]),
        ("nonsense ", []),
        ("session nonsense ", []),
    ],
)
def test_what_a_word_may_become(words: Callable[[str], list[str]], made: Path, line: str, expected: list[str]) -> None:
    assert words(line) == [each.replace("{task}", id_of(made, "task")) for each in expected]


def test_metrics_are_those_of_the_tasks_that_are_named(words: Callable[[str], list[str]], made: Path) -> None:
    task = id_of(made, "task")
    assert words(f"task metrics {task} ") == ["loss"]
    assert words(f"task plot {task} lo") == ["loss"]


def test_tasks_that_run_are_those_that_can_be_stopped(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(home)
    (running,) = program("task", "run", "--detach", "sleep 300", cwd=home).out.split()
    try:
        for command in ("stop", "stop --id", "wait", "attach"):
            assert [each.value for each in candidates(["task", *command.split(), ""])] == [running[:4]]
    finally:
        assert program("task", "stop", running, cwd=home).code == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["task", "ls", "--session-id", "=", "sw"], ["sweeps"]),
        (["task", "ls", "--session-id", "="], ["sweeps", "default"]),
        (["snapshot", "create", "--config", "lr", ":", "0.1", "--stats", "f"], ["f1:"]),
        (["snapshot", "update", "--config", "lr", ":", "0.1", "my"], ["my best"]),
        (["session", "select", "a", ":"], ["b"]),
        (["session", "select", "a", ":", "b"], ["b"]),
    ],
)
def test_what_bash_splits_is_one_word(  # noqa: PLR0917
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str],
    expected: list[str],
) -> None:  # fmt: skip
    home = shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(home)
    if "a" in words:
        assert program("session", "create", "a:b", "--no-current", cwd=home).code == 0
    answer("bash", words)
    assert [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()] == expected


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


def parameters() -> list[tuple[str, str, click.Parameter]]:
    """Every option and argument of the whole tree that takes a value: the command, what it is called, itself."""
    found = []
    for path, command in anyio.run(commands).items():
        for each in command.params:
            if not (isinstance(each, click.Option) and each.is_flag):
                long = [name for name in each.opts if name.startswith("--")]
                found.append((path, long[0] if long else (each.metavar or each.name or "").strip("[].").upper(), each))
    return found


def test_every_value_of_the_whole_tree_is_completed_or_known_to_be_free() -> None:
    rows = parameters()
    assert len(rows) > 100
    used = set()
    for path, name, each in rows:
        reasons = {key for key in (name, f"{path} {name}") if key in FREE}
        completed = isinstance(each.type, click.Choice) or source_of(each, path) is not None
        assert completed is not bool(reasons), (path, name)
        named = {name, (each.metavar or "").strip("[].").upper()}
        used |= reasons | {front + key for front in (f"{path} ", f"{path.split()[0]} ", "") for key in named}
    assert set(FREE) <= used
    assert set(BY_PARAMETER) <= used


def test_every_completed_value_has_candidates_here(words: Callable[[str], list[str]], made: Path) -> None:
    """Those of running tasks, and those that depend on what stands before them, have tests of their own."""
    elsewhere = {"task stop", "task wait", "task attach", "--grid", "config set VALUE", "task metrics NAME"}
    for path, name, each in parameters():
        if {path, name, f"{path} {name}"} & elsewhere or isinstance(each.type, click.Choice):
            continue
        source = source_of(each, path)
        assert source is None or list(source(Typed("", [id_of(made, "task")]))), (path, name)


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


_DELETE = "\x7f"


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
        self.name = name
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


@pytest.fixture(scope="module", params=list(_SHELLS))
def shell(request: pytest.FixtureRequest, made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell in which the tests type one after another."""
    shell = Shell(request.param, made, tmp_path_factory.mktemp(request.param))
    shell.load()
    yield shell
    shell.close()


def test_a_shell_completes_commands_sessions_labels_and_ids(shell: Shell, made: Path) -> None:
    snapshot = id_of(made, "snapshot")
    shell.type("datmo sess\tsel\tswe\t\n", "the current session is sweeps")
    shell.type("datmo snapshot inspect --form\tjs\tmy\t\n", '"message": "the first: a baseline"')
    shell.type(f"datmo snapshot inspect {snapshot[:3]}\t\n", f"snapshot     {id_of(made, 'snapshot')}")
    shell.type("datmo session select def\t\n", "the current session is default")


def test_a_shell_completes_keys_of_expressions(shell: Shell, made: Path) -> None:
    """Within quotes, too: bash and fish close them behind the only candidate, fish with a blank."""
    snapshot = id_of(made, "snapshot")
    closed = {"bash": 1, "zsh": 0, "fish": 2}[shell.name]
    shell.type(
        "datmo snapshot ls --filter baseline --sort stats.\t --where 'config.lr == 0.1 and sta\t", "and stats.f1"
    )
    shell.type(f"{_DELETE * closed} < 1'\n", snapshot)


def test_a_shell_completes_types_of_events_and_names_of_a_grid(shell: Shell) -> None:
    shell.type("datmo log ls --limit 1 --type session.cre\t\n", "session.created")
    shell.type('datmo task run "echo the{seed}th" --name x --grid s\t7\n', "SUCCESS after")


def test_a_shell_completes_its_own_files_where_files_are_wanted(shell: Shell, made: Path) -> None:
    (made / "weights-of-the-model.bin").write_text("w")
    shell.type("datmo snapshot create -m kept --filepaths weights\t\n", "created snapshot")
    assert program("snapshot", "ls", "--filter", "kept", "--format", "json", cwd=made).json[0]["message"] == "kept"


def test_every_shell_that_has_a_script_is_tried() -> None:
    assert set(_SHELLS) == set(SCRIPTS)


def test_the_printed_script_is_the_one_that_was_tried(shell: Shell, made: Path) -> None:
    shell.type("datmo completion ba\t | head -1\n", "for bash; in ~/.bashrc")
