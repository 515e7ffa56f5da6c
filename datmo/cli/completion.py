"""`datmo completion`, and the answers to a shell that completes a word."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress

import asyncclick as click

from datmo.cli import overview
from datmo.cli.base import Command, Root
from datmo.cli.completion_values import BY_PARAMETER, Candidate, Source, Typed
from datmo.cli.shells import SCRIPTS
from datmo.cli.terminal import hint, put

__all__ = ["answer", "candidates", "completion", "source_of"]


_FILES = Candidate("", kind="file")


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
    words = [_meant(word) for word in words]
    for each in candidates(words):
        line = (each.kind, each.value.removeprefix(prefix), each.about)
        print("\t".join(" ".join(part.split()) for part in line).encode("utf-8", "replace").decode())


def _meant(word: str) -> str:
    """Return what a word that may be quoted, or half of a quoted one, means to a shell."""
    if not any(mark in word for mark in "'\"\\"):
        return word
    for end in ("", "'", '"'):  # the closing quote may not be typed yet
        with suppress(ValueError):
            return "".join(shlex.split(word + end))
    return word


def _joined(words: Sequence[str]) -> tuple[list[str], str]:
    """Return words as they were typed, where bash has split them at `=` and `:`, and what it does not hear again."""
    joined: list[str] = []
    last = ""
    for word in words:
        before = joined[-1] if joined else ""
        option = before.startswith("--") and (word == "=" or before.endswith("="))
        if option or (before and (word == ":" or (last == ":" and before.endswith(":")))):
            joined[-1] += word
        else:
            joined.append(word)
        last = word
    whole = joined[-1] if joined else ""
    known = whole if last in ("=", ":") else whole.removesuffix(last)
    return joined, known


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
        found = _values(options[name], path, Typed(word.removeprefix(f"{name}="), rest))
        yield from (each._replace(value=f"{name}={each.value}") for each in found)
        return
    if waiting is not None:
        yield from _values(waiting, path, Typed(word, rest))
        if not _may_be_empty(waiting):
            return
    yield from _flags(command, context, word)
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    places = [each for each in arguments for _ in range(1 if each.nargs == 1 else 99)]
    if positionals < len(places) and not word.startswith("-"):
        yield from _values(places[positionals], path, Typed(word, rest))


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


def _values(parameter: click.Parameter, path: str, typed: Typed) -> Iterator[Candidate]:
    """Yield the values that a parameter may have."""
    if isinstance(parameter.type, click.Choice):
        lower = not parameter.type.case_sensitive and typed.word[:1].islower()
        yield from (Candidate(str(each).lower() if lower else str(each)) for each in parameter.type.choices)
        return
    source = source_of(parameter, path)
    if source is not None:
        yield from source(typed)


def source_of(parameter: click.Parameter, path: str) -> Source | None:
    """Return what offers a parameter's values; None where it takes free text.

    Parameters:
        parameter: an option, or an argument.
        path: the command that has it, such as `snapshot ls`.
    """
    metavar = (parameter.metavar or parameter.name or "").strip("[].").upper()
    names = [name for name in parameter.opts if name.startswith("--")]
    for key in (*names, metavar):
        for front in (f"{path} ", f"{path.partition(' ')[0]} ", ""):
            if (source := BY_PARAMETER.get(front + key)) is not None:
                return source
    return None
