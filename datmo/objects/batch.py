"""Storing: everything that one capture keeps, made durable together.

Small objects go into one pack, large ones become files of their own. A batch counts from its commit; one that
fails or dies before that leaves, at most, objects that nobody has heard of.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from blake3 import blake3

from datmo.errors import FilesError, ObjectDamaged, ObjectError
from datmo.objects.hashing import Progress, copy_hashed, digest_of
from datmo.objects.index import Index
from datmo.objects.layout import Layout, sync_folder
from datmo.objects.meter import Meter
from datmo.objects.pack import PackEntry, PackWriter
from datmo.objects.source import (
    PAUSE_S,
    Changed,
    FileState,
    SourceFile,
    StoredFile,
    look_at,
    not_stored,
    opened,
    read_all,
    require_unchanged,
    settle,
    settled,
)

__all__ = ["SMALL", "Batch"]

SMALL = 1 << 20
"""Objects up to this size go into a pack."""

_WORKERS = max(4, os.cpu_count() or 1)
_PACK_SIZE = 512 << 20
_WAITING = 500
_WAITING_SIZE = 8 << 20
_TRIES = 4


class Batch:
    """Collects objects until `commit`. `add` is for one thread; `add_files` uses all cores by itself."""

    def __init__(self, layout: Layout, index: Index) -> None:
        layout.make()
        self._layout = layout
        self._index = index
        self._lock = threading.RLock()
        self._pending: set[bytes] = set()
        self._waiting: dict[bytes, bytes] = {}
        self._waiting_size = 0
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
        if len(data) <= SMALL:
            self._keep(digest, data)
        elif not self._has(digest):
            with _writing(self._layout):
                self._write_large(digest, data)
        return digest.hex()

    def add_pieces(self, pieces: Iterable[bytes], object_id: str) -> None:
        """Store a large object that comes piece by piece, and of which the id is known.

        Raises:
            ObjectDamaged: the pieces do not have that hash.
        """
        with _writing(self._layout):
            target, path = self._layout.open_scratch()
        try:
            hasher, size = blake3(), 0
            with open(target, "wb", closefd=False) as file:
                for piece in pieces:
                    with _writing(self._layout):
                        file.write(piece)
                    hasher.update(piece)
                    size += len(piece)
                with _writing(self._layout):
                    file.flush()
            if hasher.hexdigest() != object_id:
                raise ObjectDamaged(f"object {object_id} is damaged: its bytes do not have that hash")
            with _writing(self._layout):
                self._place_large(hasher.digest(), size, target, path)
        finally:
            path.unlink(missing_ok=True)
            os.close(target)

    def add_file(self, file: SourceFile, progress: Progress | None = None) -> StoredFile:
        """Store a regular file.

        Raises:
            FilesError: it is none, cannot be read, or goes on changing while it is read.
        """
        return self.add_files([file], progress)[0]

    def add_files(self, files: Sequence[SourceFile], progress: Progress | None = None) -> list[StoredFile]:
        """Store regular files: small ones in the order given, then the large ones, several at a time."""
        stats = [look_at(file) for file in files]
        if isinstance(progress, Meter):
            progress.expect(sum(now.st_size for now in stats))
        states = [FileState.of(now) if file.trusted else None for file, now in zip(files, stats, strict=True)]
        known = self._index.recall(states) if any(states) else [None] * len(files)
        stored: dict[int, StoredFile] = {}
        large: list[int] = []
        for number, (file, now, digest) in enumerate(zip(files, stats, known, strict=True)):
            if digest is not None:
                stored[number] = StoredFile(digest.hex(), now.st_size, stat.S_IMODE(now.st_mode))
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
        self._append_waiting()
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
            try:
                return self._read_once(file, progress)
            except Changed:
                time.sleep(PAUSE_S * attempt)
            except OSError as error:
                raise not_stored(file.path, error) from error
        raise FilesError(
            f"{os.fspath(file.path)!r} changed each time it was read ({_TRIES} times)",
            hint="try again when nothing writes to it",
        )

    def _read_once(self, file: SourceFile, progress: Progress | None) -> StoredFile:
        with opened(file) as handle:
            before, state = settle(handle, still=file.still)
            if not stat.S_ISREG(before.st_mode):
                raise FilesError(f"{os.fspath(file.path)!r} is not a regular file")
            if file.largest is not None and before.st_size > file.largest:
                raise FilesError(f"{os.fspath(file.path)!r} has more than {file.largest} bytes")
            began = time.time_ns()
            store = self._copy if before.st_size > SMALL else self._take
            digest = store(handle, before, progress)
        if file.trusted and settled(state, began):
            self._seen.append((state, digest))
        return StoredFile(digest.hex(), before.st_size, stat.S_IMODE(before.st_mode))

    def _take(self, handle: int, before: os.stat_result, progress: Progress | None) -> bytes:
        """Read a small file and put it into the pack."""
        data = read_all(handle, before.st_size + 1)
        require_unchanged(handle, before, len(data))
        digest = digest_of(data)
        self._keep(digest, data)
        if progress is not None:
            progress(len(data))
        return digest

    def _copy(self, handle: int, before: os.stat_result, progress: Progress | None) -> bytes:
        """Copy a large file to an object of its own."""
        with _writing(self._layout):
            target, path = self._layout.open_scratch()
        try:
            digest, copied = copy_hashed(handle, target, before.st_size, flush=True, progress=progress)
            require_unchanged(handle, before, copied)
            with _writing(self._layout):
                self._place_large(digest, copied, target, path)
        finally:
            path.unlink(missing_ok=True)
            os.close(target)
        return digest

    def _keep(self, digest: bytes, data: bytes) -> None:
        """Take a small object; the index is asked about many at once, which costs a tenth."""
        with self._lock:
            if digest in self._pending:
                return
            self._pending.add(digest)
            self._waiting[digest] = data
            self._waiting_size += len(data)
            if len(self._waiting) >= _WAITING or self._waiting_size >= _WAITING_SIZE:
                self._append_waiting()

    def _append_waiting(self) -> None:
        known = self._index.present(list(self._waiting))
        with _writing(self._layout):
            for digest, data in self._waiting.items():
                if digest not in known:
                    self._append(digest, data)
        self._waiting.clear()
        self._waiting_size = 0

    def _append(self, digest: bytes, data: bytes) -> None:
        if self._pack is None:
            self._pack = PackWriter(*self._layout.open_scratch())
        self._pack.append(digest, data)
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


@contextmanager
def _writing(layout: Layout) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ObjectError(f"the object store {layout.root} cannot be written: {error.strerror}") from error
