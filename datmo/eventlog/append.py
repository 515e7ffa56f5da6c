"""The append: one write transaction, whole or not at all.

Everything here is synchronous and runs on the writer's thread. Several requests share one transaction (group commit);
each keeps its own expectations, and one that is refused does not trouble the others.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from datmo.core.event import EXPECTATIONS, Appended, Event, Expected
from datmo.core.ids import event_ids
from datmo.errors import Conflict, DatmoError, LogError
from datmo.eventlog.chain import GENESIS, seal
from datmo.eventlog.codec import decode
from datmo.eventlog.lock import WriteLock
from datmo.eventlog.schema import INSERT

__all__ = ["Appender", "EncodedEvent", "Request", "ViewsInLog"]


class ViewsInLog(Protocol):
    """What the log asks of the views that are folded inside its transactions. It knows no projection."""

    def ready(self, connection: sqlite3.Connection) -> bool:
        """Say whether the views' tables are there and as this version folds them."""
        ...

    def rebuild(self, connection: sqlite3.Connection) -> None:
        """Make the views anew from the log. Called under the write lock."""
        ...

    def fold(self, connection: sqlite3.Connection, events: Sequence[Event]) -> None:
        """Bring the views up to these events. May raise `Conflict`: then the append is refused."""
        ...


class EncodedEvent(NamedTuple):
    """An event that is ready for its row."""

    stream: str
    type: str
    schema: int
    data: bytes
    payload: bytes | None
    digest: bytes | None


@dataclass(slots=True)
class Request:
    """One append that somebody asks for, and its outcome."""

    events: Sequence[EncodedEvent]
    expected: Mapping[str, EXPECTATIONS]
    key: str | None
    correlation: str
    durable: bool
    outcome: Appended | Exception | None = None


@dataclass(slots=True)
class _Group:
    """What one transaction has staged so far."""

    position: int
    hash: bytes
    recorded_us: int
    ids: Any
    versions: dict[str, int] = field(default_factory=dict)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    payloads: list[tuple[int, bytes]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


class Appender:
    """Appends groups of requests on one connection.

    Parameters:
        lock: taken around each transaction.
        views: folded in the same transaction.
        actor: who appends, as JSON.
        clock: microseconds since 1970.
    """

    def __init__(
        self,
        lock: WriteLock,
        views: ViewsInLog,
        actor: str,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._lock = lock
        self._views = views
        self._actor = actor
        self._actor_bytes = actor.encode()
        self._clock = clock
        self._synchronous = "FULL"

    def commit(self, connection: sqlite3.Connection, requests: Sequence[Request]) -> None:
        """Append a group in one transaction and put each request's outcome on it.

        It is durable on return when one of the requests asks for it, else kept.
        """
        durable = any(request.durable for request in requests)
        with self._lock.hold():
            self._synchronize(connection, durable)
            if len(requests) == 1 or not self._attempt(connection, requests):
                # One of the group broke the transaction: alone, each gets its own outcome.
                for request in requests:
                    self._attempt(connection, [request])

    def make_durable(self, connection: sqlite3.Connection) -> None:
        """Sync everything that was kept so far: the commit of any change syncs the whole write-ahead log."""
        with self._lock.hold():
            self._synchronize(connection, durable=True)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT OR REPLACE INTO mark VALUES ('durable', (SELECT max(position) FROM event))")
            connection.execute("COMMIT")

    def _synchronize(self, connection: sqlite3.Connection, durable: bool) -> None:
        wanted = "FULL" if durable else "NORMAL"
        if wanted != self._synchronous:
            connection.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted

    def _attempt(self, connection: sqlite3.Connection, requests: Sequence[Request]) -> bool:
        """Try one transaction; with a single request, whatever is wrong becomes its outcome."""
        for request in requests:
            request.outcome = None
        try:
            self._transaction(connection, requests)
        except Exception as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if len(requests) > 1:
                return False
            requests[0].outcome = _as_log_error(error)
        return True

    def _transaction(self, connection: sqlite3.Connection, requests: Sequence[Request]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        last = connection.execute(
            "SELECT position, hash, recorded_at FROM event ORDER BY position DESC LIMIT 1"
        ).fetchone()
        now_us = self._clock()
        position, previous, last_us = last or (0, GENESIS, 0)
        now_us = max(now_us, last_us)
        group = _Group(position, previous, now_us, event_ids(now_us))
        for request in requests:
            try:
                request.outcome = _landed(connection, request) or self._stage(connection, group, request)
            except Conflict as error:
                request.outcome = error
        if group.rows:
            connection.executemany(INSERT, group.rows)
            if group.payloads:
                connection.executemany("INSERT INTO payload VALUES (?, ?)", group.payloads)
            self._views.fold(connection, group.events)
        connection.execute("COMMIT")

    def _stage(self, connection: sqlite3.Connection, group: _Group, request: Request) -> Appended:
        """Add a request's rows to the group."""
        for stream, expected in request.expected.items():
            _check(stream, expected, _version(connection, group, stream))
        position, previous, recorded_us = group.position, group.hash, group.recorded_us
        actor, actor_bytes, correlation = self._actor, self._actor_bytes, request.correlation
        correlation_bytes = correlation.encode()
        versions, rows, events, ids = group.versions, group.rows, group.events, group.ids
        for ordinal, (stream, event_type, schema, data, payload, digest) in enumerate(request.events):
            position += 1
            event_id = request.key if request.key is not None and not ordinal else next(ids)
            version = versions[stream] = _version(connection, group, stream) + 1
            previous = seal(
                previous,
                position,
                event_id.encode(),
                stream.encode(),
                version,
                event_type.encode(),
                schema,
                recorded_us,
                actor_bytes,
                correlation_bytes,
                ordinal,
                data,
                digest,
            )
            head = (position, event_id, stream, version, event_type, schema, recorded_us, actor, correlation, ordinal)
            rows.append((*head, data, digest, previous))
            # Folded from the stored bytes, so that a replay cannot see anything else.
            events.append(Event(*head, decode(data), digest, previous))
            if payload is not None:
                group.payloads.append((position, payload))
        landed = Appended(group.position + 1, position)
        group.position, group.hash = position, previous
        return landed


def _version(connection: sqlite3.Connection, group: _Group, stream: str) -> int:
    version = group.versions.get(stream)
    if version is None:
        row = connection.execute("SELECT max(version) FROM event WHERE stream = ?", (stream,)).fetchone()
        version = group.versions[stream] = row[0] or 0
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
    """Return where an earlier try with the same key landed."""
    if request.key is None:
        return None
    row = connection.execute("SELECT position FROM event WHERE ordinal = 0 AND id = ?", (request.key,)).fetchone()
    if row is None:
        return None
    first: int = row[0]
    return Appended(first, first + len(request.events) - 1)


def _as_log_error(error: Exception) -> Exception:
    if isinstance(error, DatmoError):
        return error
    if isinstance(error, sqlite3.IntegrityError):
        conflict = Conflict(f"a view refuses the append ({error})", hint="read it again, then retry")
        conflict.__cause__ = error
        return conflict
    if isinstance(error, sqlite3.Error):
        failed = LogError(f"the log could not be written ({error})", hint="is the disk full, or read-only?")
        failed.__cause__ = error
        return failed
    return error
