"""`project.snapshots.import_archive`: snapshots out of an archive that anybody may have made.

Everything is checked before anything is recorded: what the archive says of itself, every hash, every reference. Objects
come first, and are garbage for `gc` where the rest turns out to be wrong; then one append records all of it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from datmo.core.event import NewEvent
from datmo.engine.workspace import Workspace, command
from datmo.errors import ArchiveError, CodeError, ObjectDamaged
from datmo.eventlog.streams import version_of
from datmo.projections import snapshots, tasks
from datmo.projections.all import SCHEMAS
from datmo.projections.content import CODE, ENVIRONMENTS, FILES
from datmo.projections.projection import Projection

if TYPE_CHECKING:
    from datmo.capture.archive import ArchiveReader
    from datmo.capture.archive_check import Bundle
    from datmo.objects.meter import Meter

__all__ = ["import_snapshots"]


class _Here(NamedTuple):
    """What the project knows of what an archive holds.

    Attributes:
        known: the snapshots that are here already.
        versions: how many events the stream of each of the others has.
        tasks: the tasks of snapshots that are here.
        content: the environments, code and file collections that are here.
    """

    known: set[str]
    versions: dict[str, int]
    tasks: set[str]
    content: set[str]


async def import_snapshots(
    workspace: Workspace, path: Path, session_id: str, meter: Meter | None
) -> tuple[list[str], list[str]]:
    """Import an archive; returns the ids of the snapshots that are new, and of those that were here already.

    Parameters:
        workspace: the project.
        path: the archive.
        session_id: the session that they belong to here.
        meter: told the bytes that are to be read, and those that were.
    """
    from datmo.capture.archive import ArchiveReader

    async with workspace.storing():
        archive = await workspace.in_thread(lambda: ArchiveReader(path, workspace.folder))
        try:
            bundle = await workspace.in_thread(lambda: _bundle(archive))
            here = await workspace.query(lambda connection: _look(connection, bundle))
            if here.known < set(bundle.snapshots):
                await workspace.in_thread(lambda: _store_objects(workspace, archive, bundle, meter))
                codes = await workspace.in_thread(lambda: _store_code(workspace, archive, bundle))
                here = await workspace.query(lambda connection: _look(connection, bundle, codes))
                with command():
                    await workspace.log.append(
                        *_content_events(bundle, here, codes),
                        *_history(bundle, here, codes, session_id),
                        expected={f"snapshot/{each}": version for each, version in here.versions.items()},
                    )
        finally:
            await workspace.in_thread(archive.__exit__)
    return (
        [each for each in bundle.snapshots if each not in here.known],
        [each for each in bundle.snapshots if each in here.known],
    )


def _bundle(archive: ArchiveReader) -> Bundle:
    from datmo.capture.archive_check import read_bundle

    def upcast(event_type: str, schema: int, data: dict[str, Any]) -> dict[str, Any] | None:
        return SCHEMAS.upcast(event_type, schema, data) if SCHEMAS.knows(event_type, schema) else None

    return read_bundle(archive, upcast)


def _look(connection: sqlite3.Connection, bundle: Bundle, codes: dict[str, str] | None = None) -> _Here:
    rows = {each: snapshots.SNAPSHOTS.load(connection, each) for each in bundle.snapshots}
    # One that was collected may come back.
    known = {each for each, row in rows.items() if row is not None and row["deleted"] < snapshots.COLLECTED}
    named = {event["data"].get("task_id") for event in bundle.events} - {None}
    content: set[str] = set()
    views: list[tuple[Projection, Any]] = [
        (ENVIRONMENTS, bundle.environments),
        (FILES, bundle.files),
        (CODE, (codes or {}).values()),
    ]
    for projection, ids in views:
        for each in ids:
            row = projection.load(connection, each)
            if row is not None and not row["deleted"]:
                content.add(each)
    return _Here(
        known=known,
        versions={each: version_of(connection, f"snapshot/{each}") for each in bundle.snapshots if each not in known},
        tasks={each for each in named if tasks.TASKS.load(connection, each) is not None},
        content=content,
    )


def _store_objects(workspace: Workspace, archive: ArchiveReader, bundle: Bundle, meter: Meter | None) -> None:
    from datmo.objects.batch import SMALL

    there = workspace.store.has(bundle.objects)
    if meter is not None:
        meter.expect(sum(bundle.objects.values()))
    try:
        with workspace.store.batch() as batch:
            for object_id, size in bundle.objects.items():
                if object_id in there:
                    pass
                elif size > SMALL:
                    batch.add_pieces(archive.chunks(f"objects/{object_id}"), object_id)
                elif batch.add(archive.read(f"objects/{object_id}")) != object_id:
                    raise ObjectDamaged(f"object {object_id} does not have the hash that it should have")
                if meter is not None:
                    meter(size)
    except ObjectDamaged as error:
        raise ArchiveError(f"the archive cannot be imported: {error}") from error


def _store_code(workspace: Workspace, archive: ArchiveReader, bundle: Bundle) -> dict[str, str]:
    from datmo.capture.archive_check import large_files
    from datmo.capture.code_capture import CodeCapture

    def read(oid: bytes) -> tuple[str, bytes] | None:
        kind = bundle.git.get(oid.hex())
        if kind is None:
            return None
        data = archive.read(f"git/{oid.hex()}")
        return kind, data

    codes = {
        each: CodeCapture(each, data["tree"], data["base"], large_files(data), data["own_repository"], ())
        for each, data in bundle.code.items()
    }
    try:
        return workspace.code.bring(codes, bundle.git, read)
    except CodeError as error:
        raise ArchiveError(f"the archive cannot be imported: {error}") from error


def _content_events(bundle: Bundle, here: _Here, codes: dict[str, str]) -> list[NewEvent]:
    """Return the events that record content which is new here."""
    events = {
        f"environment/{each}": NewEvent(f"environment/{each}", "environment.created", data)
        for each, data in bundle.environments.items()
        if each not in here.content
    }
    for each, data in bundle.code.items():
        if codes[each] not in here.content:
            events[f"code/{codes[each]}"] = NewEvent(f"code/{codes[each]}", "code.captured", data)
    for each, data in bundle.files.items():
        if each not in here.content:
            events[f"files/{each}"] = NewEvent(f"files/{each}", "files.stored", data)
    return list(events.values())


def _history(bundle: Bundle, here: _Here, codes: dict[str, str], session_id: str) -> list[NewEvent]:
    """Return the events of the snapshots that are new here: as they were, and where and when that was."""
    events = []
    for event in bundle.events:
        if event["stream"].removeprefix("snapshot/") in here.known:
            continue
        data = dict(event["data"])
        origin = {name: event[name] for name in ("position", "id", "recorded_us", "actor")}
        origin["project"] = bundle.project
        if "code_id" in data:  # its creation
            origin |= {name: data[name] for name in ("session_id", "task_id", "code_id")}
            data["session_id"] = session_id
            data["code_id"] = codes[data["code_id"]]
            data["task_id"] = data["task_id"] if data["task_id"] in here.tasks else None
        events.append(NewEvent(event["stream"], event["type"], {**data, "imported": origin}))
    return events
