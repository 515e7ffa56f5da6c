"""The user's tree, written with care: by descriptors, never through a link, each file whole or not at all.

A file is made in a staging folder and renamed to its place; so nothing half written ever lies in the tree, nor
anything of ours beside the user's files. Where the place is on another file system than the staging folder, the file
is made beside it under one name that `sweep` knows.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from datmo.capture.files import kind_of
from datmo.capture.manifest import LINK, FileEntry, path_bytes
from datmo.errors import FilesError
from datmo.objects.hashing import object_id
from datmo.objects.source import FileState
from datmo.objects.store import ObjectStore, SourceFile, StoredFile

__all__ = ["Tree", "identify_places", "store_places"]

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BESIDE = ".datmo-checkout.tmp"
# What the way to a place may hold instead of folders.
_NO_WAY = (FileNotFoundError, NotADirectoryError)


class Tree:
    """A folder, and what lies in it at relative POSIX paths.

    Parameters:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._last: tuple[str, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forget()
        os.close(self._top)

    def look(self, path: str) -> os.stat_result | None:
        """What lies at a path, a link not followed; None where nothing does, or only behind a link."""
        with self._parent(path) as (folder, name):
            if folder is None:
                return None
            try:
                return os.stat(name, dir_fd=folder, follow_symlinks=False)
            except _NO_WAY:
                return None

    def state(self, path: str) -> FileState | None:
        """What tells this state of a path from another."""
        found = self.look(path)
        return None if found is None else FileState.of(found)

    def link(self, path: str) -> bytes:
        """Where a link points to."""
        with self._parent(path) as (folder, name):
            return os.readlink(os.fsencode(name), dir_fd=folder)

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where none is."""
        with self._parent(path) as (folder, name):
            if folder is None:
                return None
            try:
                handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            except OSError:
                return None
            with open(handle, "rb") as file:
                return file.read()

    def blocked(self, path: str) -> str | None:
        """The first thing on the way to a path that is there and is no folder, or None."""
        parts = path.split("/")
        for depth in range(1, len(parts)):
            above = "/".join(parts[:depth])
            found = self.look(above)
            if found is None:
                return None
            if not stat.S_ISDIR(found.st_mode):
                return above
        return None

    def below(self, path: str) -> Iterator[str]:
        """Everything in a folder but folders, at any depth."""
        waiting = [path]
        while waiting:
            folder = waiting.pop()
            for name in self._names(folder):
                place = f"{folder}/{name}"
                found = self.look(place)
                if found is not None and stat.S_ISDIR(found.st_mode):
                    waiting.append(place)
                elif found is not None:
                    yield place

    def remove(self, path: str) -> None:
        """Remove a file or a link, and the folders that are empty then. Done twice, it does nothing."""
        with self._parent(path) as (folder, name):
            if folder is not None:
                with suppress(*_NO_WAY):
                    os.unlink(name, dir_fd=folder)
        self._prune(path)

    def put(self, staged: str, stage: int, path: str) -> None:
        """Move a file or a link from a staging folder to its place, making the folders on the way.

        Raises:
            FilesError: a link or a file is where a folder must be, or a folder with something in it at the place.
        """
        with self._making(path) as (folder, name):
            found = self.look(path)
            if found is not None and stat.S_ISDIR(found.st_mode):
                self._clear(folder, name)
            try:
                os.replace(staged, name, src_dir_fd=stage, dst_dir_fd=folder)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _copy(staged, stage, folder)
                os.replace(_BESIDE, name, src_dir_fd=folder, dst_dir_fd=folder)
                os.unlink(staged, dir_fd=stage)

    def change_mode(self, path: str, mode: int) -> None:
        """Give a file these permission bits."""
        with self._parent(path) as (folder, name):
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            try:
                os.fchmod(handle, mode & 0o777)
            finally:
                os.close(handle)

    def sweep(self, paths: Iterable[str]) -> None:
        """Remove what a killed checkout has left beside these paths."""
        for parent in sorted({path.rpartition("/")[0] for path in paths}):
            with self._parent(f"{parent}/{_BESIDE}".lstrip("/")) as (folder, name), suppress(*_NO_WAY):
                if folder is not None:
                    os.unlink(name, dir_fd=folder)

    def sync(self, paths: Iterable[str]) -> None:
        """Make the names in these paths' folders durable."""
        for parent in sorted({path.rpartition("/")[0] for path in paths}):
            with self._parent(f"{parent}/x".lstrip("/")) as (folder, _):
                if folder is not None:
                    os.fsync(folder)

    def _names(self, path: str) -> list[str]:
        with self._parent(f"{path}/x") as (folder, _):
            return [] if folder is None else os.listdir(folder)

    def _prune(self, path: str) -> None:
        while "/" in path:
            path = path.rpartition("/")[0]
            with self._parent(path) as (folder, name):
                if folder is None:
                    continue
                try:
                    os.rmdir(name, dir_fd=folder)
                except _NO_WAY:
                    continue  # it is gone already; the folder above it may be empty all the same
                except OSError:
                    return  # something is in it, or it is not ours to remove
            self._forget()

    def _clear(self, folder: int, name: str) -> None:
        """Remove a folder that holds nothing but folders."""
        handle = os.open(name, _OPEN_FOLDER, dir_fd=folder)
        try:
            for inner in os.listdir(handle):
                self._clear(handle, inner)
        finally:
            os.close(handle)
        os.rmdir(name, dir_fd=folder)
        self._forget()

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int | None, str]]:
        """The folder that a path lies in, open until the next call, and the path's last name."""
        parent, _, name = path.rpartition("/")
        if self._last is None or self._last[0] != parent:
            self._forget()
            try:
                self._last = (parent, self._descend(parent, make=False))
            except OSError as error:
                if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                    raise FilesError(f"{parent!r} cannot be opened: {error.strerror}") from error
                yield None, name
                return
        yield self._last[1], name

    @contextmanager
    def _making(self, path: str) -> Iterator[tuple[int, str]]:
        parent, _, name = path.rpartition("/")
        try:
            folder = self._descend(parent, make=True)
        except OSError as error:
            raise FilesError(
                f"{path!r} cannot be written: a link or a file is where a folder must be", hint="move it away"
            ) from error
        try:
            yield folder, name
        finally:
            os.close(folder)

    def _descend(self, path: str, *, make: bool) -> int:
        current = os.dup(self._top)
        for part in path.split("/") if path else ():
            try:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=current)
                below = os.open(part, _OPEN_FOLDER, dir_fd=current)
            finally:
                os.close(current)
            current = below
        return current

    def _forget(self) -> None:
        if self._last is not None:
            os.close(self._last[1])
            self._last = None


