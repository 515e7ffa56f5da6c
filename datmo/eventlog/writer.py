"""The writer: the one worker of a process that appends.

Callers hand it requests and wait. It takes all that are waiting, commits them as one group, and wakes their callers.
Appends that nobody waits for are kept at once and made durable by the next durable commit, at most a second later.
"""

from __future__ import annotations

from asyncio import get_running_loop
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from math import inf

import anyio

from datmo.core.event import EXPECTATIONS, Appended
from datmo.errors import LogError
from datmo.eventlog.append import Appender
from datmo.eventlog.connection import ThreadConnection
from datmo.eventlog.request import EncodedEvent, Request

__all__ = ["Writer"]

# A group costs one sync however long it is: beyond this, longer only means that other processes wait longer.
_GROUP_EVENTS = 2048
_DURABLE_AFTER = 1.0


class Writer:
    """Runs as one worker in the log's task group; see `run`.

    Nothing bounds the queue but that each caller waits for its own append: it cannot grow beyond the callers.

    Parameters:
        connection: a connection of its own.
        appender: what it commits with.
    """

    def __init__(self, connection: ThreadConnection, appender: Appender) -> None:
        self._connection = connection
        self._appender = appender
        self._waiting: deque[Request] = deque()
        self._wake = anyio.Event()
        self._closed = False
        self._durable_by = inf
        self.failure: LogError | None = None
        """Why the last appends that nobody waited for could not be made durable before the end."""

    async def append(
        self,
        events: Sequence[EncodedEvent],
        expected: Mapping[str, EXPECTATIONS],
        key: str | None,
        correlation: str,
        durable: bool,
    ) -> Appended:
        """Hand a request over and return where it landed, once it is as safe as it asks to be."""
        if self._closed:
            raise LogError("the log was closed before the append was written")
        request = Request(events, expected, key, correlation, durable, get_running_loop().create_future())
        self._waiting.append(request)
        self._wake.set()
        outcome = await request.done
        if isinstance(outcome, Appended):
            return outcome
        raise outcome

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
            for request in self._waiting:
                _resolve(request)

    async def _run(self) -> None:
        while True:
            if self._waiting:
                await self._commit(self._take())
            elif self._closed or anyio.current_time() >= self._durable_by:
                await self._make_durable()
                if self._closed and not self._waiting:
                    return
            else:
                self._wake = anyio.Event()
                with anyio.move_on_at(self._durable_by):
                    await self._wake.wait()

    def _take(self) -> list[Request]:
        """Take the requests of one group; those whose callers went away before their turn are dropped."""
        requests: list[Request] = []
        events = 0
        while self._waiting and events < _GROUP_EVENTS:
            request = self._waiting.popleft()
            if not request.done.done():
                requests.append(request)
                events += len(request.events)
        return requests

    async def _commit(self, requests: list[Request]) -> None:
        if not requests:
            return
        durable = anyio.current_time() >= self._durable_by or any(request.durable for request in requests)
        synced = False
        try:
            work = partial(self._appender.commit, requests=requests, durable=durable)
            synced = await self._connection.run(work)
        finally:
            for request in requests:
                _resolve(request)
        if synced:
            self._durable_by = inf
        elif any(isinstance(request.outcome, Appended) for request in requests):
            self._durable_by = min(self._durable_by, anyio.current_time() + _DURABLE_AFTER)

    async def _make_durable(self) -> None:
        if self._durable_by == inf:
            return
        try:
            await self._connection.run(self._appender.make_durable)
        except LogError as error:
            self.failure = error
            self._durable_by = anyio.current_time() + _DURABLE_AFTER
        else:
            self.failure = None
            self._durable_by = inf


def _resolve(request: Request) -> None:
    if not request.done.done():
        request.done.set_result(request.outcome or LogError("the log was closed before the append was written"))
