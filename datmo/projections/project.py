"""The view of the project: one row."""

from __future__ import annotations

import sqlite3

from datmo.core import project
from datmo.projections.projection import Projection, Row

__all__ = ["PROJECT", "load"]

PROJECT = Projection(
    table="project",
    version=2,
    columns={
        "key": "TEXT",
        "id": "TEXT",
        "name": "TEXT",
        "description": "TEXT",
        "session_id": "TEXT",
        "snapshot_id": "TEXT",
        "previous_id": "TEXT",
        "checkout": "JSON",
        "created_at": "INTEGER",
        "updated_at": "INTEGER",
    },
    types=(
        "project.initialized",
        "project.described",
        "session.selected",
        "snapshot.created",
        "snapshot.checked_out",
    ),
    fold=project.evolve,
    key=lambda _: "project",
)


def load(connection: sqlite3.Connection) -> Row | None:
    """Return the project's row, None before it was initialized."""
    return PROJECT.load(connection, "project")
