"""The streams that a log has."""

from __future__ import annotations

import sqlite3

__all__ = ["streams_from", "version_of"]


def streams_from(connection: sqlite3.Connection, prefix: str, limit: int) -> list[str]:
    """Return the names of streams that begin with a text, in order, at most `limit` of them."""
    rows = connection.execute(
        "SELECT stream FROM event WHERE stream >= ? AND stream < ? AND version = 1 ORDER BY stream LIMIT ?",
        (prefix, prefix + "\x7f", limit),
    )
    return [stream for (stream,) in rows]


def version_of(connection: sqlite3.Connection, stream: str) -> int:
    """Return how many events a stream has."""
    (found,) = connection.execute("SELECT coalesce(max(version), 0) FROM event WHERE stream = ?", (stream,)).fetchone()
    return int(found)
