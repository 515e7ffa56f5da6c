"""Taking in what a task has left in its folders: files from a hand that is not trusted.

The task may have put links to the host's files, FIFOs that nobody writes to, devices, or a folder as deep as
the disk allows; it may even still run and exchange things meanwhile. So the folder is walked by descriptors,
nothing is opened through a link or waited for, only regular files are read, and there are limits. Whatever
is left out is named in a notice, never an error: the rest of the work must not be lost with it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from datmo.capture.files import kind_of
from datmo.capture.manifest import FileEntry
from datmo.errors import FilesError
from datmo.objects.hashing import Progress
from datmo.objects.store import ObjectStore, SourceFile

__all__ = [
    "DEFAULT_LIMITS",
    "Collected",
    "Limits",
    "Stamp",
    "collect_file",
    "collect_tree",
    "stamp_tree",
    "unchanged_since",
]

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NAMED = 5


class Limits(NamedTuple):
    """How much is taken in.

    Parameters:
        files: directory entries that are looked at.
        size: bytes in all.
        depth: folders in folders.
    """

    files: int = 100_000
    size: int = 1 << 40
    depth: int = 64


DEFAULT_LIMITS = Limits()


class Collected(NamedTuple):
    """What was taken in, sorted by path, and one sentence for each kind of thing that was not."""

    entries: tuple[FileEntry, ...]
    notices: tuple[str, ...]


class Stamp(NamedTuple):
    """What tells whether a file was written to; plain numbers, to be kept as JSON."""

    size: int
    modified_ns: int
    changed_ns: int
    mode: int


class _Seen(NamedTuple):
    path: str
    name: str
    folder: int
    stat: os.stat_result


def collect_tree(
    store: ObjectStore,
    folder: Path,
    *,
    limits: Limits = DEFAULT_LIMITS,
    exclude: Callable[[str], bool] | None = None,
    unchanged: Callable[[str, os.stat_result], bool] | None = None,
    progress: Progress | None = None,
) -> Collected:
    """Store the regular files of a folder that was written by a task.

    Parameters:
        exclude: whether a path (relative, of a file or a folder) is left out, without a notice.
        unchanged: whether a file is as it was before the task, and so no output of it; see `unchanged_since`.
        progress: told the bytes that were done, as they are.

    Raises:
        FilesError: the folder itself cannot be read.
    """
    entries: list[FileEntry] = []
    left_out: dict[str, list[str]] = {}
    room = limits.size
    with store.batch() as batch:
        for seen in _Walk(folder, limits, exclude, left_out):
            if unchanged is not None and unchanged(seen.path, seen.stat):
                continue
            if seen.stat.st_size > room:
                left_out.setdefault(f"over the limit of {limits.size} bytes", []).append(seen.path)
                continue
            source = SourceFile(seen.name, folder=seen.folder, trusted=False, largest=room)
            try:
                kept = batch.add_file(source, progress)
            except FilesError:
                left_out.setdefault("unreadable or changing", []).append(seen.path)
                continue
            room -= kept.size
            entries.append(FileEntry(seen.path, kept.object, kept.size, kept.mode & 0o777, "task"))
    return Collected(tuple(sorted(entries)), tuple(_notice(why, paths) for why, paths in left_out.items()))


def collect_file(store: ObjectStore, folder: Path, path: str) -> FileEntry:
    """Store one regular file of a folder that was written by a task, by its path in it.

    Raises:
        FilesError: there is no such file, it is none, or a link or `..` leads to it.
    """
    *parents, name = path.split("/")
    if name in ("", ".", "..") or any(each in ("", ".", "..") for each in parents):
        raise FilesError(f"{path!r} is no path of a file below the task's folder")
    try:
        handle = os.open(folder, _OPEN_FOLDER)
        try:
            for parent in parents:
                deeper = os.open(parent, _OPEN_FOLDER, dir_fd=handle)
                os.close(handle)
                handle = deeper
            source = SourceFile(name, folder=handle, trusted=False, largest=DEFAULT_LIMITS.size)
            (kept,) = store.put_files([source])
        finally:
            os.close(handle)
    except OSError as error:
        raise FilesError(f"{path!r} cannot be read: {error.strerror}") from error
    return FileEntry(path, kept.object, kept.size, kept.mode & 0o777, "task")


def stamp_tree(folder: Path, *, exclude: Callable[[str], bool] | None = None) -> dict[str, Stamp]:
    """The stamps of all regular files below a folder, to be taken before a task starts in it."""
    everything = Limits(files=1 << 62, depth=1 << 10)
    return {seen.path: _stamp(seen.stat) for seen in _Walk(folder, everything, exclude, {})}


def unchanged_since(stamps: Mapping[str, Stamp]) -> Callable[[str, os.stat_result], bool]:
    """For `collect_tree`: whether a file has the stamp that it had then.

    A task can set a file's modification time back, but not its change time.
    """

    def unchanged(path: str, now: os.stat_result) -> bool:
        return path in stamps and _stamp(now) == tuple(stamps[path])

    return unchanged


def _stamp(now: os.stat_result) -> Stamp:
    return Stamp(now.st_size, now.st_mtime_ns, now.st_ctime_ns, stat.S_IMODE(now.st_mode))


class _Walk:
    """Iterates over the regular files below a folder; what is none goes to `left_out`, by reason."""

    def __init__(
        self,
        top: Path,
        limits: Limits,
        exclude: Callable[[str], bool] | None,
        left_out: dict[str, list[str]],
    ) -> None:
        self._top = top
        self._limits = limits
        self._exclude = exclude
        self._left_out = left_out
        self._looked_at = 0

    def __iter__(self) -> Iterator[_Seen]:
        try:
            handle = os.open(self._top, _OPEN_FOLDER)
        except OSError as error:
            raise FilesError(f"{os.fspath(self._top)!r} cannot be read: {error.strerror}") from error
        yield from self._below(handle, "", 1)

    def _below(self, folder: int, prefix: str, depth: int) -> Iterator[_Seen]:
        """The files of an open folder, which is closed at the end."""
        try:
            for name in self._names(folder, prefix):
                path = prefix + name
                if self._exclude is not None and self._exclude(path):
                    continue
                try:
                    state = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except OSError:
                    self._leave_out("unreadable or changing", path)
                    continue
                if stat.S_ISREG(state.st_mode):
                    yield _Seen(path, name, folder, state)
                elif stat.S_ISDIR(state.st_mode):
                    yield from self._enter(name, folder, path, depth)
                else:
                    self._leave_out(f"{kind_of(state.st_mode)}s", path)
        finally:
            os.close(folder)

    def _enter(self, name: str, folder: int, path: str, depth: int) -> Iterator[_Seen]:
        if depth >= self._limits.depth:
            self._leave_out(f"folders more than {self._limits.depth} deep", path)
            return
        try:
            handle = os.open(name, _OPEN_FOLDER, dir_fd=folder)
        except OSError:
            self._leave_out("unreadable or changing", path)
            return
        yield from self._below(handle, f"{path}/", depth + 1)

    def _names(self, folder: int, prefix: str) -> list[str]:
        """The names in a folder, as many as may still be looked at."""
        names: list[str] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if self._looked_at == self._limits.files:
                    self._leave_out(f"beyond {self._limits.files} files", prefix + entry.name)
                    break
                self._looked_at += 1
                names.append(entry.name)
        return sorted(names)

    def _leave_out(self, why: str, path: str) -> None:
        self._left_out.setdefault(why, []).append(path)


def _notice(why: str, paths: list[str]) -> str:
    named = ", ".join(map(repr, paths[:_NAMED]))
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"left out ({why}): {named}{more}"
