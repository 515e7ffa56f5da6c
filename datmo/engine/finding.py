"""Where projects are. Imports nothing: completing a word must not take longer than typing it."""

from __future__ import annotations

from pathlib import Path

from datmo.errors import ProjectNotFound

__all__ = ["FOLDER", "find_home"]

FOLDER = ".datmo"
"""The folder in a project's root that holds everything of ours."""


def find_home(start: Path) -> Path:
    """Return the nearest folder at or above one that holds a project.

    Raises:
        ProjectNotFound: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / FOLDER / "log.db").is_file():
            return folder
    raise ProjectNotFound(f"no project at {start} or above it", hint="`datmo init` makes one")
