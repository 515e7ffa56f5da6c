"""Write the references of `datmo/docs/` from the code, so that they cannot drift.

    python tools/reference.py            # write them
    python tools/reference.py --check    # say which are not as the code is, and exit with 1

The tests run the second. The guide, the layout of files and the page for contributors are written by hand.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import asyncclick as click

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import _documents  # noqa: E402, I001

import datmo  # noqa: E402
import datmo.config  # noqa: E402
import datmo.errors  # noqa: E402
import datmo.inside  # noqa: E402
import datmo.session  # noqa: E402
import datmo.snapshot  # noqa: E402
import datmo.task  # noqa: E402
from datmo import aio  # noqa: E402
from datmo.cli import overview  # noqa: E402
from datmo.cli.edge import root  # noqa: E402
from datmo.core.schemas import CURRENT  # noqa: E402
from datmo.core.settings import SETTINGS  # noqa: E402

FOLDER = ROOT / "datmo" / "docs"
GOLDEN = ROOT / "tests" / "eventlog" / "released" / "log.json"
MADE = "*Made from the code by `tools/reference.py`: change the code, not this page.*"

EXIT_CODES = {
    0: "done",
    1: "failed; of several tasks, one failed",
    2: "called wrongly, or with a value that cannot be used",
    3: "no project here",
    4: "no Docker engine answers",
    125: "`task run`: Datmo failed, not the command",
    126: "`task run`: the command cannot be executed",
    127: "`task run`: there is no such command",
    129: "ended by a hang-up of the terminal",
    130: "interrupted by Ctrl-C",
    141: "nobody reads what it writes any more, as behind `| head`",
    143: "ended by SIGTERM",
}


ABOUT_CLI = """Every command takes `-h`/`--help`, `-q`/`--quiet` (only errors are said) and `--verbose`. Data goes to
standard output, words to standard error. Ids may be shortened to any unique prefix."""

ABOUT_SDK = """`import datmo` is the synchronous API; `import datmo.aio as datmo` the same, awaited. Both have the same
names, parameters and entities. `datmo.open(home=None)` opens a project, whose rooms are below, and
`datmo.init(home=None, name=None, description=None)` makes one; both for a block, `with` or `async with`, and in the
synchronous API also without one, until `project.close()` or until nothing of it is in use. The functions at the end
take a project's `home` themselves."""

ABOUT_SETTINGS = """What a command or a call is given goes before everything. Then an environment variable decides,
then the project, then the user, then the default. `datmo config set KEY VALUE` sets it for the project, as an event of
its log; with `--user` for you in all projects, in `$XDG_CONFIG_HOME/datmo/settings.json` (by default below
`~/.config`). A project that is open takes up what others set when it is opened the next time."""

WHAT = {
    "project.initialized": "a folder became a project",
    "project.described": "its name or description changed",
    "config.set": "the project's setting of that name has this value",
    "config.unset": "the project says no more about the setting",
    "session.created": "a session is there",
    "session.selected": "it is the current one",
    "session.deleted": "it is hidden, with what is in it",
    "session.restored": "it is back, with what is in it",
    "environment.created": "an environment was seen for the first time, or again after it was deleted",
    "environment.build_started": "an image is being built, for this key",
    "environment.built": "an image, or a virtual environment, is ready",
    "environment.build_failed": "it could not be built",
    "environment.deleted": "it is hidden, and what was built of it removed",
    "code.captured": "code was captured that had not been seen before",
    "files.stored": "a collection of files is in the store",
    "snapshot.created": "a snapshot was made",
    "snapshot.updated": "its words or values changed",
    "snapshot.deleted": "it is hidden",
    "snapshot.restored": "it is back",
    "task.created": "a task is going to be run; complete before anything is",
    "task.started": "it runs; the handle finds it again",
    "task.output": "a part of its output is recorded; the payload has the bytes",
    "task.output_limited": "no more output is recorded, while it runs on",
    "task.metrics": "a part of its metrics is recorded; the payload has the points, in the form of `datmo.core.points`",
    "task.config_reported": "it said something of its configuration",
    "task.result_reported": "it reported results",
    "task.artifact_stored": "it handed over a file, which is in the store",
    "task.outbox_replaced": "the file that it reports through is another one, or became shorter",
    "task.stop_requested": "somebody wants it to stop",
    "task.finished": "it ended with 0",
    "task.failed": "it ended with another code, or could not be started",
    "task.stopped": "it was stopped",
    "task.lost": "nobody can say what became of it",
    "snapshot.checked_out": "the folder was brought to its state; what the way back needs",
    "snapshot.collected": "a snapshot that was deleted is gone for good",
    "task.collected": "a task that was deleted is gone for good",
    "code.collected": "the code is no longer kept",
    "files.collected": "the collection is no longer kept",
    "objects.collected": "garbage was collected",
    "payload.erased": "payloads were erased, so that they count as erased, not as damaged",
    "runner.attached": "reserved",
}
"""What an event says; a type that is not here has a line without words until somebody writes it."""


