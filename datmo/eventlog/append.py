"""The append: one write transaction, whole or not at all.

Everything here is synchronous and runs on the writer's thread. Several requests share one transaction (group commit);
each keeps its own expectations, and one that is refused does not trouble the others.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from datmo.core.event import EXPECTATIONS, Appended, Event, Expected
from datmo.core.ids import event_ids
from datmo.errors import Conflict, DatmoError, InvalidArgument, LogError
from datmo.eventlog.chain import GENESIS, seal
from datmo.eventlog.codec import decode
from datmo.eventlog.headroom import Headroom
from datmo.eventlog.lock import WriteLock
from datmo.eventlog.request import Encoder, Request
from datmo.eventlog.schema import INSERT, INSERT_BARE
from datmo.eventlog.upcast import Schemas

__all__ = ["Appender", "Folding", "ViewsInLog"]

_MOST_VERSIONS = 65536
# Past the connection's own `execute`, which also takes functions.
_execute = sqlite3.Connection.execute
_MARK = "INSERT OR REPLACE INTO mark SELECT 'durable', coalesce(max(position), 0) FROM event"


class Folding(Protocol):
    """The views in the course of transactions: of one, or of several that nobody else's came between."""

    def fold(self, events: Iterable[Event]) -> None:
        """Take all events and fold them, all or none. May raise `Conflict`: then the append is refused."""
        ...

    def save(self) -> None:
        """Write the rows that were changed."""
        ...


class ViewsInLog(Protocol):
    """What the log asks of the views that are folded inside its transactions. It knows no projection."""

    def ready(self, connection: sqlite3.Connection) -> bool:
        """Say whether the views' tables are there and as this version folds them."""
        ...

    def rebuild(self, connection: sqlite3.Connection) -> None:
        """Make the views anew from the log. Called under the write lock."""
        ...

    def folding(self, connection: sqlite3.Connection) -> Folding:
        """Begin to fold, inside a transaction."""
        ...


_End = tuple[int, bytes, int]
"""Where the log ends: position, hash and time of its last event."""


@dataclass(slots=True)
class _Group:
    """What one transaction has staged so far, beginning where the log ends."""

    position: int
    hash: bytes
    recorded_us: int
    ids: Iterator[str]
    bare: list[tuple[Any, ...]] = field(default_factory=list)
    """The rows of events without a payload, as `INSERT_BARE` takes them."""
    full: list[tuple[Any, ...]] = field(default_factory=list)
    """Those of events with one, as `INSERT` takes them."""
    payloads: list[tuple[int, bytes]] = field(default_factory=list)


