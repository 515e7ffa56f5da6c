"""Storing: everything that one capture keeps, made durable together.

Small objects go into one pack, large ones become files of their own. A batch counts from its commit; one that
fails or dies before that leaves, at most, objects that nobody has heard of.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from datmo.errors import FilesError, ObjectError
from datmo.objects.hashing import Progress, copy_hashed, digest_of
from datmo.objects.index import FileState, Index, is_coarse, settled
from datmo.objects.layout import Layout, sync_folder
from datmo.objects.pack import PackEntry, PackWriter

__all__ = ["SMALL", "Batch", "SourceFile", "StoredFile"]

SMALL = 1 << 20
"""Objects up to this size go into a pack."""

_WORKERS = max(4, os.cpu_count() or 1)
_PACK_SIZE = 512 << 20
_TRIES = 4
_PAUSE_S = 0.02
_SETTLE_TRIES = 12
# Never through a link, never waiting for the other end of a FIFO.
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# Of an error while copying, what cannot be the source's doing.
_STORES_FAULT = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class SourceFile(NamedTuple):
    """A regular file to be stored.

    Parameters:
        path: where it is; a link there is refused, not followed.
        folder: an open folder that the path is relative to, or None.
        trusted: whether the stat cache may answer for it, so that it is not read again.
        largest: a file with more bytes is refused.
    """

    path: Path | str
    folder: int | None = None
    trusted: bool = True
    largest: int | None = None


class StoredFile(NamedTuple):
    """What became of it: its object, its size, and all its mode bits."""

    object: str
    size: int
    mode: int


class _Changed(Exception):
    """The file was written to while it was read."""


class Batch:
    """Collects objects until `commit`. `add` is for one thread; `add_files` uses all cores by itself."""

    def __init__(self, layout: Layout, index: Index) -> None:
        layout.make()
        self._layout = layout
        self._index = index
        self._lock = threading.Lock()
        self._pending: set[bytes] = set()
        self._pack: PackWriter | None = None
        self._packs: list[tuple[str, list[PackEntry]]] = []
        self._large: dict[bytes, int] = {}
        self._seen: list[tuple[FileState, bytes]] = []

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.commit()
        finally:
            if self._pack is not None:
                self._pack.abandon()
                self._pack = None

    def add(self, data: bytes) -> str:
        """Store some bytes.

        Returns:
            the object's id.
        """
        digest = digest_of(data)
        if not self._has(digest):
            with _writing(self._layout):
                if len(data) <= SMALL:
                    self._append(digest, data)
                else:
                    self._write_large(digest, data)
        return digest.hex()

    def add_file(self, file: SourceFile, progress: Progress | None = None) -> StoredFile:
        """Store a regular file.

        Raises:
            FilesError: it is none, cannot be read, or goes on changing while it is read.
        """
        return self.add_files([file], progress)[0]

    def add_files(self, files: Sequence[SourceFile], progress: Progress | None = None) -> list[StoredFile]:
        """Store regular files: small ones in the order given, then the large ones, several at a time."""
        stats = [_stat(file) for file in files]
        states = [FileState.of(now) if file.trusted else None for file, now in zip(files, stats, strict=True)]
        asked = [state for state in states if state is not None]
        known = self._index.recall(asked) if asked else {}
        stored: dict[int, StoredFile] = {}
        large: list[int] = []
        for number, (file, now, state) in enumerate(zip(files, stats, states, strict=True)):
            if state is not None and state in known:
                stored[number] = StoredFile(known[state].hex(), now.st_size, stat.S_IMODE(now.st_mode))
                if progress is not None:
                    progress(now.st_size)
            elif now.st_size > SMALL:
                large.append(number)
            else:
                stored[number] = self._read_file(file, progress)
        if large:
            with ThreadPoolExecutor(_WORKERS, "datmo-store") as pool:
                done = pool.map(lambda number: self._read_file(files[number], progress), large)
                stored.update(zip(large, done, strict=True))
        return [stored[number] for number in range(len(files))]

    def commit(self) -> None:
        """Make everything durable, then known to the index."""
        with _writing(self._layout):
            self._finish_pack()
            if self._packs:
                sync_folder(self._layout.packs)
            if self._large:
                for folder in {self._layout.large_path(digest).parent for digest in self._large}:
                    sync_folder(folder)
                sync_folder(self._layout.large)
        if self._packs or self._large or self._seen:
            self._index.record(self._packs, self._large.items(), self._seen)
        self._packs, self._large, self._seen = [], {}, []

    def _has(self, digest: bytes) -> bool:
        return digest in self._pending or self._index.find(digest) is not None

    def _read_file(self, file: SourceFile, progress: Progress | None) -> StoredFile:
        for attempt in range(_TRIES):
            with _reading(file.path):
                handle = os.open(file.path, _OPEN, dir_fd=file.folder)
                try:
                    return self._read_once(handle, file, progress)
                except _Changed:
                    time.sleep(_PAUSE_S * attempt)
                finally:
                    os.close(handle)
        raise FilesError(
            f"{os.fspath(file.path)!r} changed each time it was read ({_TRIES} times)",
            hint="try again when nothing writes to it",
        )

    def _read_once(self, handle: int, file: SourceFile, progress: Progress | None) -> StoredFile:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode):
            raise FilesError(f"{os.fspath(file.path)!r} is not a regular file")
        before = _settled(handle)
        state = FileState.of(before)
        if file.largest is not None and before.st_size > file.largest:
            raise FilesError(f"{os.fspath(file.path)!r} has more than {file.largest} bytes")
        large = before.st_size > SMALL
        began = time.time_ns()
        digest = self._copy(handle, before, progress) if large else self._take(handle, before, progress)
        if file.trusted and settled(state, began):
            self._seen.append((state, digest))
        return StoredFile(digest.hex(), before.st_size, stat.S_IMODE(before.st_mode))

    def _take(self, handle: int, before: os.stat_result, progress: Progress | None) -> bytes:
        """Read a small file and put it into the pack."""
        data = _read_all(handle, before.st_size + 1)
        _require_unchanged(handle, before, len(data))
        digest = digest_of(data)
        if not self._has(digest):
            with _writing(self._layout):
                self._append(digest, data)
        if progress is not None:
            progress(len(data))
        return digest

    def _copy(self, handle: int, before: os.stat_result, progress: Progress | None) -> bytes:
        """Copy a large file to an object of its own."""
        with _writing(self._layout):
            target, path = self._layout.open_scratch()
        try:
            digest, copied = copy_hashed(handle, target, before.st_size, flush=True, progress=progress)
            _require_unchanged(handle, before, copied)
            with _writing(self._layout):
                self._place_large(digest, copied, target, path)
        finally:
            path.unlink(missing_ok=True)
            os.close(target)
        return digest

    def _append(self, digest: bytes, data: bytes) -> None:
        if self._pack is None:
            self._pack = PackWriter(*self._layout.open_scratch())
        self._pack.append(digest, data)
        self._pending.add(digest)
        if self._pack.size > _PACK_SIZE:
            self._finish_pack()

    def _finish_pack(self) -> None:
        if self._pack is not None:
            name = self._pack.finish()
            os.replace(self._pack.path, self._layout.pack_path(name))
            self._packs.append((name, self._pack.entries))
            self._pack = None

    def _write_large(self, digest: bytes, data: bytes) -> None:
        target, path = self._layout.open_scratch()
        try:
            with open(target, "wb", closefd=False) as file:
                file.write(data)
            self._place_large(digest, len(data), target, path)
        finally:
            path.unlink(missing_ok=True)
            os.close(target)

    def _place_large(self, digest: bytes, size: int, target: int, path: Path) -> None:
        with self._lock:
            if self._has(digest):
                return
        os.fchmod(target, 0o444)
        os.fsync(target)
        place = self._layout.large_path(digest)
        place.parent.mkdir(exist_ok=True)
        os.replace(path, place)
        with self._lock:
            self._pending.add(digest)
            self._large[digest] = size


def _stat(file: SourceFile) -> os.stat_result:
    with _reading(file.path):
        return os.stat(file.path, dir_fd=file.folder, follow_symlinks=False)


def _read_all(handle: int, most: int) -> bytes:
    data = os.read(handle, most)
    while len(data) < most and (more := os.read(handle, most - len(data))):
        data += more
    return data


def _require_unchanged(handle: int, before: os.stat_result, count: int) -> None:
    after = os.fstat(handle)
    if (
        count != before.st_size
        or after.st_size != before.st_size
        or after.st_mtime_ns != before.st_mtime_ns
        or after.st_ctime_ns != before.st_ctime_ns
    ):
        raise _Changed


def _settled(handle: int) -> os.stat_result:
    """Wait until any further change would show: a moment, once, for files that were written just now."""
    for _ in range(_SETTLE_TRIES):
        before, now = os.fstat(handle), time.time_ns()
        state = FileState.of(before)
        # A coarse clock would take seconds, one that is ahead of ours for ever: those are not remembered.
        if settled(state, now) or is_coarse(state) or state.changed_ns > now:
            return before
        time.sleep(_PAUSE_S / 4)
    raise _Changed


@contextmanager
def _reading(path: Path | str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _STORES_FAULT:
            raise ObjectError(f"{os.fspath(path)!r} cannot be stored: {error.strerror}") from error
        raise FilesError(f"{os.fspath(path)!r} cannot be stored: {error.strerror}") from error


@contextmanager
def _writing(layout: Layout) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ObjectError(f"the object store {layout.root} cannot be written: {error.strerror}") from error
