"""`datmo log`: what happened, when, and what the project looked like then."""

from __future__ import annotations

import sys
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

import asyncclick as click

from datmo.cli.bar import bar
from datmo.cli.base import Group, effective_limit, format_option, limit_option, opened, time_of
from datmo.cli.table import Column, table
from datmo.cli.terminal import colourful, hint, paint, put, put_json, say, width
from datmo.cli.words import Shortened, ago, amount, clean, values

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from datmo.core.event import Event
    from datmo.engine.log import AsOf

__all__ = ["log"]

_LAST = 2**62
"""Behind every position that a log can have."""


def _position(text: str) -> int:
    if not text.isdecimal():
        raise click.BadParameter(f"{text!r} is no position: give a number")
    return min(int(text), _LAST)


def _position_or_time(text: str) -> int | datetime:
    return _position(text) if text.isdecimal() else time_of(text)


_entity = click.option(
    "--entity", metavar="KIND/ID", help="Only events of one entity, such as snapshot/91cd; or of a kind, such as task."
)
_types = click.option(
    "--type",
    "types",
    metavar="TYPE",
    multiple=True,
    help="Only these, such as task.started or task.*; may be repeated.",
)


@click.group(cls=Group)
async def log() -> None:
    """Read the event log: every fact about the project, in the order in which it happened."""


@log.command(
    "ls",
    examples=[
        "datmo log ls --entity snapshot/91cd",
        "datmo log ls --type 'task.*' --since 2h",
        "datmo log ls --format json --reverse",
    ],
)
@_entity
@_types
@click.option(
    "--since", type=time_of, metavar="TIME", help="Only from then on: ISO 8601 (UTC without a zone), or 2h, 3d for ago."
)
@click.option("--until", type=time_of, metavar="TIME", help="Only up to then.")
@limit_option("events")
@click.option("--reverse", is_flag=True, help="Oldest first.")
@format_option()
async def ls(
    *,
    entity: str | None,
    types: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    reverse: bool,
    form: str,
) -> None:
    """List events, newest first."""
    wanted = effective_limit(limit, form)
    async with opened() as project:
        stream = await project.log.stream(entity) if entity else None
        # One more than wanted, to know whether there are more.
        events = project.log.read(
            stream=stream,
            types=types,
            since=since,
            until=until,
            backward=wanted is not None or not reverse,
            limit=None if wanted is None else wanted + 1,
        )
        if wanted is None and form == "json":
            await _stream_json(events)
            return
        found = [event async for event in events]
    more, found = len(found) > (wanted or len(found)), found[:wanted]
    if reverse and wanted is not None:
        found.reverse()
    await _put_events(found, form)
    if more:
        say(f"showing the newest {len(found)}; --limit 0 shows all")
        hint(f"`datmo log show {found[0].position}` shows all of one")


async def _stream_json(events: AsyncIterator[Event]) -> None:
    from datmo.cli.documents import event, stream_list

    async with aclosing(events) as reading:  # type: ignore[type-var]
        await stream_list(event(each) async for each in reading)


async def _put_events(found: Sequence[Event], form: str) -> None:
    if form == "json":
        from datmo.cli.documents import event, put_list

        await put_list(event(each) for each in found)
    elif found:
        await put(event_table(found))
    else:
        say("no events fit")


def event_table(found: Sequence[Event]) -> str:
    """Return events as a table."""
    ids = {kind: Shortened(_id_of(each) for each in found if _kind_of(each) == kind) for kind in map(_kind_of, found)}
    columns = [
        Column("position", right=True),
        Column("recorded", spare=1),
        Column("type", styles={"": "cyan"}),
        Column("entity"),
        Column("data", flexible=True),
    ]
    rows = [
        [
            str(each.position),
            ago(each.recorded_at),
            clean(each.type),
            clean(f"{_kind_of(each)}/{ids[_kind_of(each)](_id_of(each))}"),
            _data(each),
        ]
        for each in found
    ]
    return table(columns, rows, width=width(), colour=colourful())


def _data(event: Event) -> str:
    """Return what an event says, in a line: without what is empty, and what only recovery goes by."""
    return values({name: each for name, each in event.data.items() if each not in _NOTHING and name not in _CURSORS})


_NOTHING: tuple[object, ...] = (None, {}, [])
_CURSORS = {"inode", "start", "end", "started_us", "ended_us"}
"""How far output and outbox were read, and the times that `recorded` shows as well; `log show` has them."""


def _kind_of(event: Event) -> str:
    return event.stream.partition("/")[0]


def _id_of(event: Event) -> str:
    return event.stream.partition("/")[2]


@log.command("show", examples=["datmo log show 17", "datmo log show 17 --format json"])
@click.argument("position", type=_position)
@format_option("text")
async def show(position: int, form: str) -> None:
    """Show all of the event at a position: who recorded it, when, and its data."""
    async with opened() as project:
        found = await project.log.get(position)
        payload = await project.log.payload(position)
    if form == "json":
        from datmo.cli.documents import event, put_document

        await put_document(event(found) | {"payload_size": None if payload is None else len(payload)})
    else:
        from datmo.cli.pages import event_page

        await put(event_page(found, payload))


