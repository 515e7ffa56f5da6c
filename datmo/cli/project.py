"""`datmo init`, `status`, `cleanup` and `version`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncclick as click

from datmo.cli import overview
from datmo.cli.base import Command, format_option, opened
from datmo.cli.terminal import ask, hint, interactive, notice, put, say
from datmo.cli.words import Shortened, ago, amount, clean
from datmo.errors import ProjectNotFound, Refused

if TYPE_CHECKING:
    from datmo.core.differences import TreeChanges
    from datmo.engine.entities import Snapshot, Task
    from datmo.engine.project import Status

__all__ = ["cleanup", "init", "status", "version"]

_ID = 7
_NAMED = 4
"""How many things that have changed are named in a line."""


@click.command(cls=Command, examples=["datmo version", "datmo version --format json"])
@format_option("text")
async def version(form: str) -> None:
    """Show the version of Datmo."""
    if form == "json":
        from datmo.cli.documents import put_document

        await put_document(overview.version_document())
    else:
        await put(overview.version_line() + "\n")


@click.command(cls=Command, examples=['datmo init --name iris --description "first steps"', "datmo init"])
@click.option("--name", "-n", help="The project's name.  [default: the folder's]")
@click.option("--description", help="What it is for; may be empty.")
async def init(name: str | None, description: str | None) -> None:
    """Make this folder a project.

    In a folder that is one already, change its name and description: the id and everything recorded stay. On a terminal
    a name that is missing is asked for.
    """
    from anyio.to_thread import run_sync

    from datmo.engine.project import init as initialize

    here = await run_sync(Path.cwd)
    known = await _is_project(here)
    if name is None and not known and interactive():
        name = await ask(f"Name of the project [{here.name}]:") or None
    async with initialize(name=name, description=description, notice=notice) as project:
        found = await project.status()
    done = "is" if known else "is now"
    say(f"{found.home} {done} the project {clean(found.name)}")
    await put(f"{found.id}\n")
    hint('`datmo task run "python train.py"` runs and records a command')


async def _is_project(folder: Path) -> bool:
    from datmo.engine.project import open_project

    try:
        async with open_project(folder):
            return True
    except ProjectNotFound:
        return False


@click.command(cls=Command, examples=["datmo status", "datmo status --format json", "datmo status --no-changes"])
@click.option("--changes/--no-changes", default=True, help="Also look what has changed since the current snapshot.")
@format_option("text")
async def status(changes: bool, form: str) -> None:
    """Show the project, its session, which snapshot the folder is and what has changed since, and what runs."""
    async with opened() as project:
        found = await project.status(changes=changes)
    if form == "json":
        await _put_json(found)
    else:
        await put("".join(f"{name:<10} {text}".rstrip() + "\n" for name, text in _lines(found)))
        if any(task.unattended for task in found.running):
            from datmo.cli.task import hint_at_unattended

            hint_at_unattended(found.running)


def _lines(found: Status[Snapshot, Task]) -> list[tuple[str, str]]:
    lines = [("project", f"{clean(found.name)} ({found.id})")]
    if found.description:
        lines.append(("", clean(found.description)))
    lines += [("folder", str(found.home)), ("session", clean(found.session.name))]
    current = "none yet" if not found.snapshots else "none: no snapshot was made of this folder itself"
    if found.snapshot is not None:
        label = f" [{clean(found.snapshot.label)}]" if found.snapshot.label else ""
        when = ago(found.snapshot.created_at)
        current = f"{Shortened([found.snapshot.id])(found.snapshot.id)}  {clean(found.snapshot.message)}{label}, {when}"
    lines.append(("current", current))
    lines += _changes(found.changes) if found.changes is not None else []
    lines.append(("has", f"{amount(found.snapshots, 'snapshot')}, {amount(found.tasks, 'task')}"))
    ids = Shortened(task.id for task in found.running)
    for i, task in enumerate(found.running):
        left = " (unattended)" if task.unattended else ""
        lines.append(("" if i else "running", f"{ids(task.id)}  {clean(task.command)}, {ago(task.created_at)}{left}"))
    return lines


def _changes(found: TreeChanges) -> list[tuple[str, str]]:
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
    return [("" if i else "changed", line) for i, line in enumerate(said)]


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


@click.command(cls=Command, examples=["datmo cleanup", "datmo cleanup --yes"])
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
async def cleanup(yes: bool) -> int | None:
    """Remove the project: everything that Datmo has stored of it. Your own files stay.

    What goes is listed first. On a terminal you are asked, elsewhere nothing is removed without --yes.
    """
    from datmo.engine.project import cleanup as remove

    async with opened() as project:
        plan = await project.cleanup_plan()
        home = project.home
    await put("".join(f"{line}\n" for line in plan))
    if not yes:
        if not interactive():
            raise Refused("nothing was removed: nobody is here to be asked", hint="`datmo cleanup --yes` does not ask")
        if (await ask("Remove all this? [y/N]")).lower() not in ("y", "yes"):
            say("nothing was removed")
            return 1
    await remove(home, notice=notice)
    say("removed")
    return None
