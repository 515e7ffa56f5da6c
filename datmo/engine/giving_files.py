"""Writing the files that a task left into a folder of the user's, over nothing that is there."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

from datmo.engine.workspace import Workspace
from datmo.errors import FilesError, InvalidArgument
from datmo.projections.projection import Row

__all__ = ["give_files"]


def give_files(workspace: Workspace, row: Row, to: Path, only: str | None) -> list[Path]:
    """Write files of a task into a folder, which is made where it is not there. Blocks.

    Parameters:
        workspace: the project.
        row: the task.
        to: the folder, absolute.
        only: a pattern, as shells have them, of their paths or names; None for all of them.

    Returns:
        where they are.

    Raises:
        InvalidArgument: the folder is Datmo's own, one of the files is there already, or none fits.
        FilesError: something cannot be written.
    """
    from datmo.capture.files import restore_files
    from datmo.capture.manifest import Manifest

    if Path(os.path.realpath(to)).is_relative_to(os.path.realpath(workspace.folder)):
        raise InvalidArgument(f"{to} lies in the project's own folder .datmo", hint="choose another folder")
    kept = Manifest.from_bytes(workspace.store.read(row["file_collection_id"])) if row["file_collection_id"] else None
    chosen = [entry for entry in (kept.entries if kept else ()) if only is None or _fits(entry.path, only)]
    if only is not None and not chosen:
        raise InvalidArgument(f"no file of task {row['id']} fits {only!r}", hint="`datmo task inspect` lists them")
    if there := next((entry.path for entry in chosen if os.path.lexists(to / entry.path)), None):
        raise InvalidArgument(f"{to / there} is there already: nothing was written", hint="choose another folder")
    try:
        return restore_files(workspace.store, Manifest(chosen), to)
    except OSError as error:
        raise FilesError(f"{to} cannot be written: {error.strerror}") from error


def _fits(path: str, pattern: str) -> bool:
    return fnmatchcase(path, pattern) or fnmatchcase(path.rpartition("/")[2], pattern)
