"""Where each object lies, and which files were seen before: one SQLite file, rebuildable at any time.

The packs' own indexes and the names under `large/` are the truth; this is a faster way to ask them. A row
is inserted only after its object is durable, so a row may be believed. What the file lacks (it was lost, or
a crash came between a pack and its rows) is found when the store is first used, and again before an object
is called missing. A file that SQLite cannot use is thrown away and made again.

The second half is the stat cache: device, inode, size, modification and change time of a file that was
stored, with the id it got. No path is kept, so the store can be moved, and a file renamed. A file whose
change time was not clearly past when its reading began is not remembered: it could have been written to
once more within the same tick of the file system's clock.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from datmo.errors import ObjectError
from datmo.objects.layout import Layout
from datmo.objects.pack import PackEntry
from datmo.objects.rows import connect, insert_large, insert_pack, marks, refill, transaction
from datmo.objects.source import FileState

__all__ = ["Index", "Place"]

_MANY = 500
# What SQLite says of a file that is not, or no longer, the database we made.
_SPOILT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA}
_SPOILT_EXTENDED = {sqlite3.SQLITE_READONLY_DBMOVED, sqlite3.SQLITE_IOERR_SHORT_READ}
T = TypeVar("T")


class Place(NamedTuple):
    """Where an object lies: in a pack, or (pack None) on its own."""

    pack: str | None
    offset: int
    length: int
    size: int
    kind: int


class Index:
    """The index of one store. Safe to use from several threads, processes, and after a fork."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._forget()
        self._rebuilt_for: tuple[set[str], dict[bytes, int]] | None = None

    def _forget(self) -> None:
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def find(self, digest: bytes) -> Place | None:
        """Where an object lies, or None."""
        query = """SELECT pack.name, offset, length, size, kind FROM object
                   LEFT JOIN pack ON pack.id = object.pack WHERE digest = ?"""
        row = self._ask(lambda db: db.execute(query, (digest,)).fetchone(), None)
        return None if row is None else Place(*row)

    def present(self, digests: Sequence[bytes]) -> set[bytes]:
        """Which of these objects the store has."""

        def work(db: sqlite3.Connection) -> set[bytes]:
            found: set[bytes] = set()
            for start in range(0, len(digests), _MANY):
                some = digests[start : start + _MANY]
                rows = db.execute(f"SELECT digest FROM object WHERE digest IN ({marks(some)})", some)
                found.update(row[0] for row in rows)
            return found

        return self._ask(work, set())

    def recall(self, states: Sequence[FileState | None]) -> list[bytes | None]:
        """For each state the digest of the file that was seen in exactly that and is still stored, or None."""

        def work(db: sqlite3.Connection) -> dict[tuple[int, int], tuple[Any, ...]]:
            rows: dict[tuple[int, int], tuple[Any, ...]] = {}
            for device in {state.device for state in states if state is not None}:
                inodes = [state.inode for state in states if state is not None and state.device == device]
                for start in range(0, len(inodes), _MANY):
                    some = inodes[start : start + _MANY]
                    query = f"""SELECT device, inode, seen.size, modified, changed, digest
                                FROM seen JOIN object USING (digest)
                                WHERE device = ? AND inode IN ({marks(some)})"""
                    rows.update(((row[0], row[1]), row) for row in db.execute(query, (device, *some)))
            return rows

        rows = self._ask(work, dict[tuple[int, int], tuple[Any, ...]]())
        found = [None if state is None else rows.get(state[:2]) for state in states]
        pairs = zip(found, states, strict=True)
        return [row[5] if row is not None and row[:5] == state else None for row, state in pairs]

    def record(
        self,
        packs: Iterable[tuple[str, list[PackEntry]]],
        large: Iterable[tuple[bytes, int]],
        seen: Iterable[tuple[FileState, bytes]],
    ) -> None:
        """Take in what has become durable: packs, objects of their own with their size, files seen."""
        packs, large, seen = list(packs), list(large), list(seen)

        def work(db: sqlite3.Connection) -> None:
            with transaction(db):
                for name, entries in packs:
                    insert_pack(db, name, entries)
                insert_large(db, large)
                rows = ((*state, digest) for state, digest in seen)
                db.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?, ?)", rows)

        self._ask(work, None)

    def packs(self) -> dict[bytes, str]:
        """In which pack each object lies, of those that lie in one."""
        query = "SELECT digest, name FROM object JOIN pack ON pack.id = object.pack"
        return dict(self._ask(lambda db: db.execute(query).fetchall(), []))

    def exchange(
        self,
        old: Sequence[str],
        new: Iterable[tuple[str, list[PackEntry]]],
        large: Sequence[bytes],
    ) -> None:
        """Put new packs in the place of old ones, and forget what the old ones have beside that, and large objects."""
        new = list(new)

        def work(db: sqlite3.Connection) -> None:
            with transaction(db):
                for name in old:
                    db.execute("DELETE FROM object WHERE pack = (SELECT id FROM pack WHERE name = ?)", (name,))
                    db.execute("DELETE FROM pack WHERE name = ?", (name,))
                db.executemany("DELETE FROM object WHERE digest = ? AND pack = 0", [(digest,) for digest in large])
                for name, entries in new:
                    insert_pack(db, name, entries)

        self._ask(work, None)

    def rebuild(self) -> bool:
        """Make the rows again from what lies in the folder, unless that was done since it last changed.

        Returns:
            whether it was done.
        """
        if not self._layout.exists():
            return False
        there = (self._layout.pack_names(), dict(self._layout.large_objects()))
        if there == self._rebuilt_for:
            return False
        self._ask(lambda db: refill(db, self._layout), None)
        self._rebuilt_for = there
        return True

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._process != os.getpid():
            return  # the parent's connection: SQLite forbids even closing it here
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __del__(self) -> None:
        self.close()

    def _ask(self, work: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        """Do some work, which may be done twice: a spoilt file is thrown away and made again."""
        if self._connection is None and not self._layout.exists():
            return nothing
        if self._process != os.getpid():
            _inherited.append(self._connection)
            self._forget()
        with self._lock:
            try:
                return work(self._open())
            except (sqlite3.DatabaseError, OSError) as error:
                if not _is_spoilt(error):
                    raise _unusable(self._layout.index, error) from error
            try:
                self._discard()
                return work(self._open())
            except (sqlite3.DatabaseError, OSError) as error:
                raise _unusable(self._layout.index, error) from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            with self._exclusive():
                self._inode = _inode(self._layout.index)
                self._connection = connect(self._layout)
                self._inode = _inode(self._layout.index)
        return self._connection

    def _discard(self) -> None:
        self.close()
        path = self._layout.index
        with self._exclusive():
            # Unless another process has thrown it away already.
            if _inode(path) == self._inode:
                for suffix in ("", "-wal", "-shm"):
                    Path(f"{path}{suffix}").unlink(missing_ok=True)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One process at a time makes, switches to WAL, fills or throws away the file."""
        handle = os.open(self._layout.index_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


_inherited: list[sqlite3.Connection | None] = []
"""Connections that came over a fork: never used, never closed."""


def _is_spoilt(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _SPOILT or code in _SPOILT_EXTENDED


def _inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else 0


def _unusable(path: Path, error: Exception) -> ObjectError:
    return ObjectError(f"the object index {path} cannot be used: {error}")
