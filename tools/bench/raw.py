"""The limit of appending: plain sqlite3 writing rows that ours wrote, into the same tables, as durably."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.frame import prepared
from datmo.eventlog.schema import INSERT, SELECT, tables

Row = tuple[Any, ...]

_HEADROOM = 8 << 20
"""More than a checkpoint lets a write-ahead file become."""


def rows_of(log: Path) -> list[Row]:
    """Return every event of a log as its row, but those that made the project and its task."""
    with closing(sqlite3.connect(log)) as connection:
        return connection.execute(f"{SELECT} WHERE position > 4 ORDER BY position").fetchall()


def write(file: Path, rows: list[Row], size: int, *, headroom: bool = False) -> float:
    """Return rows a second, written `size` to a transaction, each synced.

    Parameters:
        file: where they are written; made here.
        rows: as `rows_of` returns them.
        size: rows of a transaction.
        headroom: make the write-ahead file long beforehand, so that no commit makes it longer.
    """
    with closing(opened(file)) as connection:
        if headroom:
            _make_headroom(Path(f"{file}-wal"))
        batches = [rows[start : start + size] for start in range(0, len(rows), size)]
        with prepared():
            started = time.perf_counter()
            for batch in batches:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(INSERT, batch)
                connection.execute("COMMIT")
            return len(rows) / (time.perf_counter() - started)


def _make_headroom(ahead: Path) -> None:
    with ahead.open("ab") as file:
        file.write(bytes(_HEADROOM))
        file.flush()
        os.fsync(file.fileno())


def opened(file: Path) -> sqlite3.Connection:
    """Return a connection to a new file with the log's tables, set as the log's own connection is."""
    connection = sqlite3.connect(file, isolation_level=None, timeout=60)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -16000")
    if not connection.execute("PRAGMA user_version").fetchone()[0]:
        tables(connection)
    return connection