def main(arguments: list[str]) -> int:
    made = {
        "cli.md": cli(),
        "sdk.md": sdk(),
        "settings.md": settings(),
        "events.md": events(),
        "outbox.md": outbox(),
        "json.md": page("JSON", *_documents.page_parts()),
        "schema.json": _documents.schema(),
    }
    wrong = [name for name, text in made.items() if _on_disk(name) != text]
    if "--check" in arguments:
        for name in wrong:
            print(f"datmo/docs/{name} is not as the code is: python tools/reference.py")
        return 1 if wrong else 0
    for name in wrong:
        (FOLDER / name).write_text(made[name], encoding="utf-8")
        print(f"wrote datmo/docs/{name}")
    return 0


def _on_disk(name: str) -> str | None:
    path = FOLDER / name
    return path.read_text("utf-8") if path.exists() else None


def page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", MADE, *(part.strip("\n") for part in parts if part)]) + "\n"


def rows(*headings: str) -> list[str]:
    return [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}"]


def row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;').replace(chr(10), ' ') for cell in cells)} |"


# The command line


def cli() -> str:
    context = click.Context(root, info_name="datmo", **root.context_settings)
    parts = [
        ABOUT_CLI,
        "## Exit codes\n\n" + "\n".join([*rows("code", "when"), *(row(str(c), t) for c, t in EXIT_CODES.items())]),
    ]
    for name in overview.entries():
        command = root.get_command(context, name)
        if isinstance(command, click.Group):
            parts.append(f"## datmo {name}\n\n{inspect.cleandoc(command.help or '')}")
            parts += [_command(f"{name} {below}", each, "###") for below, each in command.commands.items()]
        elif command is not None:
            parts.append(_command(name, command, "##"))
    parts.append("## JSON\n\n`datmo docs json` has every key of what `--format json` writes.")
    return page("The command line", *parts)


def _command(path: str, command: click.Command, level: str) -> str:
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    options = [each for each in command.params if isinstance(each, click.Option)]
    usage = " ".join(["datmo", path, *(["[OPTIONS]"] if options else []), *(_metavar(each) for each in arguments)])
    parts = [f"{level} datmo {path}", f"`{usage}`", inspect.cleandoc(command.help or "")]
    if options:
        parts.append(
            "\n".join([*rows("option", "what it does"), *(row(_names(each), _help(each)) for each in options)])
        )
    examples = getattr(command, "examples", ())
    if examples:
        parts.append("For example:\n\n" + "\n".join(f"- `{example}`" for example in examples))
    return "\n\n".join(parts)


def _metavar(argument: click.Argument) -> str:
    name = (argument.metavar or argument.name or "").strip("[]")
    shown = f"{name}..." if argument.nargs == -1 and not name.endswith("...") else name
    return shown if argument.required else f"[{shown}]"