class Appender:
    """Appends groups of requests on one connection.

    Parameters:
        lock: taken around each transaction.
        views: folded in the same transaction.
        schemas: which schema version each type is written with.
        actor: who appends, as JSON.
        clock: microseconds since 1970.
        headroom: of the write-ahead file, made before what is to be durable is written.
    """

    def __init__(
        self,
        lock: WriteLock,
        views: ViewsInLog,
        schemas: Schemas,
        actor: str,
        *,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
        headroom: Headroom | None = None,
    ) -> None:
        self._lock = lock
        self._views = views
        self._encoder = Encoder(schemas, actor.encode())
        self._actor = actor
        self._clock = clock
        self._headroom = headroom
        self._synchronous = "FULL"
        self._tables: tuple[int] | None = None
        self._seen: tuple[int] | None = None
        # What was read is remembered from one transaction to the next, as long as no other connection has committed
        # anything since.
        self._end: _End | None = None
        self._versions: dict[str, int] = {}
        self._folding: Folding | None = None

    def commit(self, connection: sqlite3.Connection, requests: Sequence[Request], durable: bool) -> bool:
        """Append a group in one transaction and put each request's outcome on it.

        It is durable on return where that is asked for, else kept.

        Returns:
            Whether everything up to the log's end is durable now.
        """
        requests = [request for request in requests if self._prepare(request)]
        if not requests:
            return False
        try:
            with self._lock:
                self._synchronize(connection, durable)
                return self._commit(connection, requests) and durable
        except Exception as error:  # noqa: BLE001  # it becomes the outcome; the writer goes on
            for request in requests:
                request.outcome = _as_log_error(error)
            return False

    def _prepare(self, request: Request) -> bool:
        try:
            request.prepare(self._encoder)
        except DatmoError as error:
            request.outcome = error
            return False
        except Exception as error:  # noqa: BLE001  # the caller's own values may raise anything, and it is theirs alone
            request.outcome = InvalidArgument(f"the data cannot be stored ({type(error).__name__}: {error})")
            request.outcome.__cause__ = error
            return False
        return True

    def make_durable(self, connection: sqlite3.Connection) -> None:
        """Sync everything that was kept so far: the commit of any change syncs the whole write-ahead log."""
        try:
            with self._lock:
                self._synchronize(connection, durable=True)
                connection.execute(_MARK)
        except (OSError, sqlite3.Error) as error:
            raise _as_log_error(error) from error

    def _synchronize(self, connection: sqlite3.Connection, durable: bool) -> None:
        wanted = "FULL" if durable else "NORMAL"
        if wanted != self._synchronous:
            connection.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted

    def _commit(self, connection: sqlite3.Connection, requests: Sequence[Request]) -> bool:
        try:
            return self._transaction(connection, requests)
        except Exception as error:  # noqa: BLE001  # it becomes the outcome
            self._end = None
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if len(requests) > 1 and not isinstance(error, sqlite3.OperationalError):
                # A view refuses to save what one of them changes. By halves, so that the others need few commits.
                half = len(requests) // 2
                first = self._commit(connection, requests[:half])
                return self._commit(connection, requests[half:]) or first
            for request in requests:
                request.outcome = _as_log_error(error)
            return False

    def _transaction(self, connection: sqlite3.Connection, requests: Sequence[Request]) -> bool:
        """Do it all, and say whether anything was written."""
        group = self._begin(connection)
        if self._folding is None:
            self._folding = self._views.folding(connection)
        folding = self._folding
        for request in requests:
            try:
                request.outcome = _landed(connection, request) or self._stage(connection, group, folding, request)
            except sqlite3.Error:
                raise  # the transaction itself is in doubt, not this one request
            except Exception as error:  # noqa: BLE001  # likewise
                request.outcome = _as_log_error(error)
        if written := bool(group.bare or group.full):
            if group.bare:
                connection.executemany(INSERT_BARE, group.bare)
            if group.full:
                connection.executemany(INSERT, group.full)
                connection.executemany("INSERT INTO payload VALUES (?, ?)", group.payloads)
            folding.save()
        elif written := any(isinstance(request.outcome, Appended) for request in requests):
            # Only tries again: where the first ones landed may not have been synced yet, and this makes it so.
            _execute(connection, _MARK)
        _execute(connection, "COMMIT")
        self._end = group.position, group.hash, group.recorded_us
        return written

    def _begin(self, connection: sqlite3.Connection) -> _Group:
        _execute(connection, "BEGIN IMMEDIATE")
        if self._headroom is not None and self._synchronous == "FULL":
            self._headroom.make()
        # SQLite counts what other connections commit, whatever it is, and not what this one does.
        if (seen := _execute(connection, "PRAGMA data_version").fetchone()) != self._seen or self._end is None:
            self._end, self._seen = self._look(connection), seen
        elif len(self._versions) > _MOST_VERSIONS:
            self._versions.clear()
        position, previous, last_us = self._end
        now_us = max(self._clock(), last_us)
        return _Group(position, previous, now_us, event_ids(now_us))

    def _look(self, connection: sqlite3.Connection) -> _End:
        """Find out where the log ends, and make sure that the views are ours.

        A Datmo of another version may have made them anew as its own.
        """
        if _execute(connection, "PRAGMA schema_version").fetchone() != self._tables:
            if not self._views.ready(connection):
                _execute(connection, "ROLLBACK")
                self._views.rebuild(connection)
                _execute(connection, "BEGIN IMMEDIATE")
            self._tables = _execute(connection, "PRAGMA schema_version").fetchone()
        last = _execute(connection, "SELECT position, hash, recorded_at FROM event ORDER BY position DESC LIMIT 1")
        self._versions.clear()
        self._folding = None
        return last.fetchone() or (0, GENESIS, 0)

    def _stage(self, connection: sqlite3.Connection, group: _Group, folding: Folding, request: Request) -> Appended:
        """Check, seal and fold a request's events; only then do they belong to the group."""
        for stream, expected in request.streams.items():
            _check(stream, expected, self._version(connection, stream))
        position, previous, bare, full = group.position, group.hash, len(group.bare), len(group.full)
        try:
            folding.fold(self._seal(connection, group, request))
        except BaseException:
            for row in group.bare[bare:] + group.full[full:]:
                self._versions[row[2]] = min(self._versions[row[2]], row[3] - 1)
            group.position, group.hash = position, previous
            del group.bare[bare:], group.full[full:], group.payloads[full:]
            raise
        return Appended(position + 1, group.position)

    def _seal(self, connection: sqlite3.Connection, group: _Group, request: Request) -> Iterator[Event]:
        """Add a request's events to the group, and yield what a reader will see of each."""
        recorded_us, ids, versions, make_event = group.recorded_us, group.ids, self._versions, tuple.__new__
        actor, correlation, in_bytes = self._actor, request.correlation, request.correlation.encode()
        for ordinal, (stream, event_type, named, schema, digest, data, payload) in enumerate(request.encoded):
            position = group.position + 1
            event_id = next(ids) if ordinal or request.key is None else request.key
            version = (versions.get(stream) or self._version(connection, stream)) + 1
            sealed = seal(
                group.hash, position, version, schema, recorded_us, ordinal,
                event_id.encode(), named, in_bytes, digest, data,
            )  # fmt: skip
            # The module looks long for an adapter of each `bytes` or None that it is given, for a bytearray it does
            # not: that alone halves the time that an insert takes.
            row = (
                position, event_id, stream, version, event_type, schema, recorded_us,
                actor, correlation, ordinal, bytearray(sealed), bytearray(data),
            )  # fmt: skip
            if digest is None or payload is None:
                group.bare.append(row)
            else:
                group.full.append((*row[:10], bytearray(digest), *row[10:]))
                group.payloads.append((position, payload))
            # Only now: what could fail, for want of memory above all, has not, and `_stage` goes by the rows.
            versions[stream], group.position, group.hash = version, position, sealed
            # Decoded from the stored bytes, so that a replay sees nothing else. `Event(...)` would take twice as long.
            yield make_event(Event, (
                position, event_id, stream, version, event_type, schema, recorded_us,
                actor, correlation, ordinal, digest, sealed, decode(data),
            ))  # fmt: skip

    def _version(self, connection: sqlite3.Connection, stream: str) -> int:
        version = self._versions.get(stream)
        if version is None:
            row = _execute(connection, "SELECT max(version) FROM event WHERE stream = ?", (stream,)).fetchone()
            version = self._versions[stream] = row[0] or 0
        return version


