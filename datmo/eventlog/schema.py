"""The tables of the log, and opening the file that holds them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from datmo.errors import DamagedLog, LogTooNew

__all__ = ["APPLICATION_ID", "COLUMNS", "FORMAT", "INSERT", "SELECT", "create", "open_file"]

APPLICATION_ID = 0x64746D6F
"""`dtmo`: how the file says whose it is."""

FORMAT = 1
"""Counts up when an older Datmo could no longer read the file."""

COLUMNS = (
    "position, id, stream, version, type, schema, recorded_at, actor, correlation, ordinal, data, digest, hash"
)
SELECT = f"SELECT {COLUMNS} FROM event"
INSERT = f"INSERT INTO event ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

# Time needs no index: it never falls as positions rise, so a search by halves finds it. Only the first event of an
# append is indexed by its id, because only that one is an idempotency key.
_CREATE = (
    """
    CREATE TABLE event (
        position INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        stream TEXT NOT NULL,
        version INTEGER NOT NULL,
        type TEXT NOT NULL,
        schema INTEGER NOT NULL,
        recorded_at INTEGER NOT NULL,
        actor TEXT NOT NULL,
        correlation TEXT NOT NULL,
        ordinal INTEGER NOT NULL,
        data BLOB NOT NULL,
        digest BLOB,
        hash BLOB NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX event_stream ON event (stream, version)",
    "CREATE UNIQUE INDEX event_key ON event (id) WHERE ordinal = 0",
    "CREATE TABLE payload (position INTEGER PRIMARY KEY REFERENCES event, bytes BLOB NOT NULL) STRICT",
    "CREATE TABLE mark (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
    BEGIN SELECT RAISE(ABORT, 'events are immutable'); END
    """,
    """
    CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
    BEGIN SELECT RAISE(ABORT, 'events are immutable'); END
    """,
    """
    CREATE TRIGGER payload_is_never_changed BEFORE UPDATE ON payload
    BEGIN SELECT RAISE(ABORT, 'payloads are erased, never changed'); END
    """,
)


class CallableConnection(sqlite3.Connection):
    """A connection whose `execute` also takes a function, to be called with the connection on its own thread.

    It makes a whole transaction one step of aiosqlite's thread, by aiosqlite's public way (`factory=`): nothing else
    can come between its statements, and a caller that is cancelled meanwhile leaves it whole.
    """

    def execute(self, work, parameters=(), /):  # type: ignore[no-untyped-def,override]  # sqlite3's own is wider
        """Execute SQL as ever, or call a function and wrap what it returns."""
        if callable(work):
            return _Returned(work(self))
        return super().execute(work, parameters)


class _Returned:
    """What `execute_fetchall` of aiosqlite asks for its rows."""

    def __init__(self, value: object) -> None:
        self._value = value

    def fetchall(self) -> object:
        return self._value


def open_file(path: Path) -> sqlite3.Connection:
    """Open the log's file for one thread, checking whose it is and which format it has.

    Raises:
        LogTooNew: a newer Datmo wrote it.
        DamagedLog: it is not a log.
    """
    connection = sqlite3.connect(path, factory=CallableConnection, isolation_level=None, timeout=60)
    try:
        # Answers at once where another process creates the file: an empty one has format 0.
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        if found > FORMAT:
            raise LogTooNew(found, FORMAT)
        if found and application != APPLICATION_ID:
            raise DamagedLog(None, f"{path.name} is a database, but not of Datmo")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -16000")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise DamagedLog(None, f"{path.name} cannot be read as a database ({error})") from error
    except BaseException:
        connection.close()
        raise
    return connection


def create(connection: sqlite3.Connection) -> None:
    """Create the tables where the file has none. The caller holds the write lock."""
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found:
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    for statement in _CREATE:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")
