"""`datmo snapshot diff`: what differs between two snapshots, or one and the folder as it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import asyncclick as click

from datmo.cli.base import Command, exclusive, format_option, opened
from datmo.cli.terminal import hint, paint, put, say
from datmo.cli.words import clean, size, value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datmo.core.differences import Difference, FileChange, TextChange, ValueChange

__all__ = ["COMMANDS", "patch_lines", "section", "value_line"]

_MARKS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow"), "mode": ("~", "yellow")}
_ID = 7


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
    if form == "json":
        from datmo.cli.documents import put_document

        await put_document(_document(found))
        return
    lines = _code_lines(found.code) if stat else list(_page(found))
    if patch:
        lines += [line for each in found.code for line in patch_lines(each)]
    if lines:
        await put("".join(f"{line}\n" for line in lines))
    if found.same:
        say("nothing has changed" if second is None else "nothing differs but their words")
    elif found.code and not (patch or stat):
        hint("`--code` shows the code's changes line by line")


def _page(found: Difference) -> Iterable[str]:
    for title, changes in (("config", found.config), ("stats", found.stats)):
        yield from section(title, [value_line(each) for each in changes])
    yield from section("files", [_file_line(each) for each in found.files])
    if found.environment is not None:
        yield from section("environment", [" → ".join(each[:_ID] for each in found.environment)])
        yield from [f"  {line}" for each in found.definitions for line in patch_lines(each)]
        yield from [f"  {value_line(each)}" for each in found.packages]
    yield from section("code", _code_lines(found.code))


def section(title: str, lines: list[str]) -> list[str]:
    """Return lines under a title; nothing where there are none."""
    return [paint(title, "bold"), *(f"  {line}" for line in lines)] if lines else []


def _marked(kind: str, text: str) -> str:
    mark, style = _MARKS[kind]
    return paint(f"{mark} {text}", style, sys.stdout)


def value_line(each: ValueChange) -> str:
    """Return a value that differs as a line."""
    shown = [value(side) for side in (each.before, each.after)]
    if each.kind == "added":
        return _marked(each.kind, f"{clean(each.key)}: {shown[1]}")
    if each.kind == "removed":
        return _marked(each.kind, f"{clean(each.key)}: {shown[0]}")
    grown = "" if each.delta is None else f" ({each.delta:+.4g}{_percent(each)})"
    return _marked(each.kind, f"{clean(each.key)}: {shown[0]} → {shown[1]}{grown}")


def _percent(each: ValueChange) -> str:
    return f", {each.delta / abs(each.before):+.1%}" if each.before and each.delta is not None else ""


def _file_line(each: FileChange) -> str:
    sizes = [size(count) for count in (each.size_before, each.size_after) if count is not None]
    return _marked(each.kind, f"{clean(each.path)}  {'permissions' if each.kind == 'mode' else ' → '.join(sizes)}")


def _code_lines(changes: Iterable[TextChange]) -> list[str]:
    return [_marked(each.kind, f"{clean(each.path)}  {_counted(each)}") for each in changes]


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
    return [paint(clean(line), styles.get(line[:1])) for line in each.patch.removesuffix("\n").split("\n")]


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
