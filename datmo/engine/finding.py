"""Where projects are. Imports nothing: completing a word must not take longer than typing it."""

from __future__ import annotations

import os
from pathlib import Path

from datmo.errors import InvalidArgument, ProjectNotFound

__all__ = ["FOLDER", "find_home", "folder_of", "home_of"]

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
    from datmo.engine.kernel import in_notebook

    # A kernel's working folder is seldom seen, and often another one than people think.
    elsewhere = '`datmo.open("path/to/it")` and `home=` name one elsewhere; `datmo.init()` makes one here'
    hint = "`datmo init` makes one" if in_notebook() is None else elsewhere
    raise ProjectNotFound(f"no project at {start} or above it", hint=hint)


def home_of(home: str | os.PathLike[str] | None) -> Path:
    """Return a project's root: a folder that is named is the project itself, only the default searches upwards.

    Raises:
        InvalidArgument: it is no folder.
        ProjectNotFound: there is no project.
    """
    folder = folder_of(home)
    if home is None:
        return find_home(folder)
    if not (folder / FOLDER / "log.db").is_file():
        raise ProjectNotFound(f"no project at {folder}", hint="`datmo init` there makes one")
    return folder


def folder_of(home: str | os.PathLike[str] | None) -> Path:
    """Return a folder as an absolute path; the working folder by default.

    Raises:
        InvalidArgument: it is no folder.
    """
    try:
        folder = Path(os.path.abspath(home or "."))
    except FileNotFoundError as error:
        raise InvalidArgument("the working folder is no longer there", hint="change into another one") from error
    if not folder.is_dir():
        raise InvalidArgument(f"home is no folder: {folder}", hint="give an existing folder")
    return folder
