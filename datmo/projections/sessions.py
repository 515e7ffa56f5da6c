"""The view of sessions."""

from __future__ import annotations

import sqlite3

from datmo.core import session
from datmo.core.entity.session import Session
from datmo.core.event import from_microseconds
from datmo.projections.projection import Projection, Row

__all__ = ["SESSIONS", "VISIBLE", "by_name", "entities", "version", "visible"]

SESSIONS = Projection(
    table="session",
    version=2,
    columns={"id": "TEXT", "name": "TEXT", "created_at": "INTEGER", "deleted": "INTEGER", "position": "INTEGER"},
    types=("session.created", "session.deleted", "session.restored"),
    fold=session.evolve,
    # Two that create the same name at once: the second append is refused.
    indexes=("CREATE UNIQUE INDEX {table}_name ON {table} (name) WHERE deleted = 0",),
)

VISIBLE = "session_id NOT IN (SELECT id FROM session WHERE deleted = 1)"
"""SQL condition: the entity's session has not been deleted, which hides what is in it."""


def visible(connection: sqlite3.Connection) -> list[Row]:
    """Return the sessions that are not deleted, oldest first."""
    return SESSIONS.select(connection, "WHERE deleted = 0 ORDER BY position")


def by_name(connection: sqlite3.Connection, name: str) -> Row | None:
    """Return the session of a name, None where there is none."""
    rows = SESSIONS.select(connection, "WHERE deleted = 0 AND name = ?", (name,))
    return rows[0] if rows else None


def version(connection: sqlite3.Connection, session_id: str) -> int:
    """Return how many events a session's stream has: what an append expects that decides on the session."""
    (found,) = connection.execute(
        "SELECT coalesce(max(version), 0) FROM event WHERE stream = ?", (f"session/{session_id}",)
    ).fetchone()
    return int(found)


def entities(connection: sqlite3.Connection) -> list[Session]:
    """Return the sessions with their counts, oldest first."""
    project = connection.execute("SELECT id, session_id FROM project").fetchone()
    if project is None:
        return []
    counts = {
        table: dict(
            connection.execute(f"SELECT session_id, count(*) FROM {table} WHERE deleted = 0 GROUP BY 1").fetchall()
        )
        for table in ("task", "snapshot")
    }
    return [
        Session(
            id=row["id"],
            model_id=project[0],
            name=row["name"],
            current=row["id"] == project[1],
            tasks=counts["task"].get(row["id"], 0),
            snapshots=counts["snapshot"].get(row["id"], 0),
            created_at=from_microseconds(row["created_at"]),
        )
        for row in visible(connection)
    ]