def _names(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if option.is_flag:
        return names
    choices = getattr(option.type, "choices", None)
    return f"{names} {option.metavar or ('|'.join(map(str, choices)) if choices else option.type.name.upper())}"


def _help(option: click.Option) -> str:
    default = option.default
    shown = option.show_default and isinstance(default, str | int | bool) and not isinstance(default, bool)
    return f"{option.help or ''}{f' [default: {default}]' if shown else ''}{' Required.' if option.required else ''}"


# The SDK


ROOMS = ("project", "sessions", "snapshots", "tasks", "environments", "config", "log")


def sdk() -> str:
    parts = [
        ABOUT_SDK,
    ]
    for name, room in zip(ROOMS, _rooms(), strict=True):
        parts.append(f"## {'project' if name == 'project' else f'project.{name}'}")
        parts.append(_prose(inspect.getdoc(room) or ""))
        parts += [_callable(f"{name}.{each}", method) for each, method in _public(room)]
    parts.append(f"## Inside a task\n\n{_prose(inspect.getdoc(datmo.inside.CurrentTask) or '')}")
    parts.append(_callable("datmo.task.current", datmo.inside.current))
    parts += [_callable(f"task.{each}", method) for each, method in _public(datmo.inside.CurrentTask)]
    parts.append("## Functions that take a project's home")
    for module in (datmo.snapshot, datmo.task, datmo.session):
        for name in module.__all__:
            function = getattr(module, name)
            if inspect.isfunction(function):
                parts.append(_callable(f"{module.__name__}.{name}", function))
    parts.append("## Entities and values")
    parts += [_entity(name) for name in aio.__all__ if inspect.isclass(getattr(datmo.aio, name))]
    parts.append(_callable("datmo.config.Config", datmo.config.Config))
    tree = (datmo.errors.__doc__ or "").partition("::\n")[2].partition("\nA message")[0]
    parts.append("## Errors\n\nAll are in `datmo.errors`; each has `message`, `hint` and an `exit_code`.")
    parts.append("```text\n" + inspect.cleandoc(tree) + "\n```")
    return page("The SDK", *parts)


def _rooms() -> Iterator[type]:
    from datmo.engine.config import ProjectConfig
    from datmo.engine.environments import Environments
    from datmo.engine.log import Log
    from datmo.engine.sessions import Sessions
    from datmo.engine.snapshots import Snapshots
    from datmo.engine.tasks import Tasks

    yield from (aio.Project, Sessions, Snapshots, Tasks, Environments, ProjectConfig, Log)


def _public(room: type) -> Iterator[tuple[str, Any]]:
    for name, value in ((name, value) for each in reversed(room.__mro__) for name, value in vars(each).items()):
        if not name.startswith("_") and inspect.isfunction(value):
            yield name, value


def _callable(name: str, function: Any) -> str:
    found = inspect.signature(function).parameters.values()
    shown, starred = [], False
    for each in found:
        if each.name == "self":
            continue
        if each.kind is each.KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        star = "*" if each.kind is each.VAR_POSITIONAL else "**" if each.kind is each.VAR_KEYWORD else ""
        starred = starred or bool(star)
        shown.append(f"{star}{each.name}" + ("" if each.default is each.empty else f"={each.default!r}"))
    return f"### {name}\n\n`{name}({', '.join(shown)})`\n\n{_prose(inspect.getdoc(function) or '')}"


def _entity(name: str) -> str:
    found = getattr(datmo.aio, name)
    text = _prose(inspect.getdoc(found) or "")
    if is_dataclass(found):
        names = ", ".join(f"`{each.name}`" for each in fields(found) if not each.name.startswith("_"))
        text += f"\n\nIts attributes: {names}." if "*Attributes*" not in text else ""
    return f"### {name}\n\n{text}"


_SECTION = re.compile(r"^(Parameters|Attributes|Raises|Returns|Yields|Events):\s*(.*)$")


def _prose(text: str) -> str:
    """Return a docstring as Markdown: its sections as lists. Its examples are left out: the guide has them, tried."""
    text = re.sub(r"```.*?```\n?", "", text, flags=re.DOTALL)
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        heading = _SECTION.match(line)
        if heading:
            inside = True
            lines += ["", f"*{heading[1]}* {heading[2]}".rstrip(), ""]
        elif inside and re.match(r"    \S", line):
            name, colon, rest = line.strip().partition(": ")
            lines.append(f"- `{name}`: {rest}" if colon and " " not in name.replace(", ", "") else f"- {line.strip()}")
        elif inside and line.startswith("     "):
            lines[-1] += f" {line.strip()}"
        else:
            inside = inside and not line.strip()
            lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


# Settings


def settings() -> str:
    listed = [
        row(
            f"`{each.name}` `{each.variable}`",
            each.kind.described,
            "worked out" if each.default is None else f"`{each.kind.show(each.default)}`",
            each.help,
        )
        for each in SETTINGS.values()
    ]
    return page(
        "Settings",
        ABOUT_SETTINGS,
        "\n".join([*rows("setting, and its variable", "what it may be", "default", "what it does"), *listed]),
        "Beside them: `NO_COLOR` (any value) leaves colours away; `DATMO_DEBUG=1` shows where a bug happened;"
        " `DOCKER_HOST` names the Docker engine.",
    )


# Events


def events() -> str:
    samples = {event["type"]: json.loads(event["data"]) for event in json.loads(GOLDEN.read_text("utf-8"))}
    listed = [
        row(f"`{name}`", str(schema), WHAT.get(name, ""), ", ".join(f"`{key}`" for key in samples.get(name, {})) or "-")
        for name, schema in CURRENT.items()
    ]
    return page(
        "Events",
        "Everything that happened is an event in `.datmo/log.db`, in the order of its position, 1, 2, 3 … without gaps."
        " The database refuses to change or delete one. `datmo log ls`, `show` and `follow` show them; in Python"
        " `project.log.read()` and `follow()`. Each has:",
        "\n".join([
            *rows("column", "what it is"),
            row("position", "its place in the log"),
            row("id", "a UUID of version 7"),
            row("stream, version", "whose it is, such as `task/4fk2…`, and its place there"),
            row("type, schema", "one of the list below, and the version of its data"),
            row("recorded_at", "when, UTC, in microseconds; never before that of an earlier position"),
            row("actor", "user, host, process and program"),
            row("correlation", "the command that caused it; the same for all that one command appends"),
            row("data", "JSON; see the list"),
            row("digest", "sha256 of the payload beside it, where it has one: output and metrics"),
            row("hash", "sha256 over the previous event's hash and every stored column of this one"),
        ]),
        "## Types\n\n" + "\n".join([*rows("type", "schema", "what it says", "data"), *listed]),
        "The data is that of the newest version; older ones are brought to it when they are read. A type that a newer"
        " Datmo has written is kept and passed over. Programs may append events of their own, under other types.",
    )  # fmt: skip


# The outbox


def outbox() -> str:
    """Make a page of what the package inside a task says of itself."""
    text = (datmo.inside.__doc__ or "").partition("**The outbox")[2]
    before, _, rest = text.partition("\n=====")
    table, _, after = rest.rpartition("=====\n")
    lines: list[list[str]] = []
    for line in table.splitlines()[1:]:
        words = re.match(r"``(.+?)``\s+(.*)", line)
        if words:
            lines.append([f"`{words[1]}`", words[2]])
        elif lines and not line.startswith("="):
            lines[-1][1] += f" {line.strip()}"
    about = "Code inside a task says what it does: in Python by `datmo.task.current()`; here is how in any language."
    text = before.replace(", for any language.**", "").strip()
    table = "\n".join([*rows("an object", "what it says"), *(row(*each) for each in lines)])
    return page("The outbox", about, text, table, after).replace("``", "`")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
