"""The index's tables, and filling them from what lies in the store's folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from datmo.objects.layout import Layout, sync_folder
from datmo.objects.pack import WHOLE, DamagedPack, PackEntry, PackTooNew, read_index

__all__ = ["connect", "insert_large", "insert_pack", "marks", "refill", "transaction"]

_VERSION = 1
_BUSY_S = 60.0
_LARGE = 0
_SCHEMA = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE pack(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE object(
        digest BLOB PRIMARY KEY, pack INTEGER NOT NULL, offset INTEGER NOT NULL,
        length INTEGER NOT NULL, size INTEGER NOT NULL, kind INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX large ON object(digest) WHERE pack = 0;
    CREATE TABLE seen(
        device INTEGER, inode INTEGER, size INTEGER, modified INTEGER, changed INTEGER,
        digest BLOB NOT NULL, PRIMARY KEY(device, inode)) WITHOUT ROWID;
    PRAGMA user_version = {_VERSION};
    COMMIT;
"""


def connect(layout: Layout) -> sqlite3.Connection:
    """Open the index, make it where it is new, and let it catch up with the folder."""
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


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: all or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        # SQLite ends some failed transactions by itself.
        with suppress(sqlite3.OperationalError):
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def insert_pack(db: sqlite3.Connection, name: str, entries: list[PackEntry]) -> None:
    """Insert a pack and its objects, but for those that lie elsewhere already."""
    db.execute("INSERT OR IGNORE INTO pack(name) VALUES (?)", (name,))
    (number,) = db.execute("SELECT id FROM pack WHERE name = ?", (name,)).fetchone()
    rows = ((e.digest, number, e.offset, e.length, e.size, e.kind) for e in entries)
    db.executemany("INSERT OR IGNORE INTO object VALUES (?, ?, ?, ?, ?, ?)", rows)


def insert_large(db: sqlite3.Connection, large: Iterable[tuple[bytes, int]]) -> None:
    """Insert objects of their own, each with its size."""
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
        refill(db, layout)


def refill(db: sqlite3.Connection, layout: Layout) -> None:
    """Make all rows of objects again."""
    with transaction(db):
        db.execute("DELETE FROM object")
        db.execute("DELETE FROM pack")
        _adopt_all(db, layout, layout.pack_names(), dict(layout.large_objects()))


def _adopt(db: sqlite3.Connection, layout: Layout, names: set[str], large: dict[bytes, int]) -> None:
    if names or large:
        with transaction(db):
            # What a collection has removed since the folder was looked at does not come back.
            there = {digest: size for digest, size in large.items() if layout.large_path(digest).exists()}
            _adopt_all(db, layout, names, there)


def _adopt_all(db: sqlite3.Connection, layout: Layout, names: set[str], large: dict[bytes, int]) -> None:
    # Whoever put them there may have died before syncing the names.
    for folder in {layout.packs, layout.large} | {layout.large_path(digest).parent for digest in large}:
        sync_folder(folder)
    for name in sorted(names):
        # A pack that cannot be read is tried again next time, and named by `verify`.
        with suppress(DamagedPack, PackTooNew, FileNotFoundError):
            insert_pack(db, name, read_index(layout.pack_path(name)))
    insert_large(db, large.items())


def marks(values: Sequence[object]) -> str:
    """As many question marks."""
    return ",".join("?" * len(values))
