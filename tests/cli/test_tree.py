"""The tree of commands: every command, every flag, help on each of them."""

from __future__ import annotations

import errno
import re
import tomllib
from pathlib import Path

import asyncclick as click
import pytest

from datmo.cli import overview
from datmo.cli.base import Command
from datmo.cli.edge import execute, root
from datmo.cli.sections import SECTIONS
from datmo.errors import ArchiveError, CodeError, DatmoError, EnvironmentInvalid, InvalidArgument, ObjectDamaged
from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio

HELP = {"-h", "--help"}
TREE = {
    "init": {"--name", "-n", "--description"},
    "version": {"--format"},
    "status": {"--changes", "--no-changes", "--format"},
    "gc": {"--dry-run", "--format"},
    "cleanup": {"--yes", "-y"},
    "session create": {"NAME", "--name", "-m", "--current", "--no-current"},
    "session delete": {"NAME", "--name"},
    "session undelete": {"NAME", "--name"},
    "session ls": {"--format"},
    "session select": {"NAME", "--name"},
    "snapshot create": {
        "--message", "-m", "--label", "-l", "--session-id", "--task-id", "--code-id", "--commit-id",
        "--environment-id", "--environment-def", "--file-collection-id", "--filepaths",
        "--config", "--stats", "--config-filename",
        "--config-filepath", "--stats-filename", "--stats-filepath",
    },
    "snapshot ls": {
        "--session-id", "--all", "-a", "--filter", "--where", "--sort", "--deleted", "--limit", "--format",
    },
    "snapshot diff": {"ID_1", "ID_2", "--code", "--stat", "--format"},
    "snapshot checkout": {"ID", "--id", "--to", "--branch", "--no-save"},
    "snapshot update": {"ID", "--message", "-m", "--label", "-l", "--config", "--stats"},
    "snapshot delete": {"ID", "--id"},
    "snapshot verify": {"ID...", "--all", "-a", "--format"},
    "snapshot export": {"ID...", "--all", "-a", "--where", "--output", "-o"},
    "snapshot import": {"FILE", "--session-id"},
    "snapshot undelete": {"ID"},
    "snapshot inspect": {"ID", "--format"},
    "task run": {
        "CMD", "--gpu", "--ports", "-p", "--environment-def", "-e", "--session-id", "--name", "--executor",
        "--gpus", "--data", "--mem-limit", "--cpus", "--env", "--network", "--user", "--workdir", "--timeout",
        "--no-system-metrics",
        "--interactive",
        "--jobs", "-j", "--grid", "--from", "--repeat", "--retries", "--max-failures", "--fail-fast", "--rank",
        "--detach", "--session", "--format",
    },
    "task attach": {"ID"},
    "task rerun": {"ID", "--env", "--name"},
    "task logs": {"ID", "--follow", "-f", "--since", "--stderr", "--format"},
    "task inspect": {"ID", "--format"},
    "task files": {"ID", "--to", "--only"},
    "task plot": {"ID...", "METRIC", "--start", "--end", "--height"},
    "task metrics": {"ID", "NAME", "--start", "--end", "--points", "--format"},
    "task stop": {"ID", "--id", "--all", "-a"},
    "task wait": {"ID...", "--format"},
    "task recover": {"--no-wait", "--give-up"},
    "task ls": {"--status", "--watch", "--session-id", "--filter", "--where", "--sort", "--limit", "--format"},
    "environment setup": {"--dockerfile", "--write", "--format"},
    "environment create": {"--environment-def", "--executor", "--no-build"},
    "environment ls": {"--format"},
    "environment inspect": {"ID", "--format"},
    "environment diff": {"ID_1", "ID_2", "--format"},
    "environment delete": {"ID"},
    "docs": {"PAGE"},
    "completion": {"SHELL"},
    "config get": {"KEY", "--format"},
    "config set": {"KEY", "VALUE", "--user"},
    "config unset": {"KEY", "--user"},
    "config ls": {"--format"},
    "log ls": {"--entity", "--type", "--since", "--until", "--limit", "--reverse", "--format"},
    "log show": {"POSITION", "--format"},
    "log follow": {"--entity", "--type", "--after", "--format"},
    "log verify": {"--format"},
    "log replay": {"--to", "--format"},
}  # fmt: skip


async def commands() -> dict[str, click.Command]:
    """Every command of the tree, by its path."""
    context = click.Context(root, info_name="datmo", **root.context_settings)
    found: dict[str, click.Command] = {}
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found |= {f"{name} {below}": each for below, each in command.commands.items()}
        else:
            found[name] = command
    return found


def names(command: click.Command) -> set[str]:
    found = set()
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            found.add((parameter.metavar or parameter.name or "").strip("[]").upper())
        else:
            found |= {*parameter.opts, *parameter.secondary_opts}
    return found


async def test_every_command_has_exactly_these_parameters() -> None:
    assert {path: names(command) for path, command in (await commands()).items()} == TREE


async def test_every_command_has_an_example_that_calls_it() -> None:
    for path, command in (await commands()).items():
        assert isinstance(command, Command)
        assert command.examples
        assert all(example.startswith(f"datmo {path}") for example in command.examples), path


@pytest.mark.parametrize("flag", sorted(HELP))
@pytest.mark.parametrize("path", ["", "session", "snapshot", "task", "log", "config", "environment", *TREE])
async def test_help_is_on_standard_output_everywhere(run: Datmo, path: str, flag: str) -> None:
    done = await run(*path.split(), flag)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: datmo {path}")
    for name in TREE.get(path, set()):
        assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", done.out), name


