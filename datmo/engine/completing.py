"""The names of what a project has, for a shell that completes a word: no event loop, nothing heavy, no error."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from datmo.engine.finding import FOLDER, find_home
from datmo.errors import DatmoError
from datmo.eventlog.schema import open_file
from datmo.projections.completing import keys, metrics, names

__all__ = ["known", "known_keys", "known_metrics"]

Names = list[tuple[str, str]]


def known(kind: str, start: Path) -> Names:
    """Return the ids or names of a kind in the project at or above a folder, newest first, with a word about each."""
    return _read(start, lambda connection: names(connection, kind))


def known_keys(kind: str, start: Path) -> Names:
    """Return what snapshots or tasks can be asked for, such as `config.lr`, each with a value that it has somewhere."""
    return _read(start, lambda connection: keys(connection, kind))


def known_metrics(task_id: str, start: Path) -> Names:
    """Return the metrics of a task, each with its last value."""
    return _read(start, lambda connection: metrics(connection, task_id))


def _read(start: Path, reading: Callable[[sqlite3.Connection], Names]) -> Names:
    """Read from the views; nothing where there is no project, or they cannot be read as they are."""
    try:
        with closing(open_file(find_home(start) / FOLDER / "log.db")) as connection:
            connection.execute("PRAGMA query_only = ON")
            return reading(connection)
    except (DatmoError, OSError, sqlite3.Error):
        return []
