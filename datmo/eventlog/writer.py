"""The writer: the one place of a process that appends.

An append that finds the connection idle is committed at once, from its caller's own task: nothing is handed over.
Those that come meanwhile wait; one worker takes all that are waiting, commits them as one group, and wakes their
callers. Either way a transaction is one function on the connection's thread, which no cancelled caller can cut short.
Appends that nobody waits for are kept at once and made durable by the next durable commit, at most a second later.
"""

from __future__ import annotations

from asyncio import Future, get_running_loop
from collections import deque
from collections.abc import Sequence
from functools import partial
from math import inf

import anyio

from datmo.core.event import Appended
from datmo.errors import LogError
from datmo.eventlog.append import Appender
from datmo.eventlog.connection import ThreadConnection
from datmo.eventlog.request import Request

__all__ = ["Writer"]

# A group costs one sync however long it is: beyond this, longer only means that other processes wait longer.
_GROUP_EVENTS = 2048
_DURABLE_AFTER = 1.0


class Writer:
    """Appends, and runs as one worker in the log's task group; see `run`.

    Nothing bounds the queue but that each caller waits for its own append: it cannot grow beyond the callers.

    Parameters:
        connection: a connection of its own.
        appender: what it commits with.
    """

    def __init__(self, connection: ThreadConnection, appender: Appender) -> None:
        self._connection = connection
        self._appender = appender
        self._waiting: deque[tuple[Request, Future[None]]] = deque()
        self._wake = anyio.Event()
        self._busy = False
        self._closed = False
        self._durable_by = inf
        self.failure: LogError | None = None
        """Why the last appends that nobody waited for could not be made durable before the end."""

    async def append(self, request: Request) -> Appended:
        """Return where a request landed, once it is as safe as it asks to be."""
        if self._closed:
            raise LogError("the log was closed before the append was written")
        if self._busy or self._waiting:
            done: Future[None] = get_running_loop().create_future()
            self._waiting.append((request, done))
            await done
        else:
            await self._commit([request])
        if isinstance(request.outcome, Appended):
            return request.outcome
        raise request.outcome or LogError("the log was closed before the append was written")

    def close(self) -> None:
        """Take no more requests; `run` ends when those that were handed over are done."""
        self._closed = True
        self._wake.set()

    async def run(self) -> None:
        """Commit groups until `close`. Not to be cancelled: what was handed over is committed, and made durable."""
        try:
            with anyio.CancelScope(shield=True):
                await self._run()
        finally:
            self._closed = True
            for _, done in self._waiting:
                _wake(done)

    async def _run(self) -> None:
        while True:
            if self._busy:
                await self._woken(inf)
            elif self._waiting:
                await self._commit_waiting()
            elif self._closed or anyio.current_time() >= self._durable_by:
                await self._make_durable()
                if self._closed and not self._waiting and not self._busy:
                    return
            else:
                await self._woken(self._durable_by)

    async def _woken(self, deadline: float) -> None:
        self._wake = anyio.Event()
        with anyio.move_on_at(deadline):
            await self._wake.wait()

    async def _commit_waiting(self) -> None:
        """Commit one group; requests whose callers went away before their turn are dropped."""
        requests: list[Request] = []
        waiters: list[Future[None]] = []
        events = 0
        while self._waiting and events < _GROUP_EVENTS:
            request, done = self._waiting.popleft()
            if not done.done():
                requests.append(request)
                waiters.append(done)
                events += len(request.events)
        if requests:
            try:
                await self._commit(requests)
            finally:
                for done in waiters:
                    _wake(done)

    async def _commit(self, requests: Sequence[Request]) -> None:
        durable = any(request.durable for request in requests) or anyio.current_time() >= self._durable_by
        synced = False
        self._busy = True
        try:
            work = partial(self._appender.commit, requests=requests, durable=durable)
            synced = await self._connection.run(work)
        finally:
            # Where the caller was cancelled the thread still works on it; what comes next waits there for its turn.
            self._busy = False
            if synced:
                self._durable_by = inf
            elif not durable and any(not isinstance(request.outcome, Exception) for request in requests):
                self._durable_by = min(self._durable_by, anyio.current_time() + _DURABLE_AFTER)
            if self._waiting or self._closed or self._durable_by < inf:
                self._wake.set()

    async def _make_durable(self) -> None:
        if self._durable_by == inf:
            return
        self._busy = True
        try:
            await self._connection.run(self._appender.make_durable)
        except LogError as error:
            self.failure = error
            self._durable_by = anyio.current_time() + _DURABLE_AFTER
        else:
            self.failure = None
            self._durable_by = inf
        finally:
            self._busy = False


def _wake(done: Future[None]) -> None:
    if not done.done():
        done.set_result(None)
