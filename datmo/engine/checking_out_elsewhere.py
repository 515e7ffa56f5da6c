"""A snapshot written into another folder; nothing else is touched, and the folder is there whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from datmo.core.ids import new_id
from datmo.engine import checkout_journal as journals
from datmo.engine.checkout import FOLDER as PLACE
from datmo.engine.checkout_content import content_of, write_beside
from datmo.engine.finding import FOLDER
from datmo.engine.workspace import Workspace
from datmo.errors import CaptureError, InvalidArgument
from datmo.projections.projection import Row

__all__ = ["write_elsewhere"]


def write_elsewhere(workspace: Workspace, row: Row, environment: Row | None, to: Path) -> Path | None:
    """Write a snapshot into a folder that is not there yet, or empty.

    Parameters:
        workspace: the project.
        row: the snapshot.
        environment: its environment.
        to: the folder, absolute.

    Returns:
        where in it what has no place in the tree lies, or None where there is nothing of that kind.

    Raises:
        InvalidArgument: the folder is not empty, or none of the user's.
    """
    _check(workspace, to)
    made = _make_parents(to.parent)
    beside = to.parent / f".{to.name}.datmo-{new_id()}"
    under_way = journals.Elsewhere(beside=os.fspath(beside))
    journals.note(workspace.folder, under_way)
    try:
        folder = _write(workspace, row, environment, beside)
        os.replace(beside, to)  # where `to` is an empty folder, it takes its place
    except BaseException as error:
        under_way.undo()
        for each in made:
            with suppress(OSError):  # somebody else has put something into it
                each.rmdir()
        if isinstance(error, OSError):
            raise CaptureError(f"{to} cannot be written: {error.strerror}") from error
        raise
    finally:
        journals.clear(workspace.folder)
    return None if folder is None else to / folder


def _check(workspace: Workspace, to: Path) -> None:
    if Path(os.path.realpath(to)).is_relative_to(os.path.realpath(workspace.folder)):
        raise InvalidArgument(f"{to} lies in the project's own folder {FOLDER}", hint="choose another folder")
    if to.is_symlink() or (to.exists() and not to.is_dir()):
        raise InvalidArgument(f"{to} is no folder", hint="choose another one")
    if to.is_dir() and any(to.iterdir()):
        raise InvalidArgument(f"{to} is not empty", hint="choose a folder that is empty, or not there yet")


def _make_parents(folder: Path) -> list[Path]:
    """Make a folder with those above it; returns the new ones, the lowest first."""
    made = []
    while not folder.exists():
        made.append(folder)
        folder = folder.parent
    try:
        for each in reversed(made):
            each.mkdir(exist_ok=True)  # somebody else may have been quicker
    except OSError as error:
        raise InvalidArgument(f"{folder} cannot have a folder: {error.strerror}", hint="choose another one") from error
    return made


def _write(workspace: Workspace, row: Row, environment: Row | None, beside: Path) -> Path | None:
    from datmo.capture.code_difference import contested_in
    from datmo.capture.files import restore_files
    from datmo.capture.manifest import Manifest

    notices = workspace.code.checkout(row["code_id"], beside, workspace.store)
    for notice in notices:
        workspace.notice(notice)
    content = content_of(workspace, row, environment)
    lost, free = contested_in(workspace.code, workspace.store, row["code_id"], content.tree)
    restore_files(workspace.store, Manifest(free), beside)
    place = Path(FOLDER, PLACE, row["id"])
    return place if write_beside(workspace, content, lost, beside / place) else None
