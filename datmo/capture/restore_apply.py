"""Bringing a project's tree to the state of a snapshot: doing what was planned.

It may be cut short anywhere, and begun again from a new plan.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from datmo.capture.code import CodeRepository
from datmo.capture.code_checkout import CodeWriter
from datmo.capture.code_tree import EXECUTABLE, LINK
from datmo.capture.manifest import FileEntry
from datmo.capture.restore import Plan, Write
from datmo.capture.tree import Tree
from datmo.errors import FilesError
from datmo.objects.source import FileState
from datmo.objects.store import ObjectStore

__all__ = ["Moved", "apply_plan"]

_OBJECT = 32
_STAGED = "file"
_EACH_SYNCED = 200
"""Up to so many files are synced one by one; for more, one sync of everything is quicker."""


class Moved(Exception):
    """A file was changed after it had been captured, before it was to be replaced: plan anew."""


def apply_plan(code: CodeRepository, store: ObjectStore, root: Path, *, code_id: str, plan: Plan, stage: Path) -> None:
    """Do what was planned, each step whole or not at all.

    Parameters:
        code: the project's code.
        store: where files are.
        root: the tree.
        code_id: the code that shall be there.
        plan: what to do.
        stage: a folder in which files are made, ours alone.

    Raises:
        Moved: a file is not as it was; what was done until then stays.
        FilesError: something cannot be written.
    """
    if plan.does_nothing:
        return
    stage.mkdir(parents=True, exist_ok=True)
    with code.scratch() as scratch:
        _apply(plan, root, stage, store, CodeWriter(code.load(code_id), store, scratch))


def _apply(plan: Plan, root: Path, stage: Path, store: ObjectStore, writer: CodeWriter) -> None:
    each = len(plan.writes) <= _EACH_SYNCED
    with Tree(root) as tree:
        handle = os.open(stage, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for path in plan.removals:
                _expect(tree, plan, path)
                tree.remove(path)
            for write in plan.writes:
                name = _stage(write, handle, store, writer, sync=each)
                _expect(tree, plan, write.path)
                tree.put(name, handle, write.path)
            for path, mode in plan.modes:
                tree.change_mode(path, mode)
        except OSError as error:
            raise FilesError(f"the tree cannot be changed: {error}") from error
        finally:
            os.close(handle)
        if each:
            tree.sync([write.path for write in plan.writes] + list(plan.removals))
        else:
            os.sync()


def _expect(tree: Tree, plan: Plan, path: str) -> None:
    """Check that a path is as it was planned for.

    Raises:
        Moved: it is not.
    """
    expected, found = plan.states.get(path), tree.look(path)
    if found is None or (expected is None and stat.S_ISDIR(found.st_mode)):
        return  # gone meanwhile, or empty by now: nothing can be lost
    if expected is None or FileState.of(found) != expected:
        raise Moved(path)


def _stage(write: Write, handle: int, store: ObjectStore, writer: CodeWriter, *, sync: bool) -> str:
    """Make a file or a link in the staging folder; returns its name there."""
    source = write.source
    if isinstance(source, FileEntry):
        if source.mode == LINK:
            return _stage_link(store.read(source.object), handle)
        store.restore(source.object, _STAGED, source.mode, folder=handle)
    elif source.mode == LINK:
        return _stage_link(writer.content(os.fsencode(write.path), source), handle)
    elif len(source.oid) == _OBJECT:
        store.restore(source.oid.hex(), _STAGED, write.mode or source.mode & 0o777, folder=handle)
    else:
        data = writer.content(os.fsencode(write.path), source)
        _stage_file(data, source.mode == EXECUTABLE, write.mode, handle)
    if sync:
        _sync(_STAGED, handle)
    return _STAGED


def _stage_link(text: bytes, handle: int) -> str:
    _unstage(handle)
    os.symlink(text, os.fsencode(_STAGED), dir_fd=handle)
    return _STAGED


def _stage_file(data: bytes, executable: bool, mode: int | None, handle: int) -> None:
    _unstage(handle)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(_STAGED, flags, 0o777 if executable else 0o666, dir_fd=handle), "wb") as file:
        file.write(data)
        if mode is not None:
            os.fchmod(file.fileno(), mode & 0o777)


def _unstage(handle: int) -> None:
    """Remove what a killed checkout has left in the staging folder."""
    with suppress(FileNotFoundError):
        os.unlink(_STAGED, dir_fd=handle)


def _sync(name: str, folder: int) -> None:
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
