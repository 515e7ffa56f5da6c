"""The streams that a log has."""

from __future__ import annotations

import sqlite3

__all__ = ["streams_from"]


def streams_from(connection: sqlite3.Connection, prefix: str, limit: int) -> list[str]:
    """Return the names of streams that begin with a text, in order, at most `limit` of them."""
    rows = connection.execute(
        "SELECT stream FROM event WHERE stream >= ? AND stream < ? AND version = 1 ORDER BY stream LIMIT ?",
        (prefix, prefix + "\x7f", limit),
    )
    return [stream for (stream,) in rows]
