"""`datmo completion`, and the answers to a shell that completes a word."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import asyncclick as click

from datmo.cli import overview
from datmo.cli.base import Command, Root
from datmo.cli.shells import SCRIPTS
from datmo.cli.terminal import hint, put

__all__ = ["Candidate", "answer", "candidates", "completion"]


class Candidate(NamedTuple):
    """What a word may become.

    Attributes:
        value: the whole word.
        about: what it is, in some words.
        kind: `plain`, or `file` where the shell's own files are wanted.
    """

    value: str
    about: str = ""
    kind: str = "plain"


_FILES = Candidate("", kind="file")

_BY_OPTION: Mapping[str, Sequence[str]] = {
    "--session-id": ("session",),
    "--task-id": ("task",),
    "--environment-id": ("environment",),
    "--code-id": ("code",),
    "--file-collection-id": ("files",),
    "--label": ("label",),
}
"""What an option's value names."""

_BY_COMMAND: Mapping[str, Sequence[str]] = {
    "snapshot": ("label", "snapshot"),
    "snapshot undelete": ("deleted snapshot",),
    "task": ("task",),
    "task stop": ("running task",),
    "task wait": ("running task",),
    "session select": ("session",),
    "session delete": ("session",),
    "environment": ("environment",),
}
"""What a command's ID or NAME is, by the command or its group."""

_ENTITIES = ("snapshot", "task", "session", "environment")
"""What the log is asked for by `KIND/ID`."""

_PATHS = ("FILE", "PATH", "FOLDER", "PATH[>NAME]", "PATH>NAME")


@click.command(cls=Command, examples=["datmo completion bash", "datmo completion fish"])
@click.argument("shell", metavar="SHELL", type=click.Choice(list(SCRIPTS)))
async def completion(shell: str) -> None:
    """Print what makes a shell complete commands, options, ids, labels and sessions: for bash, zsh or fish.

    The first line of it says where it goes.
    """
    await put(SCRIPTS[shell])
    if sys.stdout.isatty():
        hint(SCRIPTS[shell].partition(f"for {shell}")[2].splitlines()[0].strip(" ;:"))


def answer(shell: str, words: Sequence[str]) -> None:
    """Write the candidates for the last of some words, as `datmo.cli.shells` says."""
    prefix = ""
    if shell == "bash":
        words, prefix = _joined(words)
    for each in candidates(words):
        line = (each.kind, each.value.removeprefix(prefix), each.about)
        print("\t".join(" ".join(part.split()) for part in line).encode("utf-8", "replace").decode())


def _joined(words: Sequence[str]) -> tuple[list[str], str]:
    """Return words as they were typed, where bash has split them at `=`, and what it does not want to hear again."""
    joined: list[str] = []
    for word in words:
        if joined and (word == "=" or joined[-1].endswith("=")) and joined[-1].startswith("--"):
            joined[-1] += word
        else:
            joined.append(word)
    name, equals, _ = joined[-1].partition("=") if joined else ("", "", "")
    return joined, f"{name}=" if equals and name.startswith("--") else ""


def candidates(words: Sequence[str]) -> list[Candidate]:
    """Return what the last word may become, given those before it."""
    from datmo.cli.edge import root

    *before, word = words or [""]
    found = [each for each in _candidates(root, before, word) if each.kind == "file" or each.value.startswith(word)]
    return list({each.value: each for each in found}.values())


def _candidates(root: Root, before: Sequence[str], word: str) -> Iterator[Candidate]:
    context = click.Context(root, info_name="datmo", **root.context_settings)
    rest = [each for each in before if each not in ("--quiet", "-q", "--verbose")]
    if not rest:
        yield from (Candidate(name, entry.help) for name, entry in overview.entries().items())
        yield from _flags(root, context, word)
        return
    command, path = root.get_command(context, rest.pop(0)), ""
    path = command.name or "" if command else ""
    while isinstance(command, click.Group):
        if not rest:
            yield from (Candidate(name, each.get_short_help_str(80)) for name, each in command.commands.items())
            return
        name = rest.pop(0)
        command, path = command.commands.get(name), f"{path} {name}"
    if command is not None:
        yield from _of_command(command, context, path, (rest, word))


