"""Everything that is known of one entity, as plain values for people and programs."""

from __future__ import annotations

import sqlite3
from typing import Any

from datmo.core.event import from_microseconds
from datmo.engine.workspace import Workspace
from datmo.projections.content import CODE, ENVIRONMENTS, FILES
from datmo.projections.projection import Row

__all__ = ["inspect_snapshot"]


async def inspect_snapshot(workspace: Workspace, row: Row) -> dict[str, Any]:
    """Return a snapshot with what its ids stand for."""

    def contents(connection: sqlite3.Connection) -> tuple[Row | None, Row | None, Row | None]:
        return (
            CODE.load(connection, row["code_id"]),
            ENVIRONMENTS.load(connection, row["environment_id"]),
            FILES.load(connection, row["file_collection_id"]),
        )

    code, environment, files = await workspace.query(contents)
    return {
        "id": row["id"],
        "model_id": workspace.project_id,
        "session_id": row["session_id"],
        "task_id": row["task_id"],
        "message": row["message"],
        "label": row["label"],
        "created_at": from_microseconds(row["created_at"]),
        "updated_at": from_microseconds(row["updated_at"]),
        "config": row["config"],
        "config_path": row["config_path"],
        "stats": row["stats"],
        "stats_path": row["stats_path"],
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
            "files": await _files(workspace, row["file_collection_id"]),
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