def _copy(staged: str, stage: int, folder: int) -> None:
    """Copy from the staging folder to another file system."""
    with suppress(FileNotFoundError):
        os.unlink(_BESIDE, dir_fd=folder)
    found = os.stat(staged, dir_fd=stage, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(os.fsencode(staged), dir_fd=stage), os.fsencode(_BESIDE), dir_fd=folder)
        return
    source = os.open(staged, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=stage)
    with open(source, "rb") as read:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(_BESIDE, flags, 0o600, dir_fd=folder), "wb") as written:
            shutil.copyfileobj(read, written)
            os.fchmod(written.fileno(), found.st_mode & 0o777)
            written.flush()
            os.fsync(written.fileno())


def store_places(store: ObjectStore, root: Path, paths: Iterable[str]) -> dict[str, FileEntry]:
    """Store the files and links that lie at some paths of a tree; those where none does are left out.

    Raises:
        FilesError: one cannot be read, or changes while it is read.
    """
    files, links = _found(root, paths)
    with store.batch() as batch:
        for text in links.values():
            batch.add(text)
        stored = batch.add_files([SourceFile(root / path) for path in files])
    return _entries(files, stored, links)


def identify_places(store: ObjectStore, root: Path, paths: Iterable[str]) -> dict[str, FileEntry]:
    """Do as `store_places` does, but store nothing."""
    files, links = _found(root, paths)
    return _entries(files, store.identify([SourceFile(root / path) for path in files]), links)


def _found(root: Path, paths: Iterable[str]) -> tuple[list[str], dict[str, bytes]]:
    """The files, and the links with what they say."""
    files: list[str] = []
    links: dict[str, bytes] = {}
    with Tree(root) as tree:
        for path in sorted(set(paths), key=path_bytes):
            found = tree.look(path)
            if found is not None and stat.S_ISREG(found.st_mode):
                files.append(path)
            elif found is not None and stat.S_ISLNK(found.st_mode):
                links[path] = tree.link(path)
            elif found is not None and not stat.S_ISDIR(found.st_mode):
                raise FilesError(f"{path!r} is a {kind_of(found.st_mode)}, which cannot be kept", hint="move it away")
    return files, links


def _entries(files: list[str], stored: list[StoredFile], links: dict[str, bytes]) -> dict[str, FileEntry]:
    entries = {path: FileEntry(path, object_id(text), len(text), LINK, "project") for path, text in links.items()}
    for path, one in zip(files, stored, strict=True):
        entries[path] = FileEntry(path, one.object, one.size, one.mode & 0o777, "project")
    return entries
