"""Erasing payloads: what is left are their digests, in the events that they lay beside."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from datmo.errors import LogError
from datmo.eventlog.lock import WriteLock

__all__ = ["erase", "payloads_of"]

_AT_ONCE = 1000


def payloads_of(connection: sqlite3.Connection, stream: str) -> list[tuple[int, int]]:
    """Return position and size of each payload that a stream's events still have."""
    return connection.execute(
        "SELECT position, length(bytes) FROM event JOIN payload USING (position) WHERE stream = ? ORDER BY position",
        (stream,),
    ).fetchall()


def erase(connection: sqlite3.Connection, lock: WriteLock, positions: Sequence[int]) -> None:
    """Erase payloads, in transactions that are short enough for others to come between.

    Raises:
        LogError: SQLite cannot do it.
    """
    try:
        for start in range(0, len(positions), _AT_ONCE):
            with lock:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(
                    "DELETE FROM payload WHERE position = ?",
                    [(position,) for position in positions[start : start + _AT_ONCE]],
                )
                connection.execute("COMMIT")
    except (OSError, sqlite3.Error) as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise LogError(f"payloads could not be erased ({error})") from error
