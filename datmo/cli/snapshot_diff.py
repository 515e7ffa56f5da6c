"""`datmo snapshot diff`: what differs between two snapshots, or one and the folder as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncclick as click

from datmo.cli.base import Command, exclusive, format_option, opened
from datmo.cli.table import cut, extent
from datmo.cli.terminal import hint, paint, put, say, width
from datmo.cli.words import Shortened, ago, clean, harmless, size, value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from datmo.core.differences import Difference, FileChange, TextChange, ValueChange
    from datmo.core.entity.snapshot import Snapshot

__all__ = ["COMMANDS", "patch_lines", "section", "value_lines"]

_MARKS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow"), "mode": ("~", "yellow")}
_ID = 7
_INTERPRETER = "packages.txt"
_MARK = 2
_PATCH = 20
_PACKAGES = 10
"""How long the changes of an environment's definition may be, and how many packages are named."""


@click.command(
    "diff",
    cls=Command,
    examples=[
        "datmo snapshot diff 91cd",
        "datmo snapshot diff 91cd best",
        "datmo snapshot diff 91cd best --code",
        "datmo snapshot diff a1 b2 --stat",
    ],
)
@click.argument("first", metavar="ID_1")
@click.argument("second", metavar="[ID_2]", required=False)
@click.option("--code", "patch", is_flag=True, help="Show the code's changes line by line.")
@click.option("--stat", is_flag=True, help="Only count the lines that the code's changes have.")
@format_option("text")
async def diff(first: str, second: str | None, patch: bool, stat: bool, form: str) -> None:
    """Show what differs between two snapshots, or one and the folder: config, stats, files, environment and code."""
    exclusive(code=patch or None, stat=stat or None)
    async with opened() as project:
        found = await project.snapshots.diff(first, second)
        sides = [await project.snapshots.get(each) if each else None for each in (found.first, found.second)]
    if form == "json":
        from datmo.cli.documents import put_document

        await put_document(_document(found))
        return
    lines = _code_lines(found.code) if stat else list(_page(found))
    if patch:
        lines += section("patch", [line for each in found.code for line in patch_lines(each)], indent="")
    if not (stat or found.same):
        lines = [*_between(sides), "", *lines]
    if lines:
        await put("".join(f"{line}\n" for line in lines))
    if found.same:
        say("nothing has changed" if second is None else "nothing differs but their words")
    elif stat and not found.code:
        say("the code does not differ")
    elif found.code and not (patch or stat):
        hint("`--code` shows the code's changes line by line")


def _between(sides: Sequence[Snapshot | None]) -> list[str]:
    """Return which two are compared, a line each, behind the marks that their values have."""
    ids = Shortened(each.id for each in sides if each is not None)
    lines = []
    for kind, each in zip(("removed", "added"), sides, strict=True):
        if each is None:
            lines.append(_marked(kind, "the folder, as it is"))
        else:
            label = f" [{clean(each.label)}]" if each.label else ""
            words = f"{ids(each.id)}  {clean(each.message)}{label}, {ago(each.created_at)}"
            room = width()
            lines.append(_marked(kind, words if room is None else cut(words, max(room - _MARK, 1))))
    return lines


def _page(found: Difference) -> Iterable[str]:
    yield from section("config", value_lines(found.config, grown=False))
    yield from section("stats", value_lines(found.stats))
    yield from section("files", _file_lines(found.files))
    if found.environment is not None:
        yield from section("environment", _environment_lines(found, found.environment))
    yield from section("code", _code_lines(found.code))


