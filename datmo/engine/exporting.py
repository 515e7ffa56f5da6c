"""`project.snapshots.export_archive`: snapshots with their history into one file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from datmo.core.event import Event
from datmo.engine.workspace import Workspace
from datmo.projections.all import SCHEMAS
from datmo.projections.content import CODE, ENVIRONMENTS, FILES
from datmo.projections.projection import Projection, Row

if TYPE_CHECKING:
    from datmo.capture.archive import ArchiveWriter
    from datmo.objects.meter import Meter

__all__ = ["Exported", "export_snapshots"]

_ENVIRONMENT = ("kind", "described", "definition", "dockerignore", "files", "packages", "platform", "hardware")


class Exported(NamedTuple):
    """An archive that was written.

    Attributes:
        path: where it is.
        snapshots: the ids of the snapshots in it.
        size: its size in bytes.
    """

    path: Path
    snapshots: tuple[str, ...]
    size: int


async def export_snapshots(workspace: Workspace, rows: Sequence[Row], path: Path, meter: Meter | None) -> Exported:
    """Write snapshots into an archive; see `datmo.capture.archive` for what it looks like.

    Parameters:
        workspace: the project.
        rows: the snapshots.
        path: the archive; nothing is there yet.
        meter: told the bytes that are to be written, and those that were.
    """
    async with workspace.storing():  # nothing of them is collected meanwhile
        history = [event for row in rows for event in await _history(workspace, row["id"])]
        contents: dict[str, Any] = {
            "project": workspace.project_id,
            "snapshots": [row["id"] for row in rows],
            "environments": await _content(workspace, ENVIRONMENTS, rows, "environment_id", _ENVIRONMENT),
            "code": await _content(workspace, CODE, rows, "code_id", ("tree", "base", "large", "own_repository")),
            "files": await _content(workspace, FILES, rows, "file_collection_id", ("count", "size")),
        }
        for data in contents["code"].values():
            data["own_repository"], data["notices"] = bool(data["own_repository"]), []
        await workspace.in_thread(lambda: _write(workspace, contents, history, path, meter))
    size = (await workspace.in_thread(path.stat)).st_size
    return Exported(path, tuple(contents["snapshots"]), size)


async def _history(workspace: Workspace, snapshot_id: str) -> list[Event]:
    """Return the events of a snapshot, from its creation on: where it was collected and came back, its last one."""
    from datmo.capture.archive_check import CREATED, EVENTS

    events = [event async for event in workspace.log.read(stream=f"snapshot/{snapshot_id}", types=EVENTS)]
    begins = [number for number, event in enumerate(events) if event.type == CREATED]
    return events[begins[-1] :]


async def _content(
    workspace: Workspace, projection: Projection, rows: Sequence[Row], column: str, names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    ids = sorted({row[column] for row in rows})
    found = [await workspace.query(lambda connection, each=each: projection.load(connection, each)) for each in ids]  # type: ignore[misc]
    return {row["id"]: {name: row[name] for name in names} for row in found if row is not None}


def _write(
    workspace: Workspace,
    contents: dict[str, Any],
    history: Sequence[Event],
    path: Path,
    meter: Meter | None,
) -> None:
    from datmo.capture.archive import ArchiveWriter
    from datmo.eventlog.codec import encode
    from datmo.objects.hashing import object_id

    store = workspace.store
    objects = {each: store.size(each) for each in sorted(_objects(workspace, contents, history))}
    git = {oid.hex(): kind for code_id in contents["code"] for oid, kind, _ in workspace.code.objects(code_id)}
    events = b"".join(encode(_line(event), sort_keys=True) + b"\n" for event in history)
    with ArchiveWriter(path) as archive:
        archive.contents({**contents, "objects": objects, "git": git, "events": object_id(events)}, events)
        _write_git(workspace, archive, contents)
        if meter is not None:
            meter.expect(sum(objects.values()))
        for each, size in objects.items():
            with store.open(each) as source:
                archive.object(each, source, size, meter)


def _write_git(workspace: Workspace, archive: ArchiveWriter, contents: dict[str, Any]) -> None:
    written: set[bytes] = set()
    for code_id in contents["code"]:
        for oid, _, data in workspace.code.objects(code_id):
            if oid not in written:
                written.add(oid)
                archive.git(oid.hex(), data)


def _objects(workspace: Workspace, contents: dict[str, Any], history: Sequence[Event]) -> Iterator[str]:
    from datmo.capture.manifest import Manifest

    for data in contents["environments"].values():
        yield from data["files"].values()
    for data in contents["code"].values():
        yield from (entry[1] for entry in data["large"])
    for event in history:
        if event.data.get("config_file"):
            yield event.data["config_file"][0]
    for collection_id in contents["files"]:
        yield collection_id
        yield from (entry.object for entry in Manifest.from_bytes(workspace.store.read(collection_id)).entries)


def _line(event: Event) -> dict[str, Any]:
    return {
        "stream": event.stream,
        "type": event.type,
        "schema": SCHEMAS.current(event.type),  # the data has been brought to it
        "data": event.data,
        "position": event.position,
        "id": event.id,
        "recorded_us": event.recorded_us,
        "actor": event.actor._asdict(),
    }
