"""The view of snapshots."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from datmo.core import snapshot
from datmo.core.entity.snapshot import Snapshot
from datmo.core.event import from_microseconds
from datmo.projections.content import CODE
from datmo.projections.projection import Projection, Row
from datmo.projections.search import listing
from datmo.projections.sessions import VISIBLE

if TYPE_CHECKING:
    from datmo.projections.selecting import Field

__all__ = ["COLLECTED", "SNAPSHOTS", "entity", "fields", "ls", "of_tree", "same_content"]

COLLECTED = snapshot.COLLECTED

SNAPSHOTS = Projection(
    table="snapshot",
    version=5,
    columns={
        "id": "TEXT",
        "session_id": "TEXT",
        "task_id": "TEXT",
        "message": "TEXT",
        "label": "TEXT",
        "code_id": "TEXT",
        "environment_id": "TEXT",
        "file_collection_id": "TEXT",
        "config": "JSON",
        "config_path": "TEXT",
        "config_file": "JSON",
        "stats": "JSON",
        "stats_path": "TEXT",
        "created_at": "INTEGER",
        "updated_at": "INTEGER",
        "deleted": "INTEGER",
        "position": "INTEGER",
    },
    types=(
        "snapshot.created",
        "snapshot.updated",
        "snapshot.deleted",
        "snapshot.restored",
        "snapshot.collected",
    ),
    fold=snapshot.evolve,
    indexes=(
        "CREATE INDEX {table}_order ON {table} (position)",
        "CREATE INDEX {table}_label ON {table} (label) WHERE label IS NOT NULL",
        "CREATE INDEX {table}_content ON {table} (code_id, environment_id, file_collection_id)",
    ),
)


def ls(
    connection: sqlite3.Connection,
    *,
    session_id: str | None,
    text: str | None,
    limit: int | None,
    where: str | None = None,
    sort: str | None = None,
    deleted: bool = False,
) -> tuple[list[Row], int]:
    """Return the newest snapshots, or the first in another order, and how many there are in all.

    Parameters:
        connection: a connection to the views.
        session_id: only those of one session.
        text: only those with this in their message or label.
        limit: at most that many rows.
        where: only those for which this expression holds.
        sort: the key that they are sorted by.
        deleted: those that were deleted, instead of the others.
    """
    return listing(
        connection,
        SNAPSHOTS,
        ("message", "label"),
        fields,
        session_id=session_id,
        text=text,
        limit=limit,
        where=where,
        sort=sort,
        deleted=deleted,
    )


def fields() -> dict[str, Field]:
    """Return what an expression may ask for."""
    from datmo.projections.selecting import COMMON, Field

    return {
        "config": Field("values", "config"),
        "stats": Field("values", "stats"),
        **{name: Field("text", name) for name in ("message", "label", "task_id")},
        "updated_at": Field("time", "updated_at"),
        **COMMON,
    }


def same_content(connection: sqlite3.Connection, data: snapshot.SnapshotCreated) -> str | None:
    """Return the newest snapshot with the same code, environment, files, config and stats, or None."""
    rows = SNAPSHOTS.select(
        connection,
        "WHERE code_id = ? AND environment_id = ? AND file_collection_id = ? AND deleted = 0"
        f" AND {VISIBLE} ORDER BY position DESC",
        (data["code_id"], data["environment_id"], data["file_collection_id"]),
    )
    return next((row["id"] for row in rows if row["config"] == data["config"] and row["stats"] == data["stats"]), None)


def of_tree(connection: sqlite3.Connection, tree: str, large: list[list[Any]], limit: int = 10) -> list[Row]:
    """Return the newest snapshots whose code has this tree and these large files."""
    codes = [row["id"] for row in CODE.select(connection, "WHERE tree = ?", (tree,)) if row["large"] == large]
    return SNAPSHOTS.select(
        connection,
        f"WHERE code_id IN ({', '.join('?' * len(codes))}) AND deleted = 0 AND {VISIBLE}"
        " ORDER BY position DESC LIMIT ?",
        (*codes, limit),
    )


def entity(row: Row, model_id: str) -> Snapshot:
    """Return a row as the plain value that people see."""
    values: dict[str, Any] = {
        name: row[name] for name in ("id", "session_id", "message", "code_id", "environment_id", "file_collection_id")
    }
    return Snapshot(
        **values,
        model_id=model_id,
        label=row["label"],
        task_id=row["task_id"],
        config=row["config"],
        stats=row["stats"],
        created_at=from_microseconds(row["created_at"]),
        updated_at=from_microseconds(row["updated_at"]),
    )
