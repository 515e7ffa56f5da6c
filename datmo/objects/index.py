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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from datmo.errors import ObjectError
from datmo.objects.layout import Layout, sync_folder
from datmo.objects.pack import WHOLE, DamagedPack, PackEntry, PackTooNew, read_index

__all__ = ["FileState", "Index", "Place", "is_coarse", "settled"]

_VERSION = 1
_BUSY_S = 60.0
_LARGE = 0
_TICK_NS = 20_000_000
_COARSE_TICK_NS = 2_000_000_000
_SCHEMA = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE pack(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE object(
        digest BLOB PRIMARY KEY, pack INTEGER NOT NULL, offset INTEGER NOT NULL,
        length INTEGER NOT NULL, size INTEGER NOT NULL, kind INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE seen(
        device INTEGER, inode INTEGER, size INTEGER, modified INTEGER, changed INTEGER,
        digest BLOB NOT NULL, PRIMARY KEY(device, inode)) WITHOUT ROWID;
    PRAGMA user_version = {_VERSION};
    COMMIT;
"""
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


class FileState(NamedTuple):
    """What tells one state of a file from another without reading it."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> FileState:
        """The state that a stat result describes."""
        # SQLite's integers are signed; some file systems use the highest bit of an inode's number.
        return cls(
            _signed(stat.st_dev),
            _signed(stat.st_ino),
            stat.st_size,
            _signed(stat.st_mtime_ns),
            _signed(stat.st_ctime_ns),
        )


def settled(state: FileState, now_ns: int) -> bool:
    """Whether a change from now on would show in the file's change time (which nobody can set)."""
    return state.changed_ns + (_COARSE_TICK_NS if is_coarse(state) else _TICK_NS) <= now_ns


def is_coarse(state: FileState) -> bool:
    """Whether the file lies where times are kept in whole seconds, as far as can be told."""
    return state.changed_ns % 1_000_000_000 == 0


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

    def recall(self, states: Sequence[FileState]) -> dict[FileState, bytes]:
        """The digests of those files that were seen in exactly this state and are still stored."""
        query = """SELECT digest FROM seen JOIN object USING (digest) WHERE device = ? AND inode = ?
                   AND seen.size = ? AND modified = ? AND changed = ?"""

        def work(db: sqlite3.Connection) -> dict[FileState, bytes]:
            with _transaction(db, "BEGIN"):
                rows = ((state, db.execute(query, state).fetchone()) for state in states)
                return {state: row[0] for state, row in rows if row is not None}

        return self._ask(work, {})

    def digests(self) -> list[bytes]:
        """Every object that the store has."""
        return self._ask(lambda db: [row[0] for row in db.execute("SELECT digest FROM object")], [])

    def record(
        self,
        packs: Iterable[tuple[str, list[PackEntry]]],
        large: Iterable[tuple[bytes, int]],
        seen: Iterable[tuple[FileState, bytes]],
    ) -> None:
        """Take in what has become durable: packs, objects of their own with their size, files seen."""
        packs, large, seen = list(packs), list(large), list(seen)

        def work(db: sqlite3.Connection) -> None:
            with _transaction(db):
                for name, entries in packs:
                    _insert_pack(db, name, entries)
                _insert_large(db, large)
                rows = ((*state, digest) for state, digest in seen)
                db.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?, ?)", rows)

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
        self._ask(lambda db: _refill(db, self._layout), None)
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
            except sqlite3.DatabaseError as error:
                if not _is_spoilt(error):
                    raise _unusable(self._layout.index, error) from error
            self._discard()
            try:
                return work(self._open())
            except sqlite3.DatabaseError as error:
                raise _unusable(self._layout.index, error) from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            with self._exclusive():
                self._inode = _inode(self._layout.index)
                self._connection = _connect(self._layout)
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


def _connect(layout: Layout) -> sqlite3.Connection:
    db = sqlite3.connect(layout.index, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            db.executescript(_SCHEMA)
        elif version != _VERSION:
            raise _Foreign(f"index version {version}")
        _catch_up(db, layout)
    except BaseException:
        db.close()
        raise
    return db


class _Foreign(sqlite3.DatabaseError):
    """The index of another version of Datmo; ours can be made from the packs."""

    sqlite_errorcode = sqlite3.SQLITE_SCHEMA


def _is_spoilt(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _SPOILT or code in _SPOILT_EXTENDED


def _inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else 0


def _unusable(path: Path, error: sqlite3.DatabaseError) -> ObjectError:
    return ObjectError(f"the object index {path} cannot be used: {error}")


@contextmanager
def _transaction(db: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    db.execute(begin)
    try:
        yield
    except BaseException:
        # SQLite ends some failed transactions by itself.
        with suppress(sqlite3.OperationalError):
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _insert_pack(db: sqlite3.Connection, name: str, entries: list[PackEntry]) -> None:
    db.execute("INSERT OR IGNORE INTO pack(name) VALUES (?)", (name,))
    (number,) = db.execute("SELECT id FROM pack WHERE name = ?", (name,)).fetchone()
    rows = ((e.digest, number, e.offset, e.length, e.size, e.kind) for e in entries)
    db.executemany("INSERT OR IGNORE INTO object VALUES (?, ?, ?, ?, ?, ?)", rows)


def _insert_large(db: sqlite3.Connection, large: Iterable[tuple[bytes, int]]) -> None:
    rows = ((digest, _LARGE, 0, size, size, WHOLE) for digest, size in large)
    db.executemany("INSERT OR IGNORE INTO object VALUES (?, ?, ?, ?, ?, ?)", rows)


def _catch_up(db: sqlite3.Connection, layout: Layout) -> None:
    """Take in what the folder has and the rows have not, or the other way round."""
    # The rows are read first: whatever another process adds meanwhile is then on the disk as well.
    known = {name for (name,) in db.execute("SELECT name FROM pack")}
    known_large = {row[0] for row in db.execute("SELECT digest FROM object WHERE pack = ?", (_LARGE,))}
    names = layout.pack_names()
    large = dict(layout.large_objects())
    if known <= names and known_large <= large.keys():
        _adopt(db, layout, names - known, {key: large[key] for key in large.keys() - known_large})
    else:
        _refill(db, layout)


def _refill(db: sqlite3.Connection, layout: Layout) -> None:
    with _transaction(db):
        db.execute("DELETE FROM object")
        db.execute("DELETE FROM pack")
        _adopt_all(db, layout, layout.pack_names(), dict(layout.large_objects()))


def _adopt(db: sqlite3.Connection, layout: Layout, names: set[str], large: dict[bytes, int]) -> None:
    if names or large:
        with _transaction(db):
            _adopt_all(db, layout, names, large)


def _adopt_all(db: sqlite3.Connection, layout: Layout, names: set[str], large: dict[bytes, int]) -> None:
    # Whoever put them there may have died before syncing the names.
    for folder in {layout.packs, layout.large} | {layout.large_path(digest).parent for digest in large}:
        sync_folder(folder)
    for name in sorted(names):
        # A pack that cannot be read is tried again next time, and named by `verify`.
        with suppress(DamagedPack, PackTooNew, FileNotFoundError):
            _insert_pack(db, name, read_index(layout.pack_path(name)))
    _insert_large(db, large.items())


def _signed(number: int) -> int:
    if -(1 << 63) <= number < 1 << 63:
        return number
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)