def _of_command(
    command: click.Command, context: click.Context, path: str, typed: tuple[Sequence[str], str]
) -> Iterator[Candidate]:
    rest, word = typed
    if "--" in rest:
        yield _FILES
        return
    options = {
        name: option
        for option in command.get_params(context)
        if isinstance(option, click.Option)
        for name in option.opts
    }
    waiting: click.Option | None = None
    positionals = 0
    for each in rest:
        option = options.get(each)
        if waiting is not None and not (option is not None and _may_be_empty(waiting)):
            waiting = None
        elif option is not None:
            waiting = None if option.is_flag else option
        elif not each.startswith("-"):
            positionals += 1
    name, equals, _ = word.partition("=")
    if equals and name in options:
        yield from (each._replace(value=f"{name}={each.value}") for each in _values(options[name], path, rest))
        return
    if waiting is not None:
        yield from _values(waiting, path, rest)
        if not _may_be_empty(waiting):
            return
    yield from _flags(command, context, word)
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    places = [each for each in arguments for _ in range(1 if each.nargs == 1 else 99)]
    if positionals < len(places) and not word.startswith("-"):
        yield from _values(places[positionals], path, rest)


def _may_be_empty(option: click.Option) -> bool:
    return bool(option._flag_needs_value)


def _flags(command: click.Command, context: click.Context, word: str) -> Iterator[Candidate]:
    """Yield the long names of options, where the word begins as one."""
    if not word.startswith("-"):
        return
    for option in command.get_params(context):
        if isinstance(option, click.Option):
            for name in (*option.opts, *option.secondary_opts):
                if name.startswith("--") and not option.hidden:
                    yield Candidate(name, (option.help or "").partition(".")[0])


def _values(parameter: click.Parameter, path: str, rest: Sequence[str]) -> Iterator[Candidate]:
    """Yield the values that a parameter may have."""
    if isinstance(parameter.type, click.Choice):
        yield from (Candidate(str(each)) for each in parameter.type.choices)
        return
    metavar = (parameter.metavar or "").strip("[].").upper()
    if metavar == "PAGE":
        from datmo.cli.docs import SCHEMA, pages

        yield from (Candidate(name, title) for name, title in pages().items())
        yield Candidate(SCHEMA, "what --format json writes")
        return
    if metavar in _PATHS:
        yield _FILES
    elif path.startswith("config "):
        yield from _of_settings(metavar, rest)
    elif path == "task run" and isinstance(parameter, click.Argument):
        yield _FILES
    else:
        yield from _known(parameter, path, metavar)


def _of_settings(metavar: str, rest: Sequence[str]) -> Iterator[Candidate]:
    from datmo.core.settings import SETTINGS

    if metavar == "KEY":
        yield from (Candidate(name, each.help) for name, each in SETTINGS.items())
    elif rest and rest[-1] in SETTINGS:
        yield from (Candidate(word) for word in SETTINGS[rest[-1]].kind.words)


def _known(parameter: click.Parameter, path: str, metavar: str) -> Iterator[Candidate]:
    """Yield ids, labels and names from the project here; ids as short as tells them apart."""
    from datmo.cli.words import Shortened
    from datmo.engine.completing import known

    if "--entity" in parameter.opts:
        for kind in _ENTITIES:
            ids = known(kind, Path.cwd())
            short = str if kind == "session" else Shortened((name for name, _ in ids), 4)
            yield from (Candidate(f"{kind}/{short(name)}", about) for name, about in ids)
        return
    option = next((name for name in parameter.opts if name in _BY_OPTION), None)
    kinds: Sequence[str] = ()
    if option is not None:
        kinds = _BY_OPTION[option]
    elif metavar in ("ID", "ID_1", "ID_2", "NAME") or "--id" in parameter.opts or path.startswith("session "):
        kinds = _BY_COMMAND.get(path) or _BY_COMMAND.get(path.partition(" ")[0], ())
    for kind in kinds:
        found = known(kind, Path.cwd())
        shown = (
            (lambda name: name)
            if kind in ("session", "label")
            else Shortened((name for name, _ in found), 7 if kind in ("code", "files") else 4)
        )
        yield from (Candidate(shown(name), about) for name, about in found)
