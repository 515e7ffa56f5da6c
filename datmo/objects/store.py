"""The object store: bytes in, an id out; the id in, the same bytes out, or an error that says why not.

An object's id is the BLAKE3-256 of its bytes. Objects never change and are stored once. What `put_*` has
returned is durable. How they lie on the disk is told in `datmo.objects.layout` and `datmo.objects.pack`.
"""

from __future__ import annotations

import io
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar

from datmo.errors import FilesError, ObjectDamaged, ObjectError, ObjectMissing
from datmo.objects.batch import Batch
from datmo.objects.collect import Garbage, collect, find_garbage
from datmo.objects.hashing import Progress, copy_hashed, digest_of, hash_file, parse_id
from datmo.objects.hold import Hold
from datmo.objects.index import Index, Place
from datmo.objects.layout import Layout
from datmo.objects.pack import WHOLE
from datmo.objects.source import FileState, SourceFile, StoredFile, look_at, not_stored, opened, settled
from datmo.objects.verify import verify_all, verify_place

__all__ = ["ObjectStore", "SourceFile", "StoredFile"]

T = TypeVar("T")


class ObjectStore:
    """The objects of one project. Safe to use from several threads and processes.

    Parameters:
        root: `.datmo/objects`; made when something is first stored.
    """

    def __init__(self, root: Path) -> None:
        self._layout = Layout(root)
        self._index = Index(self._layout)

    def __enter__(self) -> ObjectStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the index; the next use opens it again."""
        self._index.close()

    def batch(self) -> Batch:
        """A context manager that stores many things with one sync: on leaving it, all or nothing counts."""
        return Batch(self._layout, self._index)

    def put_bytes(self, data: bytes) -> str:
        """Store some bytes and return their id."""
        with self.batch() as batch:
            return batch.add(data)

    def put_many(self, blobs: Iterable[bytes]) -> list[str]:
        """Store several objects at once and return their ids."""
        with self.batch() as batch:
            return [batch.add(data) for data in blobs]

    def put_files(self, files: Sequence[SourceFile], *, progress: Progress | None = None) -> list[StoredFile]:
        """Store regular files; one that the stat cache knows unchanged is not read again.

        Raises:
            FilesError: one is missing, no regular file, or changes while it is read.
        """
        with self.batch() as batch:
            return batch.add_files(files, progress)

    def identify(self, files: Sequence[SourceFile]) -> list[StoredFile]:
        """What `put_files` would return, with nothing stored; a file that is in use may change meanwhile.

        Raises:
            FilesError: one is missing, or cannot be read.
        """
        stats = [look_at(file) for file in files]
        known = self._index.recall([FileState.of(now) for now in stats])
        found: list[StoredFile] = []
        seen: list[tuple[FileState, bytes]] = []
        for file, now, recalled in zip(files, stats, known, strict=True):
            digest = recalled or self._hash(file, seen)
            found.append(StoredFile(digest.hex(), now.st_size, stat.S_IMODE(now.st_mode)))
        stored = self._index.present([digest for _, digest in seen]) if seen else set()
        if stored:  # so that it need not be read again
            self._index.record([], [], [(state, digest) for state, digest in seen if digest in stored])
        return found

    def _hash(self, file: SourceFile, seen: list[tuple[FileState, bytes]]) -> bytes:
        """Hash a file, and note the state that it was seen in, where a change since would show."""
        try:
            with opened(file) as handle:
                began, state = time.time_ns(), FileState.of(os.fstat(handle))
                digest = hash_file(handle)
                if FileState.of(os.fstat(handle)) == state and settled(state, began):
                    seen.append((state, digest))
        except OSError as error:
            raise not_stored(file.path, error) from error
        return digest

    def read(self, object_id: str) -> bytes:
        """An object's bytes, checked.

        Raises:
            ObjectMissing: the store has no such object.
            ObjectDamaged: the bytes on the disk do not have that hash.
        """
        return self._with_place(object_id, self._read)

    def open(self, object_id: str) -> BinaryIO:
        """An object as a seekable file, open for reading only.

        A small object was checked; of a large one only the size was (`verify` reads it whole).
        """

        def work(digest: bytes, place: Place) -> BinaryIO:
            if place.pack is not None:
                return io.BufferedReader(io.BytesIO(self._read(digest, place)))
            return self._open_large(digest, place)

        return self._with_place(object_id, work)

    def restore(
        self,
        object_id: str,
        to: Path | str,
        mode: int,
        *,
        folder: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Write an object to a file: beside it, checked, then renamed to its place.

        Parameters:
            to: the file; what is there, a link too, is replaced.
            mode: its permission bits.
            folder: an open folder that `to` is relative to (a plain name then), or None.
        """

        def write(digest: bytes, place: Place) -> None:
            head = os.path.dirname(to)
            beside = os.path.join(head, f".datmo-{os.urandom(8).hex()}")
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            target = os.open(beside, flags, 0o600, dir_fd=folder)
            try:
                self._fill(digest, place, target, progress)
                os.fchmod(target, mode & 0o7777)
                os.replace(beside, to, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(beside, dir_fd=folder)
                raise
            finally:
                os.close(target)

        def work(digest: bytes, place: Place) -> None:
            try:
                write(digest, place)
            except OSError as error:
                raise FilesError(f"{os.fspath(to)!r} cannot be written: {error.strerror}") from error

        self._with_place(object_id, work)

    def has(self, object_ids: Iterable[str]) -> set[str]:
        """Which of these objects the store has."""
        return {digest.hex() for digest in self._index.present([parse_id(given) for given in object_ids])}

    def size(self, object_id: str) -> int:
        """An object's size in bytes."""
        return self._with_place(object_id, lambda _, place: place.size)

    def sizes(self, object_ids: Iterable[str]) -> int:
        """The size of several objects together, without those that are missing."""
        places = (self._index.find(parse_id(each)) for each in object_ids)
        return sum(place.size for place in places if place is not None)

    def verify(
        self, object_ids: Iterable[str] | None = None, *, progress: Progress | None = None
    ) -> Iterator[tuple[str, str]]:
        """Read objects and compare them with their ids.

        Parameters:
            object_ids: these, or (None) everything that lies in the store's folder.

        Returns:
            each thing that is wrong: an object's id (or a pack's name, `pack/...`), and what is wrong.
        """
        if object_ids is None:
            yield from verify_all(self._layout, progress)
            return

        def check(digest: bytes, place: Place) -> None:
            if (wrong := verify_place(self._layout, digest, place, progress)) is not None:
                raise ObjectDamaged(wrong)

        for given in object_ids:
            try:
                self._with_place(given, check)
            except ObjectError as error:
                yield given, error.message

    def rebuild_index(self) -> None:
        """Make the index again from what lies in the folder."""
        self._index.rebuild()

    def hold(self) -> Hold:
        """What keeps a collection of garbage away while something is stored and named; not taken yet."""
        self._layout.make()
        return Hold(self._layout.hold)

    def garbage(self, needed: Iterable[str]) -> Garbage:
        """What nobody needs. It may grow or shrink at once, unless the store is held alone.

        Parameters:
            needed: the ids of the objects that are needed.
        """
        return find_garbage(self._layout, self._index, {parse_id(given) for given in needed})

    def collect(self, garbage: Garbage, *, progress: Progress | None = None) -> Garbage:
        """Remove garbage, and what dead writers left; the caller has held the store alone since it was found."""
        collected = collect(self._layout, self._index, garbage, progress)
        return collected._replace(size=collected.size + self.sweep())

    def sweep(self) -> int:
        """Remove what writers that died have left half written; returns the bytes freed."""
        return self._layout.sweep()

    def _with_place(self, object_id: str, work: Callable[[bytes, Place], T]) -> T:
        """Do something with an object; where the index was wrong about it, rebuild that and try again."""
        digest = parse_id(object_id)
        place = self._index.find(digest)
        try:
            return work(digest, self._known(digest, place))
        except ObjectError:
            # Another thread may have rebuilt it meanwhile: then the index has another answer now.
            if not self._index.rebuild() and self._index.find(digest) == place:
                raise
        return work(digest, self._known(digest, self._index.find(digest)))

    def _known(self, digest: bytes, place: Place | None) -> Place:
        if place is None:
            raise _missing(digest)
        if place.kind != WHOLE:
            raise ObjectError(
                f"object {digest.hex()} is stored as kind {place.kind}, this Datmo reads kind {WHOLE}",
                hint="upgrade datmo: pip install --upgrade datmo",
            )
        return place

    def _read(self, digest: bytes, place: Place) -> bytes:
        if place.pack is None:
            with self._open_large(digest, place) as file:
                data = file.read()
        else:
            with _opened(self._layout.pack_path(place.pack), digest) as file:
                file.seek(place.offset)
                data = file.read(min(place.length, os.fstat(file.fileno()).st_size))
        if digest_of(data) != digest:
            raise _damaged(digest)
        return data

    def _open_large(self, digest: bytes, place: Place) -> BinaryIO:
        file = _opened(self._layout.large_path(digest), digest)
        if os.fstat(file.fileno()).st_size != place.size:
            file.close()
            raise _damaged(digest)
        return file

    def _fill(self, digest: bytes, place: Place, target: int, progress: Progress | None) -> None:
        if place.pack is None:
            with self._open_large(digest, place) as file:
                copied, _ = copy_hashed(file.fileno(), target, place.size, flush=False, progress=progress)
            if copied != digest:
                raise _damaged(digest)
            return
        data = self._read(digest, place)
        with open(target, "wb", closefd=False) as out:
            out.write(data)
        if progress is not None:
            progress(len(data))


def _opened(path: Path, digest: bytes) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise _missing(digest) from None
    except OSError as error:
        raise ObjectError(f"object {digest.hex()} cannot be read: {error.strerror}") from error


def _missing(digest: bytes) -> ObjectMissing:
    return ObjectMissing(
        f"the store has no object {digest.hex()}",
        hint="`datmo log verify` lists what is missing or damaged",
    )


def _damaged(digest: bytes) -> ObjectDamaged:
    return ObjectDamaged(
        f"object {digest.hex()} is damaged: its bytes do not have that hash",
        hint="bring .datmo/objects back from a backup",
    )
