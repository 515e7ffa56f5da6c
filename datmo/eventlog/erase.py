"""Erasing payloads: what is left are their digests, in the events that they lay beside."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

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


def erase(
    connection: sqlite3.Connection,
    lock: WriteLock,
    positions: Sequence[int],
    progress: Callable[[int], None] | None = None,
) -> None:
    """Erase payloads, in transactions that are short enough for others to come between.

    Parameters:
        connection: the log.
        lock: of those who write to it.
        positions: where they lie.
        progress: told how many were erased.

    Raises:
        LogError: SQLite cannot do it.
    """
    try:
        for start in range(0, len(positions), _AT_ONCE):
            some = positions[start : start + _AT_ONCE]
            with lock:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany("DELETE FROM payload WHERE position = ?", [(each,) for each in some])
                connection.execute("COMMIT")
            if progress is not None:
                progress(len(some))
    except (OSError, sqlite3.Error) as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise LogError(f"payloads could not be erased ({error})") from error