@log.command("follow", examples=["datmo log follow --type 'task.*'", "datmo log follow --format json | jq .type"])
@_entity
@_types
@click.option("--after", type=_position, metavar="POSITION", help="Begin behind it.  [default: the end]")
@format_option("text", lines=True)
async def follow(entity: str | None, types: tuple[str, ...], after: int | None, form: str) -> None:
    """Show events as any process records them, until Ctrl-C; as JSON, one document a line."""
    from datmo.cli.documents import event, line

    async with opened() as project:
        stream = await project.log.stream(entity) if entity else None
        async with aclosing(project.log.follow(after=after, stream=stream, types=types)) as events:  # type: ignore[type-var]
            async for each in events:
                if form == "json":
                    await put_json(line(event(each)) + "\n")
                else:
                    entity_id = f"{_kind_of(each)}/{Shortened([_id_of(each)])(_id_of(each))}"
                    time_of_day = f"{each.recorded_at.astimezone():%H:%M:%S}"
                    text = f"{each.position}  {time_of_day}  {clean(each.type)}  {clean(entity_id)}  {_data(each)}"
                    await put(text.rstrip() + "\n")


@log.command("verify", examples=["datmo log verify"])
@format_option("text")
async def verify(form: str) -> int:
    """Check every stored byte: the chain of hashes, the payloads, and the head noted in git.

    The exit code is 1 where something is wrong.
    """
    async with opened() as project:
        with bar("verifying", "events") as progress:
            report = await project.log.verify(progress=progress)
    if form == "json":
        from datmo.cli.documents import put_document

        problems = [problem._asdict() for problem in report.problems]
        await put_document(report._asdict() | {"problems": problems, "ok": report.ok})
    else:
        done = "verified" if report.ok else "checked"
        erased = f", {report.erased} erased on purpose" if report.erased else ""
        checked = f"{amount(report.events, 'event')}, chain and {amount(report.payloads, 'payload')} {done}{erased}\n"
        for problem in report.problems:
            where = "somewhere" if problem.position is None else f"position {problem.position}"
            checked += f"{where}: {problem.reason}\n"
        await put(checked + f"head {report.position} {report.hash}\n")
    if not report.ok:
        say(f"{paint('error:', 'red', sys.stderr)} the log is not as it was written", always=True)
        hint("a backup of .datmo/log.db may have it as it was", always=True)
        return 1
    if form != "json":
        hint("noted elsewhere, the head seals everything up to it")
    return 0


@log.command("replay", examples=["datmo log replay", "datmo log replay --to 17", "datmo log replay --to 2h"])
@click.option(
    "--to", "moment", type=_position_or_time, metavar="POSITION|TIME", help="Show the project as it was then."
)
@format_option("text")
async def replay(moment: int | datetime | None, form: str) -> int:
    """Build all views anew from the log, beside the live ones, and compare.

    With --to show sessions, snapshots and tasks as they were at a position or a time. Nothing is changed. The exit code
    is 1 where the views differ.
    """
    if moment is not None:
        async with opened() as project:
            with bar("replaying", "events") as progress:
                then = await project.log.as_of(moment, progress=progress)
        await _put_as_of(then, form)
        return 0
    began = time.perf_counter()
    async with opened() as project:
        with bar("replaying", "events") as progress:
            report = await project.log.replay(progress=progress)
    took = time.perf_counter() - began
    if form == "json":
        from datmo.cli.documents import put_document

        await put_document(report._asdict() | {"duration": round(took, 6), "same": not report.different})
    else:
        outcome = f"these differ from the live ones: {', '.join(report.different)}" if report.different else ""
        await put(f"views rebuilt from {amount(report.events, 'event')} in {took:.1f} s, ")
        await put(f"{outcome or 'equal to the live ones'}\n")
    for event_type, count in report.unknown.items():
        say(f"passed over {amount(count, 'event')} of type {clean(event_type)}, which this version does not know")
    return 1 if report.different else 0


async def _put_as_of(then: AsOf, form: str) -> None:
    if form == "json":
        from datmo.cli.documents import entity, put_document

        document = {
            "position": then.position,
            "name": then.name,
            "sessions": [entity(each) for each in then.sessions],
            "snapshots": [entity(each) for each in then.snapshots],
            "tasks": [entity(each) for each in then.tasks],
        }
        await put_document(document)
        return
    from datmo.cli.session import session_table
    from datmo.cli.snapshot import snapshot_table
    from datmo.cli.task import task_table

    parts = [f"{clean(then.name) or 'no project yet'}, as of position {then.position}\n"]
    if then.sessions:
        parts.append(f"\nsessions\n{session_table(then.sessions)}")
    if then.snapshots:
        parts.append(f"\nsnapshots\n{snapshot_table(then.snapshots, then.sessions)}")
    if then.tasks:
        parts.append(f"\ntasks\n{task_table(then.tasks, then.sessions)}")
    await put("".join(parts))
