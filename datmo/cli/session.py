"""`datmo session`: groups of tasks and snapshots."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

import asyncclick as click

from datmo.cli.base import Group, format_option, one_name, opened
from datmo.cli.table import Column, table
from datmo.cli.terminal import colourful, hint, put, say, width
from datmo.cli.words import Shortened, ago, clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datmo.core.entity.session import Session

__all__ = ["session", "session_table"]


@click.group(cls=Group)
async def session() -> None:
    """Group tasks and snapshots.

    New ones belong to the current session; the session `default` is there from the start.
    """


_given = click.argument("given", metavar="[NAME]", required=False)


@session.command("create", examples=["datmo session create sweeps", "datmo session create sweeps --no-current"])
@_given
@click.option("--name", "-m", help="The session's name.")
@click.option("--current/--no-current", default=True, show_default=True, help="Make it the current session.")
async def create(given: str | None, name: str | None, current: bool) -> None:
    """Create a session, and make it the current one."""
    name = one_name(given, name)
    async with opened() as project:
        made = await project.sessions.create(name, current=current)
    say(f"created session {clean(made.name)}" + (", which is now the current one" if made.current else ""))
    await put(f"{made.id}\n")
    if made.current:
        hint("`datmo session select default` goes back")
    else:
        hint(f"`datmo session select {quote(clean(made.name))}` makes it the current one")


@session.command("delete", examples=["datmo session delete sweeps"])
@_given
@click.option("--name", help="The session's name or id.")
async def delete(given: str | None, name: str | None) -> None:
    """Delete a session, which hides its tasks and snapshots."""
    name = one_name(given, name)
    async with opened() as project:
        current = await project.sessions.delete(name)
    say(f"deleted session {clean(name)}; the current one is {clean(current.name)}")
    hint(f"`datmo session undelete {quote(clean(name))}` brings it back, with what is in it")


@session.command("undelete", examples=["datmo session undelete sweeps"])
@_given
@click.option("--name", help="The session's name or id.")
async def undelete(given: str | None, name: str | None) -> None:
    """Bring a deleted session back, with its tasks and snapshots."""
    name = one_name(given, name)
    async with opened() as project:
        restored = await project.sessions.undelete(name)
    say(f"restored session {clean(restored.name)}")


@session.command("ls", examples=["datmo session ls", "datmo session ls --format json"])
@format_option()
async def ls(form: str) -> None:
    """List the sessions; the current one is marked with `*`."""
    async with opened() as project:
        found = await project.sessions.ls()
    if form == "json":
        from datmo.cli.documents import entity, put_list

        await put_list(entity(each) for each in found)
    else:
        await put(session_table(found))


@session.command("select", examples=["datmo session select default"])
@_given
@click.option("--name", help="The session's name or id.")
async def select(given: str | None, name: str | None) -> None:
    """Make a session the current one."""
    name = one_name(given, name)
    async with opened() as project:
        current = await project.sessions.select(name)
    say(f"the current session is {clean(current.name)}")


def session_table(found: Sequence[Session]) -> str:
    """Return sessions as a table."""
    ids = Shortened(each.id for each in found)
    columns = [
        Column("", optional=True),
        Column("id", styles={"": "cyan"}),
        Column("name", flexible=True),
        Column("tasks", right=True),
        Column("snapshots", right=True),
        Column("created"),
    ]
    rows = [
        [
            "*" if each.current else "",
            ids(each.id),
            clean(each.name),
            str(each.tasks),
            str(each.snapshots),
            ago(each.created_at),
        ]
        for each in found
    ]
    return table(columns, rows, width=width(), colour=colourful())
