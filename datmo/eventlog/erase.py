"""Erasing payloads: what is left are their digests, in the events that they lay beside.

SQLite uses the room of what was erased again, and gives none of it back. So the file is written anew where half of it
or more is empty: each row with its bytes, by SQLite itself, in one transaction. Readers go on reading meanwhile; who
appends waits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from datmo.errors import LogError
from datmo.eventlog.lock import WriteLock

__all__ = ["erase", "payloads_of", "shrink", "worth_shrinking"]

_AT_ONCE = 1000
_LEAST = 1 << 20
"""Bytes that are empty before a file is written anew."""


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


def worth_shrinking(connection: sqlite3.Connection) -> bool:
    """Say whether half of the file or more is empty, and enough for that to matter."""
    names = ("freelist_count", "page_count", "page_size")
    free, pages, size = (int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return 2 * free >= pages and free * size >= _LEAST


def shrink(connection: sqlite3.Connection, lock: WriteLock) -> None:
    """Write the file anew without what is empty in it, where that is half of it or more.

    What is needed of the disk meanwhile is twice what stays. Behind somebody who is reading, the file becomes shorter
    only with one of the next checkpoints.

    Raises:
        LogError: SQLite cannot do it; the file is as it was.
    """
    try:
        with lock:
            if worth_shrinking(connection):
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except (OSError, sqlite3.Error) as error:
        raise LogError(f"the log's file could not be made smaller ({error})") from error
