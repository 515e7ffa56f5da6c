"""The names of what a project has, for a shell that completes a word: no event loop, nothing heavy, no error."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from datmo.engine.finding import FOLDER, find_home
from datmo.errors import DatmoError
from datmo.eventlog.schema import open_file
from datmo.projections.completing import names

__all__ = ["known"]


def known(kind: str, start: Path) -> list[tuple[str, str]]:
    """Return the ids or names of a kind in the project at or above a folder, newest first, each with a word about it.

    Nothing where there is no project, or its views cannot be read as they are.
    """
    try:
        with closing(open_file(find_home(start) / FOLDER / "log.db")) as connection:
            connection.execute("PRAGMA query_only = ON")
            return names(connection, kind)
    except (DatmoError, OSError, sqlite3.Error):
        return []
