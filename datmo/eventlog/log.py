"""The event log: append, read, follow, verify."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from orjson import JSONDecodeError

from datmo.core.event import EXPECTATIONS, Appended, Event, Expected, NewEvent, microseconds
from datmo.core.ids import new_id
from datmo.errors import DamagedLog, LogError
from datmo.eventlog.append import Appender, ViewsInLog
from datmo.eventlog.codec import encode
from datmo.eventlog.connection import ThreadConnection
from datmo.eventlog.erase import erase, shrink, worth_shrinking
from datmo.eventlog.headroom import Headroom
from datmo.eventlog.lock import WriteLock
from datmo.eventlog.read import PAGE, Selection, head, payload, position_at, read_page
from datmo.eventlog.request import Request, check_key
from datmo.eventlog.schema import create_file, open_file
from datmo.eventlog.upcast import Schemas
from datmo.eventlog.verify import LogReport, verify_file
from datmo.eventlog.watch import Follower, Watch
from datmo.eventlog.writer import Writer

__all__ = ["EventLog", "correlation"]

T = TypeVar("T")

correlation: ContextVar[str | None] = ContextVar("correlation", default=None)
"""The id of the command that causes what is appended; one append outside a command gets an id of its own."""


class EventLog:
    """An append-only log in one SQLite file, open to many processes at once. Made by `EventLog.open`.

    Two connections, each with a thread: one reads, one writes; the second is opened by the first append, so that
    reading commands do without it.
    """

    _workers: TaskGroup

    def __init__(
        self, path: Path, views: ViewsInLog, schemas: Schemas, reader: ThreadConnection, lock: WriteLock
    ) -> None:
        self.path = path
        self.schemas = schemas
        self._views = views
        self._reader = reader
        self._lock = lock
        self._watch = Watch(self.query)
        self._opening = anyio.Lock()
        self._closed = False
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
        lock = WriteLock(path.with_suffix(".lock"))

        def connect() -> sqlite3.Connection:
            create_file(path, lock)
            return open_file(path)

        reader = await ThreadConnection.open(connect)
        log = cls(path, views, schemas, reader, lock)
        try:
            await log.query(log._prepare)
            failure: BaseException | None = None
            async with anyio.create_task_group() as log._workers:
                try:
                    yield log
                except anyio.get_cancelled_exc_class():
                    raise
                except BaseException as error:  # noqa: BLE001
                    failure = error  # it leaves the task group as itself, not in an exception group
                finally:
                    log._closed = True
                    log._watch.close()
                    if log._writer is not None:
                        log._writer.close()
            if failure is not None:
                raise failure
            if log._writer is not None and log._writer.failure is not None:
                raise log._writer.failure
        finally:
            if log._writing is not None:
                await log._writing.aclose()
            await reader.aclose()
            lock.close()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if not self._views.ready(connection):
            with self._lock:
                if not self._views.ready(connection):
                    self._views.rebuild(connection)

    async def append(
        self,
        *events: NewEvent,
        expected: EXPECTATIONS | Mapping[str, EXPECTATIONS] = Expected.ANY,
        key: str | None = None,
        durable: bool = True,
    ) -> Appended:
        """Append events, all or none, in one transaction with the views they change.

        Parameters:
            events: at least one; they may belong to several streams. Their data is encoded on the writing thread: it
                must not be changed before the append returns.
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
        self._reader.check()
        if key is not None:
            check_key(key)
        writer = self._writer or await self._start_writer()
        return await writer.append(Request(events, expected, key, correlation.get() or new_id(), durable))

    async def _start_writer(self) -> Writer:
        async with self._opening:
            if self._writer is None:
                writing = await ThreadConnection.open(partial(open_file, self.path))
                if self._closed:
                    await writing.aclose()
                    raise LogError("the log was closed before the append was written")
                self._writing = writing
                headroom = Headroom(f"{self.path}-wal")
                appender = Appender(self._lock, self._views, self.schemas, _actor(), headroom=headroom)
                self._writer = Writer(self._writing, appender)
                self._workers.start_soon(self._writer.run, name=f"log writer {self.path}")
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
            size = PAGE if limit is None else min(limit, PAGE)
            page = await self._reader.run(partial(read_page, selection=selection, schemas=self.schemas, limit=size))
            for event in page.events:
                yield event
            if page.damage is not None:
                raise page.damage
            if len(page.events) < size:
                return
            if limit is not None:
                limit -= size
            selection = selection.behind(page.events[-1].position)

    async def follow(
        self, *, after: int | None = None, stream: str | None = None, types: Sequence[str] = ()
    ) -> AsyncIterator[Event]:
        """Yield events as they are appended, by this process or another, for ever.

        Parameters:
            after: the position to start behind; None starts at the present end.
            stream, types: as in `read`.

        Raises:
            LogError: the log was closed meanwhile.
            DamagedLog: an event cannot be read; events before it have been yielded.
        """
        follower = Follower(stream, tuple(types))
        try:
            await self._watch.join(self._workers, follower)
            end = (await self.head())[0]
            position = end if after is None else after
            while True:
                if end > position:  # it may be told of what it saw at the beginning
                    async for event in self.read(after=position, upto=end, stream=stream, types=types):
                        yield event
                    position = end
                end = await follower.news()
        finally:
            self._watch.leave(follower)

    async def head(self) -> tuple[int, str]:
        """Return the last position and its hash in hexadecimal; 0 and nothing for an empty log."""
        position, digest = await self.query(head)
        return position, digest.hex()

    async def position_at(self, recorded_us: int) -> int:
        """Return the last position recorded at or before a time in microseconds, 0 where there is none."""
        return await self.query(partial(position_at, recorded_us=recorded_us))

    async def payload(self, position: int) -> bytes | None:
        """Return the payload of one event; None where it has none or it was erased."""
        return await self.query(partial(payload, position=position))

    async def erase(self, positions: Sequence[int], progress: Callable[[int], None] | None = None) -> None:
        """Erase payloads. The caller has appended `payload.erased` events that name them; the events stay.

        Parameters:
            positions: of the events that they lie beside.
            progress: told how many were erased, from the writing thread.

        Raises:
            LogError: they cannot be erased; those that were not are found by a search for payloads of erased events.
        """
        await self._write(partial(erase, lock=self._lock, positions=positions, progress=progress))

    async def shrink(self) -> None:
        """Give the room of what was erased back to the disk, where that is half of the file or more.

        Raises:
            LogError: it cannot be done; the log is as it was.
        """
        if await self.query(worth_shrinking):
            await self._write(partial(shrink, lock=self._lock))

    async def _write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do something on the writing thread."""
        if self._writer is None:
            await self._start_writer()
        writing = self._writing
        if writing is not None:
            await writing.run(work)

    async def query(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what a function reads from the log and its views; it runs on the reading thread and must not write.

        Raises:
            LogError: the file cannot be read.
            DamagedLog: what is in it is not what was written.
        """
        try:
            return await self._reader.run(work)
        except sqlite3.OperationalError as error:
            raise LogError(
                f"the log or its views could not be read ({error})", hint="`datmo log verify` checks the file"
            ) from error
        except (sqlite3.DatabaseError, JSONDecodeError) as error:
            raise DamagedLog(None, f"the log or its views could not be read ({error})") from error

    async def verify(self, progress: Callable[[int, int], None] | None = None) -> LogReport:
        """Check every stored byte; see `datmo.eventlog.verify`."""
        return await anyio.to_thread.run_sync(verify_file, self.path, progress)


def _actor() -> str:
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    program = Path(sys.argv[0])
    # `python -m` names a file.
    name = program.parent.name if program.name == "__main__.py" else program.name
    actor = {"user": user, "host": socket.gethostname(), "pid": os.getpid(), "program": name or "python"}
    return encode(actor).decode()
