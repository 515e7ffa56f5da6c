"""The habits of the whole tree: what is typed wrong is suggested right, data and words apart, quiet, colours, codes."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from pathlib import Path

import anyio
import asyncclick as click
import pytest

import datmo.errors
import reference
from datmo.cli import failures
from datmo.cli.base import Command
from tests.cli.conftest import PROGRAM, Datmo, Done, environment, program
from tests.cli.habits import ROWS, Row
from tests.cli.test_program import on_terminal
from tests.cli.test_tree import TREE, commands

pytestmark = pytest.mark.anyio

ELSEWHERE = {
    "task attach": "tests/cli/test_task_terminal.py: it shows the live screen of a task that runs",
    "log follow": "tests/cli/test_log.py: it goes on until Ctrl-C",
}
"""Commands that have no row, and where what they say is tested."""

TRAIN = "import datmo.task\ndatmo.task.current().log(step=1, loss=0.5)\nprint('accuracy: 0.9')\n"


def test_every_command_has_a_row() -> None:
    assert {row.path for row in ROWS} | set(ELSEWHERE) == set(TREE)


@pytest.fixture
def home(anywhere: Path) -> Path:
    (anywhere / "train.py").write_text(TRAIN)
    return anywhere


async def all_rows(run: Datmo, *more: str, behind: bool = False) -> list[tuple[Row, Done]]:
    """Run every row in its order, with more before or behind the command."""
    made: dict[str, str] = {}
    found = []
    for row in ROWS:
        words = [word.format(**made) for word in shlex.split(row.line)]
        line = [*row.path.split(), *words]
        done = await run(*([*line, *more] if behind else [*more, *line]))
        if row.makes:
            made[row.makes] = done.out.strip().splitlines()[-1].partition(",")[0]
        found.append((row, done))
    return found


async def test_data_goes_to_standard_output_words_to_standard_error_with_a_hint_at_the_next_step(
    run: Datmo, home: Path
) -> None:
    for row, done in await all_rows(run):
        assert done.code == 0, (row, done)
        assert re.fullmatch(row.out, done.out, re.DOTALL), (row, done)
        hints = [line for line in done.err.splitlines() if line.startswith("hint: ")]
        if row.hint.startswith("("):
            assert (row.path, hints) == (row.path, [])
        else:
            assert any(row.hint in line for line in hints), (row, done)
        assert done.out or done.err, row  # what changes something says so


@pytest.mark.parametrize("behind", [False, True])
async def test_quiet_leaves_the_data_and_says_nothing(run: Datmo, home: Path, behind: bool) -> None:
    for row, done in await all_rows(run, "-q" if behind else "--quiet", behind=behind):
        assert (done.code, done.err) == (0, ""), row
        assert re.fullmatch(row.out, done.out, re.DOTALL), (row, done)


@pytest.mark.parametrize("behind", [False, True])
async def test_verbose_says_more_and_leaves_the_data(run: Datmo, home: Path, behind: bool) -> None:
    for row, done in await all_rows(run, "--verbose", behind=behind):
        assert done.code == 0, row
        if row.path in ("task run", "task rerun") and "--detach" not in row.line:
            assert re.search(r"^ +\d+\.\d\ds captured code ", done.err, re.MULTILINE), done
        assert re.fullmatch(row.out, done.out, re.DOTALL), (row, done)


def test_no_color_is_respected_by_every_command(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    made: dict[str, str] = {}
    for row in ROWS:
        words = [word.format(**made) for word in shlex.split(row.line)]
        keys = {"Name of the project": "iris"}
        done = on_terminal(*row.path.split(), *words, cwd=tmp_path, keys=keys, columns=100, NO_COLOR="1")
        assert done.code == 0, (row, done)
        assert not re.search(r"\x1b\[[0-9;]*[1-9][0-9;]*m", done.out), (row, done)
        if row.makes:
            kind = {"other": "task"}.get(row.makes, row.makes)
            made[row.makes] = program(kind, "ls", "--format", "json", cwd=tmp_path).json[0]["id"]


# What is typed wrong


async def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(run: Datmo) -> None:
    for path in TREE:
        *group, name = path.split()
        done = await run(*group, name + name[-1])
        assert (done.code, done.out) == (2, ""), path
        error, hint = done.err.splitlines()
        assert error.startswith("error: no such command"), path
        assert hint.startswith("hint: did you mean `"), path


async def test_a_mistyped_option_is_answered_with_the_one_that_was_meant(run: Datmo) -> None:
    count = 0
    for path, names in TREE.items():
        for name in sorted(each for each in names if each.startswith("--")):
            done = await run(*path.split(), f"{name}x")
            assert (done.code, done.out) == (2, ""), (path, name)
            error, hint = done.err.splitlines()
            assert error == f"error: no such option '{name}x'", path
            assert hint == f"hint: did you mean `{name}`?", path
            count += 1
    assert count > 120


IDS = {
    "session delete": "{}", "session undelete": "{}", "session select": "{}",
    "snapshot inspect": "{}", "snapshot checkout": "{}", "snapshot diff": "{}", "snapshot update": "{} -m x",
    "snapshot delete": "{}", "snapshot undelete": "{}", "snapshot verify": "{}", "snapshot export": "{}",
    "snapshot create": "-m x --task-id {}",
    "task inspect": "{}", "task logs": "{}", "task metrics": "{}", "task plot": "{} loss", "task stop": "{}",
    "task files": "{} --to left", "task wait": "{}", "task rerun": "{}", "task attach": "{}",
    "environment inspect": "{}", "environment diff": "{} {}", "environment delete": "{}",
    "log ls": "--entity task/{}", "log follow": "--entity snapshot/{}",
    "snapshot ls": "--session-id {}", "task ls": "--session-id {}", "task run": "true --session-id {}",
    "snapshot import": "archive.zip --session-id {}",
    "config get": "{}", "config set": "{} 1", "config unset": "{}", "docs": "{}",
}  # fmt: skip
"""Every command that takes a name or an id, and how."""


async def test_a_name_that_nothing_has_is_named_with_a_hint(run: Datmo, project: Path) -> None:
    for path, line in IDS.items():
        if path == "snapshot import":
            await run("snapshot", "create", "-m", "x")
            await run("snapshot", "export", "--all", "-o", "archive.zip")
        done = await run(*path.split(), *line.format("zzzz", "zzzz").split())
        assert done.code == {"task run": 125, "docs": 2}.get(path, 2 if path.startswith("config") else 1), (path, done)
        assert done.out == "", path
        error, hint = done.err.splitlines()[-2:]
        assert error.startswith("error: ") and "zzzz" in error, (path, done)  # noqa: PT018
        assert hint.startswith("hint: "), (path, done)


def test_every_command_that_takes_an_id_is_among_them() -> None:
    from datmo.cli.completion import source_of

    taking = set()
    for path, command in anyio.run(commands).items():
        assert isinstance(command, Command)
        for each in command.params:
            source = source_of(each, path)
            named = source is not None and getattr(source, "__qualname__", "").startswith("_known.")
            if named and (isinstance(each, click.Argument) or "--session-id" in each.opts):
                taking.add(path)
    assert taking - {"log show"} <= set(IDS)


def test_every_error_that_is_raised_has_a_hint_or_is_of_a_kind_that_has_one() -> None:
    """Those that make their own hints, of ids and of words like them, among them."""
    own = {"EntityNotFound", "AmbiguousId"}
    kinds = tuple(kind for kind, _ in failures._NEXT)
    raised, without = 0, []
    for path in Path(datmo.errors.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                continue
            kind = getattr(datmo.errors, getattr(node.exc.func, "id", ""), None)
            if isinstance(kind, type) and issubclass(kind, datmo.errors.DatmoError):
                raised += 1
                hinted = any(each.arg == "hint" for each in node.exc.keywords)
                if not hinted and not issubclass(kind, kinds) and kind.__name__ not in own:
                    without.append(f"{path.name}:{node.lineno} {kind.__name__}")
    assert raised > 200
    assert without == []


# Exit codes


async def test_every_documented_exit_code_is_one_that_is_seen(run: Datmo, project: Path, tmp_path: Path) -> None:
    nobody = {"DOCKER_HOST": "tcp://127.0.0.1:1"}
    (project / "no.Dockerfile").write_text("FROM scratch\n")
    (project / "plain").write_text("not executable\n")
    seen = {
        0: program("status", cwd=project),
        1: program("snapshot", "inspect", "zzzz", cwd=project),
        2: program("snapshot", "inspect", cwd=project),
        3: program("status", cwd=tmp_path),
        4: program("environment", "create", "--environment-def", "no.Dockerfile", cwd=project, **nobody),
        125: program("task", "run", "-e", "no.Dockerfile", "true", cwd=project, **nobody),
        126: program("task", "run", "./plain", cwd=project),
        127: program("task", "run", "no-such-program", cwd=project),
    }
    for code, done in seen.items():
        assert done.code == code, done
        assert (done.code == 0) is not done.err.startswith("error: ") or code in (126, 127)
    for number in (1, 2, 15):
        with subprocess.Popen(
            [*PROGRAM, "log", "follow", "--after", "0"], cwd=project, env=environment(), stdout=subprocess.PIPE
        ) as following:
            assert following.stdout is not None
            assert following.stdout.readline()
            following.send_signal(number)
            assert following.wait() == 128 + number
    with subprocess.Popen([*PROGRAM, "status"], cwd=project, env=environment(), stdout=subprocess.PIPE) as unheard:
        assert unheard.stdout is not None
        unheard.stdout.close()
        assert unheard.wait() == 141
    assert {*seen, 129, 130, 141, 143} == set(reference.EXIT_CODES)
