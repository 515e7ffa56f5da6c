"""The tables of the log, and the file that holds them."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from datmo.errors import DamagedLog, LogError, LogTooNew
from datmo.eventlog.lock import WriteLock

__all__ = [
    "APPLICATION_ID",
    "COLUMNS",
    "FORMAT",
    "INSERT",
    "INSERT_BARE",
    "SELECT",
    "create_file",
    "open_file",
    "tables",
]

APPLICATION_ID = 0x64746D6F
"""`dtmo`: how the file says whose it is."""

FORMAT = 1
"""Counts up when an older Datmo could no longer read the file."""

COLUMNS = "position, id, stream, version, type, schema, recorded_at, actor, correlation, ordinal, digest, hash, data"
SELECT = f"SELECT {COLUMNS} FROM event"
INSERT = f"INSERT INTO event ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_BARE = f"INSERT INTO event ({COLUMNS.replace(' digest,', '')}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
"""The same without a digest, which an event without a payload has none of."""

# Time needs no index: it never falls as positions rise, so a search by halves finds it. Only the first event of an
# append is indexed by its id, because only that one is an idempotency key. Data is last, so that what lies before it
# is read without it.
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
        digest BLOB,
        hash BLOB NOT NULL,
        data BLOB NOT NULL
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

    def execute(self, work: Any, parameters: Any = (), /) -> Any:
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
        LogError: it cannot be opened.
    """
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            factory=CallableConnection,
            isolation_level=None,
            timeout=60,
            uri=True,
        )
    except sqlite3.OperationalError as error:
        raise LogError(f"{path} cannot be opened ({error})", hint="is it there, and may you write it?") from error
    try:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        if application != APPLICATION_ID:
            raise DamagedLog(None, f"{path.name} is a database, but not of Datmo")
        if found > FORMAT:
            raise LogTooNew(found, FORMAT)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -16000")
        # A reader that takes long lets the write-ahead log grow; afterwards it shrinks to this again.
        connection.execute("PRAGMA journal_size_limit = 67108864")
    except sqlite3.OperationalError as error:
        connection.close()
        raise LogError(f"{path} cannot be read ({error})", hint="may you write in its folder?") from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise DamagedLog(None, f"{path.name} cannot be read as a database ({error})") from error
    except BaseException:
        connection.close()
        raise
    return connection


def create_file(path: Path, lock: WriteLock) -> None:
    """Create the log's file where there is none.

    It is made beside and renamed, so that no process ever sees half of it, or is told that it is locked.

    Raises:
        DamagedLog: the file is missing, yet its write-ahead log is there.
        LogError: it cannot be created.
    """
    if _exists(path):
        return
    try:
        with lock:
            if not _exists(path):
                _create(path)
    except (OSError, sqlite3.Error) as error:
        raise LogError(f"{path} cannot be created ({error})", hint="may you write in its folder?") from error


def _exists(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def _create(path: Path) -> None:
    if path.with_name(path.name + "-wal").exists():
        raise DamagedLog(None, f"{path.name} is missing, but {path.name}-wal is there")
    beside = path.with_name(path.name + ".new")
    for left in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.unlink(f"{beside}{left}")
    with closing(sqlite3.connect(beside, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        tables(connection)
    os.rename(beside, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def tables(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty database, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in _CREATE:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")