def _environment_lines(found: Difference, environments: tuple[str, str]) -> list[str]:
    first, second = (each[:_ID] for each in environments)
    # That of an interpreter lists its packages, which are compared on their own.
    definitions = [each for each in found.definitions if not (found.packages and each.path == _INTERPRETER)]
    long = [each for each in definitions if each.patch.count("\n") > _PATCH]
    packages = value_lines(found.packages)
    lines = [f"{first} → {second}", *_code_lines(long)]
    lines += [line for each in definitions if each not in long for line in patch_lines(each)]
    lines += packages[:_PACKAGES]
    if len(packages) > _PACKAGES:
        lines.append(f"… and {len(packages) - _PACKAGES} packages more")
    if long or len(packages) > _PACKAGES:
        lines.append(f"`datmo environment diff {first} {second}` shows all of it")
    return lines


def section(title: str, lines: Sequence[str], *, indent: str = "  ") -> list[str]:
    """Return lines under a title; nothing where there are none."""
    return [paint(title, "bold"), *(indent + line for line in lines)] if lines else []


def _marked(kind: str, text: str) -> str:
    mark, style = _MARKS[kind]
    # Yellow is hard to read on white: of what is changed the mark alone has its colour.
    return f"{paint(mark, style)} {text}" if mark == "~" else paint(f"{mark} {text}", style)


def value_lines(changes: Sequence[ValueChange], *, grown: bool = True) -> list[str]:
    """Return values that differ, a line each, the values below one another.

    Parameters:
        changes: the values.
        grown: say by how much numbers grew, too.
    """
    keys = [clean(each.key) for each in changes]
    longest = max(map(extent, keys), default=0)
    return [
        _marked(each.kind, f"{key}{'':{longest - extent(key)}}  {_change(each)}{_grown(each) if grown else ''}")
        for key, each in zip(keys, changes, strict=True)
    ]


def _change(each: ValueChange) -> str:
    sides = {"added": (each.after,), "removed": (each.before,)}.get(each.kind, (each.before, each.after))
    return " → ".join(map(value, sides))


def _grown(each: ValueChange) -> str:
    if each.delta is None:
        return ""
    percent = f", {each.delta / abs(each.before):+.1%}" if each.before else ""
    return f"  ({each.delta:+.4g}{percent})"


def _file_lines(changes: Sequence[FileChange]) -> list[str]:
    told = []
    for each in changes:
        sizes = [size(count) for count in (each.size_before, each.size_after) if count is not None]
        told.append("permissions" if each.kind == "mode" else " → ".join(sizes))
    return _paths(changes, told)


def _code_lines(changes: Sequence[TextChange]) -> list[str]:
    return _paths(changes, [_counted(each) for each in changes])


def _paths(changes: Iterable[FileChange | TextChange], told: Sequence[str]) -> list[str]:
    """Return what is told of some files, below one another."""
    changes = list(changes)
    paths = [clean(each.path) for each in changes]
    longest = max(map(extent, paths), default=0)
    return [
        _marked(each.kind, f"{path}{'':{longest - extent(path)}}  {words}")
        for each, path, words in zip(changes, paths, told, strict=True)
    ]


def _counted(each: TextChange) -> str:
    if each.kind == "mode":
        return "mode"
    return "no text, or large" if each.added is None else f"+{each.added} -{each.removed}"


def patch_lines(each: TextChange) -> list[str]:
    """Return the lines in which a file differs."""
    if not each.patch:
        return [f"{clean(each.path)}: {_counted(each)}"]
    styles = {"+": "green", "-": "red", "@": "cyan"}
    # Line by line: a file may hold what steers a terminal.
    return [paint(harmless(line), styles.get(line[:1])) for line in each.patch.removesuffix("\n").split("\n")]


def _document(found: Difference) -> dict[str, Any]:
    from datmo.cli.documents import value_change

    document: dict[str, Any] = {"first": found.first, "second": found.second, "same": found.same}
    for name in ("config", "stats", "packages"):
        document[name] = [value_change(each) for each in getattr(found, name)]
    for name in ("files", "code", "definitions"):
        document[name] = [each._asdict() for each in getattr(found, name)]
    document["environment"] = None if found.environment is None else list(found.environment)
    return document


COMMANDS = (diff,)
"""What `datmo snapshot` takes from here."""