@pytest.mark.parametrize("group", ["session", "snapshot", "task", "log", "config", "environment"])
async def test_the_page_of_a_group_says_in_whole_sentences_what_its_commands_do(run: Datmo, group: str) -> None:
    listed = " ".join((await run(group, "--help")).out.partition("Commands:")[2].split())
    for path, command in (await commands()).items():
        if path.startswith(f"{group} "):
            assert f"{path.removeprefix(f'{group} ')} {command.get_short_help_str(1000)}" in listed


@pytest.mark.parametrize("path", SECTIONS)
async def test_the_sections_of_a_long_help_name_options_that_are_there(run: Datmo, path: str) -> None:
    named = [name for names_of in SECTIONS[path].values() for name in names_of.split()]
    assert len(set(named)) == len(named)
    assert set(named) <= TREE[path.removeprefix("datmo ")]
    page = (await run(*path.split()[1:], "--help")).out
    titles = [line.removesuffix(":") for line in page.splitlines() if line.endswith(":") and line[0] != " "]
    assert titles == [*SECTIONS[path], *(["Options"] if "\nOptions:" in page else []), "Everywhere", "Examples"]


async def test_the_first_page_names_every_command_and_group(run: Datmo) -> None:
    page = (await run("--help")).out
    for name, entry in overview.entries().items():
        assert re.search(rf"^  {name} +{re.escape(entry.help[:20])}", page, re.MULTILINE)


async def test_the_quick_answers_are_those_of_the_commands(run: Datmo) -> None:
    assert f"{overview.answer(['version'])}\n" == (await run("version")).out
    assert overview.answer(["--help"]) == overview.answer(["-h"])
    quick, slow = overview.answer(["--help"]), await run("--help")
    assert (quick or "").split() == slow.out.split()  # but for the width, the same page
    assert overview.answer(["--version"]) == overview.answer(["version"])
    assert overview.answer(["status"]) is None


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_first_page_fits_into_the_terminal(width: int) -> None:
    page = overview.page(width)
    examples = page[page.index("Examples:") : page.index("Options:")]  # a command line is never broken
    assert all(len(line) <= width for line in page.replace(examples, "").splitlines())


@pytest.mark.parametrize("path", [[], ["session"], ["log"]])
async def test_without_a_command_the_help_is_shown_as_a_usage_error(run: Datmo, path: list[str]) -> None:
    done = await run(*path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"Usage: {' '.join(['datmo', *path])}")


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (["snapshto", "ls"], "no such command 'snapshto'", "did you mean `snapshot`?"),
        (["session", "crate"], "no such command 'crate'", "did you mean `create`?"),
        (["snapshot", "ls", "--fliter", "x"], "no such option '--fliter'", "did you mean `--filter`?"),
        (["zzz"], "no such command 'zzz'", "`datmo --help` shows how it is used"),
        (["log", "show", "x"], "invalid value for 'POSITION': 'x' is no position: give a number", None),
        (["log", "ls", "--since", "9" * 12 + "d"], f"invalid value for '--since': '{'9' * 12}d' is no time", None),
        (["log", "ls", "--until", "0001-01-01T00:00+14:00"], "invalid value for '--until'", None),
        (["log", "show"], "missing argument 'POSITION'", "`datmo log show --help` shows how it is used"),
        (["snapshot", "ls", "--format", "xml"], "invalid value for '--format': 'xml' is not one of", None),
    ],
)
async def test_mistakes_in_the_command_line_are_one_line_and_a_hint(
    run: Datmo, arguments: list[str], error: str, hint: str | None
) -> None:
    done = await run(*arguments)
    assert (done.code, done.out) == (2, "")
    first, second = done.err.splitlines()
    assert first.startswith(f"error: {error}")
    assert second == f"hint: {hint}" if hint else second.startswith("hint: ")


def test_the_console_script_is_the_main_function() -> None:
    found = Path(__file__).parents[2] / "pyproject.toml"
    assert tomllib.loads(found.read_text())["project"]["scripts"] == {"datmo": "datmo.__main__:main"}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "/data/x: no space left on device"),
        (PermissionError(errno.EACCES, "Permission denied"), "permission denied"),
    ],
)
async def test_what_the_machine_refuses_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: OSError, said: str
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(root, "main", refused)
    assert await execute(["status"]) == 1
    assert capsys.readouterr().err == f"error: {said}\n"


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (EnvironmentInvalid("no such thing"), "`datmo environment ls` says which environment is in use, and why"),
        (ObjectDamaged("other bytes"), "`datmo snapshot verify --all` names all that is missing or damaged"),
        (ArchiveError("cut short"), "`datmo snapshot export` writes one anew, in the project that it came from"),
        (CodeError("missing"), "`datmo snapshot verify --all` names code that is missing or damaged"),
        (InvalidArgument("not so"), "`datmo snapshot ls --help` shows how it is used"),
        (InvalidArgument("not so", hint="but so"), "but so"),
        (DatmoError("nobody knows"), None),
    ],
)
async def test_an_error_without_a_hint_of_its_own_gets_one_of_its_kind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: DatmoError, hint: str | None
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(root, "main", refused)
    assert await execute(["--quiet", "snapshot", "ls", "--limit", "2"]) == error.exit_code
    assert capsys.readouterr().err.splitlines() == [f"error: {error}", *([f"hint: {hint}"] if hint else [])]


async def test_a_bug_is_one_line_and_the_way_to_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(root, "main", broken)
    assert await execute(["status"]) == 1
    assert capsys.readouterr().err == (
        "error: this is a bug in datmo: RuntimeError: two lines\n"
        "hint: run it again with DATMO_DEBUG=1 to see where it happened\n"
    )
    monkeypatch.setenv("DATMO_DEBUG", "1")
    assert await execute(["status"]) == 1
    assert "in broken" in capsys.readouterr().err
