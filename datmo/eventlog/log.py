"""The event log: append, read, follow, verify."""

from __future__ import annotations

import getpass
import os
import re
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from datmo.core.event import EXPECTATIONS, Appended, Event, Expected, NewEvent, microseconds
from datmo.core.ids import new_id
from datmo.errors import InvalidArgument
from datmo.eventlog.append import Appender, EncodedEvent, Request, ViewsInLog
from datmo.eventlog.codec import encode
from datmo.eventlog.connection import ThreadConnection
from datmo.eventlog.lock import WriteLock
from datmo.eventlog.read import Selection, head, payload, position_at, read_page
from datmo.eventlog.schema import create
from datmo.eventlog.upcast import Schemas
from datmo.eventlog.verify import LogReport, verify_file
from datmo.eventlog.writer import Writer

__all__ = ["EventLog", "correlation"]

T = TypeVar("T")

correlation: ContextVar[str | None] = ContextVar("correlation", default=None)
"""The id of the command that causes what is appended; one append outside a command gets an id of its own."""

_FOLLOW_EVERY = 0.02
_STREAM = re.compile(r"[a-z_]+/[^\s*?\[\]]{1,200}")
_TYPE = re.compile(r"[a-z_]+\.[a-z_]+")


class EventLog:
    """An append-only log in one SQLite file, open to many processes at once. Made by `EventLog.open`.

    Two connections, each with a thread: one reads, one writes; the second is opened by the first append, so that
    reading commands do without it.
    """

    def __init__(
        self, path: Path, views: ViewsInLog, schemas: Schemas, reader: ThreadConnection, workers: TaskGroup
    ) -> None:
        self.path = path
        self.schemas = schemas
        self._views = views
        self._reader = reader
        self._workers = workers
        self._lock = WriteLock(path.with_suffix(".lock"))
        self._opening = anyio.Lock()
        self._writer: Writer | None = None
        self._writing: ThreadConnection | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, views: ViewsInLog, schemas: Schemas) -> AsyncIterator[EventLog]:
        """Open a log, making it where there is none, and bring its views to the version of this program.

        Parameters:
            path: the database file; its folder must exist.
            views: folded inside each append's transaction.
            schemas: the event types that are known here.

        Raises:
            LogTooNew: a newer Datmo wrote it.
            DamagedLog: the file is no log.
        """
        reader = await ThreadConnection.open(path)
        log: EventLog | None = None
        try:
            async with anyio.create_task_group() as workers:
                log = cls(path, views, schemas, reader, workers)
                await log._prepare()
                try:
                    yield log
                finally:
                    if log._writer is not None:
                        log._writer.close()
        finally:
            if log is not None:
                if log._writing is not None:
                    await log._writing.aclose()
                log._lock.close()
            await reader.aclose()

    async def _prepare(self) -> None:
        def ready(connection: sqlite3.Connection) -> bool:
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            return bool(found) and self._views.ready(connection)

        def make(connection: sqlite3.Connection) -> None:
            with self._lock.hold():
                create(connection)
                if not self._views.ready(connection):
                    self._views.rebuild(connection)

        if not await self._reader.run(ready):
            await self._reader.run(make)

    async def append(
        self,
        *events: NewEvent,
        expected: EXPECTATIONS | Mapping[str, EXPECTATIONS] = Expected.ANY,
        key: str | None = None,
        durable: bool = True,
    ) -> Appended:
        """Append events, all or none, in one transaction with the views they change.

        Parameters:
            events: at least one; they may belong to several streams.
            expected: what the streams must be like: an exact version or an `Expected`, for the one stream of the
                events or as a mapping for several.
            key: an idempotency key, a UUID chosen before the first try (it becomes the first event's id): an append
                that is tried again with it, because a cancel or a crash hid the outcome of the first try, is not
                written twice and returns where the first one landed.
            durable: return when the events survive power loss; False returns when they survive the death of this
                process, and they become durable within a second.

        Returns:
            Where they landed.

        Raises:
            Conflict: a stream is not as expected, or a view refuses; nothing was written.
            InvalidArgument: an event's stream, type or data cannot be stored; nothing was written.
        """
        encoded = [self._encode(event) for event in events]
        if not encoded:
            raise InvalidArgument("an append needs at least one event")
        if not isinstance(expected, Mapping):
            expected = self._for_one_stream(encoded, expected)
        writer = self._writer or await self._start_writer()
        return await writer.append(Request(encoded, expected, key, correlation.get() or new_id(), durable))

    def _encode(self, event: NewEvent) -> EncodedEvent:
        stream, event_type, data, content = event
        if _STREAM.fullmatch(stream) is None:
            raise InvalidArgument(f"a stream is named <kind>/<id>, not {stream!r}")
        if _TYPE.fullmatch(event_type) is None:
            raise InvalidArgument(f"an event type is named <kind>.<past participle>, not {event_type!r}")
        digest = None if content is None else sha256(content).digest()
        return EncodedEvent(stream, event_type, self.schemas.current(event_type), encode(data), content, digest)

    @staticmethod
    def _for_one_stream(events: Sequence[EncodedEvent], expected: EXPECTATIONS) -> Mapping[str, EXPECTATIONS]:
        if expected is Expected.ANY:
            return {}
        streams = {event.stream for event in events}
        if len(streams) > 1:
            raise InvalidArgument("events of several streams need `expected` as a mapping from stream to expectation")
        return {streams.pop(): expected}

    async def _start_writer(self) -> Writer:
        async with self._opening:
            if self._writer is None:
                self._writing = await ThreadConnection.open(self.path)
                self._writer = Writer(self._writing, Appender(self._lock, self._views, _actor()))
                await self._workers.start(self._writer.run, name=f"log writer {self.path}")
            return self._writer

    async def read(
        self,
        *,
        after: int = 0,
        upto: int | None = None,
        stream: str | None = None,
        types: Sequence[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        backward: bool = False,
        limit: int | None = None,
    ) -> AsyncIterator[Event]:
        """Yield events in the order of their positions.

        Parameters:
            after: only positions above it.
            upto: only positions up to it.
            stream: one stream (`task/4fk2…`, whole) or all of a kind (`task/*`).
            types: only these types, exact or by kind (`task.*`).
            since: only events recorded at or after it.
            until: only events recorded at or before it.
            backward: newest first.
            limit: at most that many.

        Raises:
            DamagedLog: an event cannot be read; events before it have been yielded.
        """
        if since is not None:
            after = max(after, await self.position_at(microseconds(since) - 1))
        if until is not None:
            last = await self.position_at(microseconds(until))
            upto = last if upto is None else min(upto, last)
        selection = Selection(after, upto, stream, tuple(types), backward)
        while limit is None or limit > 0:
            size = 512 if limit is None else min(limit, 512)
            page = await self._reader.run(partial(read_page, selection=selection, schemas=self.schemas, limit=size))
            for event in page:
                yield event
            if len(page) < size:
                return
            if limit is not None:
                limit -= len(page)
            selection = selection.behind(page[-1].position)

    async def follow(
        self, *, after: int | None = None, stream: str | None = None, types: Sequence[str] = ()
    ) -> AsyncIterator[Event]:
        """Yield events as they are appended, by this process or another, for ever.

        SQLite counts the commits that others make; asking for that count every 20 ms is next to nothing.

        Parameters:
            after: the position to start behind; None starts at the present end.
            stream, types: as in `read`.
        """
        position = (await self.head())[0] if after is None else after
        seen: int | None = None
        while True:
            commits: int = await self._reader.run(_commits)
            if commits == seen:
                await anyio.sleep(_FOLLOW_EVERY)
                continue
            seen = commits
            end = (await self.head())[0]
            async for event in self.read(after=position, upto=end, stream=stream, types=types):
                yield event
            position = end

    async def head(self) -> tuple[int, str]:
        """Return the last position and its hash in hexadecimal; 0 and nothing for an empty log."""
        position, digest = await self._reader.run(head)
        return position, digest.hex()

    async def position_at(self, recorded_us: int) -> int:
        """Return the last position recorded at or before a time in microseconds, 0 where there is none."""
        return await self._reader.run(partial(position_at, recorded_us=recorded_us))

    async def payload(self, position: int) -> bytes | None:
        """Return the payload of one event; None where it has none or it was erased."""
        return await self._reader.run(partial(payload, position=position))

    async def query(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what a function reads from the views; it runs on the reading thread and must not write."""
        return await self._reader.run(work)

    async def verify(self) -> LogReport:
        """Check every stored byte; see `datmo.eventlog.verify`."""
        return await anyio.to_thread.run_sync(verify_file, self.path)


def _commits(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("PRAGMA data_version").fetchone()
    return int(count)


def _actor() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    program = os.path.basename(sys.argv[0]) or "python"
    return encode({"user": user, "host": socket.gethostname(), "pid": os.getpid(), "program": program}).decode()