def _check(stream: str, expected: EXPECTATIONS, found: int) -> None:
    match expected:
        case Expected.ANY:
            return
        case Expected.NONE:
            fits, wanted = found == 0, "no event"
        case Expected.EXISTS:
            fits, wanted = found > 0, "at least one event"
        case _:
            fits, wanted = found == expected, f"version {expected}"
    if not fits:
        raise Conflict(f"{stream} is at version {found}, the append expects {wanted}", hint="read it again, then retry")


def _landed(connection: sqlite3.Connection, request: Request) -> Appended | None:
    """Return where an earlier try with the same key landed.

    Raises:
        Conflict: the key was used for another append.
    """
    if request.key is None:
        return None
    row = _execute(connection, "SELECT position FROM event WHERE ordinal = 0 AND id = ?", (request.key,)).fetchone()
    if row is None:
        return None
    first: int = row[0]
    found = _execute(
        connection,
        "SELECT stream, type, ordinal FROM event WHERE position >= ? ORDER BY position LIMIT ?",
        (first, len(request.encoded) + 1),
    ).fetchall()
    asked = [(event[0], event[1], ordinal) for ordinal, event in enumerate(request.encoded)]
    if found[: len(asked)] != asked or (len(found) > len(asked) and found[-1][2] != 0):
        raise Conflict(f"the key {request.key} belongs to another append, at position {first}")
    return Appended(first, first + len(asked) - 1)


def _as_log_error(error: Exception) -> DatmoError:
    """Return what the caller of an append is told."""
    if isinstance(error, DatmoError):
        return error
    failed: LogError
    if isinstance(error, sqlite3.IntegrityError):
        failed = Conflict(f"a view refuses the append ({error})", hint="read it again, then retry")
    elif isinstance(error, sqlite3.Error | OSError):
        failed = LogError(f"the log could not be written ({error})", hint="is the disk full, or read-only?")
    else:
        failed = LogError(f"the views cannot hold what was to be appended ({type(error).__name__}: {error})")
    failed.__cause__ = error
    return failed
