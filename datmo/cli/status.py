"""`datmo status`: where one is, what has changed, what runs and what came of the last tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import asyncclick as click

from datmo.cli.base import Command, format_option, opened
from datmo.cli.table import Column, table, wrapped
from datmo.cli.task_control import STATUS_STYLES, hint_at_unattended
from datmo.cli.terminal import colourful, hint, paint, put, width
from datmo.cli.words import Shortened, ago, amount, clean, values

if TYPE_CHECKING:
    from datmo.core.differences import TreeChanges
    from datmo.engine.entities import Snapshot, Task
    from datmo.engine.project import Status

__all__ = ["status"]

_ID = 7
_NAMED = 4
"""How many things that have changed are named in a line."""
_SHOWN = 10
"""How many tasks that run have a line."""
_MARGIN = 11
_UNATTENDED = "(unattended)"


@click.command(cls=Command, examples=["datmo status", "datmo status --format json", "datmo status --no-changes"])
@click.option("--changes/--no-changes", default=True, help="Also look what has changed since the current snapshot.")
@format_option("text")
async def status(changes: bool, form: str) -> None:
    """Show the project, its session, which snapshot the folder is, what has changed since, what runs and ran last."""
    async with opened() as project:
        found = await project.status(changes=changes)
    if form == "json":
        await _put_json(found)
        return
    await put("".join(f"{line}\n" for line in _page(found)))
    hint_at_unattended(found.running)
    if not found.tasks and not found.snapshots:
        hint('`datmo task run "python train.py"` runs and records a command')
    elif found.changes is not None and not found.changes.same:
        current = found.snapshot and Shortened([found.snapshot.id])(found.snapshot.id)
        hint(f"`datmo snapshot diff {current}` shows what has changed")
        hint('`datmo snapshot create -m "…"` keeps it')


def _page(found: Status[Snapshot, Task]) -> list[str]:
    lines = [
        *_line("project", f"{clean(found.name)} ({found.id})"),
        *(_line("", clean(found.description)) if found.description else []),
        *_line("folder", clean(str(found.home))),
        *_line("session", clean(found.session.name)),
        *_line("current", _current(found)),
    ]
    if found.changes is not None:
        for i, line in enumerate(_changes(found.changes)):
            lines += _line("" if i else "changed", line)
    lines += _line("has", f"{amount(found.snapshots, 'snapshot')}, {amount(found.tasks, 'task')}")
    running = [task for task in found.running if task.status == "RUNNING"]
    waiting = len(found.running) - len(running)
    lines += _tasks("running", running) if running else []
    if waiting:
        lines += _line("waiting", amount(waiting, "task"))
    return lines + (_tasks("ended", found.ended) if found.ended else [])


def _current(found: Status[Snapshot, Task]) -> str:
    if found.snapshot is None:
        return "none: no snapshot was made of this folder itself" if found.snapshots else "none yet"
    label = f" [{clean(found.snapshot.label)}]" if found.snapshot.label else ""
    said = Shortened([found.snapshot.id])(found.snapshot.id)
    return f"{said}  {clean(found.snapshot.message)}{label}, {ago(found.snapshot.created_at)}"


def _line(name: str, text: str) -> list[str]:
    """Return a line, in as many as the terminal needs for it."""
    space = width()
    first, *more = [text] if space is None else wrapped(text, max(space - _MARGIN, 1))
    return [_begun(name, first), *(" " * _MARGIN + line for line in more)]


def _begun(name: str, text: str) -> str:
    return f"{paint(f'{name:<{_MARGIN - 1}}', 'bold')} {text}".rstrip()


def _tasks(name: str, tasks: Sequence[Task]) -> list[str]:
    """Return a line for each of some tasks: its id, how it is and since when, its command, and what came of it."""
    ids = Shortened(task.id for task in tasks)
    columns = [
        Column("id", styles={"": "cyan"}),
        Column("status", optional=True, styles=STATUS_STYLES | {_UNATTENDED: "red"}),
        Column("when"),
        Column("command", flexible=True, spare=1 if any(task.results for task in tasks) else 0),
        Column("results", flexible=True, optional=True),
    ]
    rows = [
        [
            ids(task.id),
            task.status if task.ended else _UNATTENDED if task.unattended else "",
            ago(task.end_time or task.start_time or task.created_at),
            clean(task.command),
            values(task.results),
        ]
        for task in tasks[:_SHOWN]
    ]
    space = width()
    room = None if space is None else max(space - _MARGIN, 1)
    _, *shown = table(columns, rows, width=room, colour=colourful()).splitlines()
    lines = [_begun("" if i else name, line) for i, line in enumerate(shown)]
    return lines + (_line("", f"and {len(tasks) - _SHOWN} more") if len(tasks) > _SHOWN else [])


def _changes(found: TreeChanges) -> list[str]:
    """Return what has changed since the current snapshot, a kind of thing a line."""
    parts = [
        ("code", [(each.kind, each.path) for each in found.code]),
        ("files", [(each.kind, each.path) for each in found.files]),
        ("config", [(each.kind, each.key) for each in found.config]),
    ]
    said = [f"{name}: {_named(changes)}" for name, changes in parts if changes]
    if found.environment is not None:
        said.append("environment: " + " → ".join(each[:_ID] for each in found.environment))
    said += [clean(notice) for notice in found.notices]
    if found.same:
        said.insert(0, "nothing that could be compared" if found.notices else "nothing")
    return said


def _named(changes: list[tuple[str, str]]) -> str:
    marks = {"added": "+", "removed": "-"}
    named = ", ".join(f"{marks.get(kind, '~')} {clean(name)}" for kind, name in changes[:_NAMED])
    return f"{named} and {len(changes) - _NAMED} more" if len(changes) > _NAMED else named


async def _put_json(found: Status[Snapshot, Task]) -> None:
    from datmo.cli.documents import entity, put_document

    document = found._asdict() | {
        "home": str(found.home),
        "session": entity(found.session),
        "snapshot": None if found.snapshot is None else entity(found.snapshot, current=True),
        "running": [entity(task) for task in found.running],
        "ended": [entity(task) for task in found.ended],
        "changes": None if found.changes is None else _changes_document(found.changes),
    }
    await put_document(document)


def _changes_document(found: TreeChanges) -> dict[str, Any]:
    from datmo.cli.documents import value_change

    lists = {name: [each._asdict() for each in getattr(found, name)] for name in ("code", "files")}
    environment = None if found.environment is None else list(found.environment)
    return {
        "same": found.same,
        **lists,
        "config": [value_change(each) for each in found.config],
        "environment": environment,
        "notices": list(found.notices),
    }
