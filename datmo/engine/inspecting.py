"""Everything that is known of one entity, as plain values for people and programs."""

from __future__ import annotations

import sqlite3
from dataclasses import fields
from typing import Any

from datmo.core.entity.snapshot import Snapshot
from datmo.core.entity.task import Task
from datmo.engine.workspace import Workspace
from datmo.projections import metrics, snapshots, tasks
from datmo.projections.content import CODE, ENVIRONMENTS, FILES
from datmo.projections.projection import Row

__all__ = ["inspect_snapshot", "inspect_task"]


async def inspect_snapshot(workspace: Workspace, row: Row) -> dict[str, Any]:
    """Return a snapshot's attributes, and what its ids stand for."""
    return {
        **_attributes(snapshots.entity(row, workspace.project_id)),
        "config_path": row["config_path"],
        "stats_path": row["stats_path"],
        **await _contents(workspace, row),
    }


async def inspect_task(workspace: Workspace, row: Row, *, unattended: bool) -> dict[str, Any]:
    """Return a task's attributes, and what its ids stand for.

    Parameters:
        workspace: the project.
        row: the task's row.
        unattended: whether it was seen to have no supervisor, which no event says.
    """
    found = tasks.entity(row, workspace.project_id, unattended=unattended)
    return {
        **_attributes(found),
        "duration": found.duration,
        "argv": row["argv"],
        "executor_reason": row["executor_reason"],
        "options": row["options"],
        "output_size": await workspace.query(lambda connection: tasks.output_of(connection, row["id"])[1]),
        "output_limited": bool(row["output_limited"]),
        "metrics": await workspace.query(lambda connection: metrics.of_task(connection, row["id"])),
        **await _contents(workspace, row),
    }


def _attributes(entity: Snapshot | Task) -> dict[str, Any]:
    return {each.name: getattr(entity, each.name) for each in fields(entity)}


async def _contents(workspace: Workspace, row: Row) -> dict[str, Any]:
    """Return what the ids of code, environment and files stand for."""

    def load(connection: sqlite3.Connection) -> tuple[Row | None, Row | None, Row | None]:
        return (
            CODE.load(connection, row["code_id"]),
            ENVIRONMENTS.load(connection, row["environment_id"]),
            FILES.load(connection, row["file_collection_id"] or ""),
        )

    code, environment, files = await workspace.query(load)
    return {
        "code": {
            "id": row["code_id"],
            "tree": code["tree"] if code else None,
            "base": code["base"] if code else None,
            "large_files": [entry[0] for entry in code["large"]] if code else [],
        },
        "environment": {
            "id": row["environment_id"],
            "kind": environment["kind"] if environment else None,
            "described": environment["described"] if environment else None,
            "files": environment["files"] if environment else {},
            "platform": environment["platform"] if environment else {},
            "hardware": environment["hardware"] if environment else {},
            "packages": environment["packages"] if environment else [],
        },
        "file_collection": {
            "id": row["file_collection_id"],
            "count": files["count"] if files else 0,
            "size": files["size"] if files else 0,
            "files": await _files(workspace, row["file_collection_id"]) if files else [],
        },
    }


async def _files(workspace: Workspace, collection_id: str) -> list[dict[str, Any]]:
    def read() -> list[dict[str, Any]]:
        from datmo.capture.manifest import Manifest

        manifest = Manifest.from_bytes(workspace.store.read(collection_id))
        return [
            {"path": entry.path, "size": entry.size, "mode": f"{entry.mode:o}", "object": entry.object}
            for entry in manifest.entries
        ]

    return await workspace.in_thread(read)
