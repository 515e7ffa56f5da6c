"""What a word that somebody begins to type may become: read from the views as they are, for a shell that waits."""

from __future__ import annotations

import sqlite3

from datmo.projections.sessions import VISIBLE

__all__ = ["KINDS", "names"]

_NEWEST = 500
"""More than anybody looks through."""

_LIVE = f"deleted = 0 AND {VISIBLE}"
_ORDER = f"ORDER BY position DESC LIMIT {_NEWEST}"

_QUERIES = {
    "snapshot": f"SELECT id, message FROM snapshot WHERE {_LIVE} {_ORDER}",
    "deleted snapshot": f"SELECT id, message FROM snapshot WHERE deleted = 1 AND {VISIBLE} {_ORDER}",
    "label": f"SELECT label, max(message) FROM snapshot WHERE {_LIVE} AND label IS NOT NULL GROUP BY 1",
    "task": f"SELECT id, command FROM task WHERE {_LIVE} {_ORDER}",
    "running task": f"SELECT id, command FROM task WHERE {_LIVE} AND status IN ('CREATED', 'RUNNING') {_ORDER}",
    "session": f"SELECT name, '' FROM session WHERE deleted = 0 {_ORDER}",
    "environment": f"SELECT id, described FROM environment ORDER BY created_at DESC LIMIT {_NEWEST}",
    "code": f"SELECT id, '' FROM code ORDER BY created_at DESC LIMIT {_NEWEST}",
    "files": f"SELECT id, '' FROM files ORDER BY created_at DESC LIMIT {_NEWEST}",
}

KINDS: frozenset[str] = frozenset(_QUERIES)


def names(connection: sqlite3.Connection, kind: str) -> list[tuple[str, str]]:
    """Return the ids or names of entities of a kind, newest first, each with a word about it."""
    return [(str(name), str(about or "")) for name, about in connection.execute(_QUERIES[kind])]
