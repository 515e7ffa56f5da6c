"""The writer: the one worker of a process that appends.

Callers hand it requests through a bounded stream. It takes all that are waiting, commits them as one group, and wakes
their callers. Appends that nobody waits for are kept at once and made durable by the next durable commit, at most a
second later.
"""

from __future__ import annotations

from functools import partial
from math import inf

import anyio
from anyio.abc import TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from datmo.core.event import Appended
from datmo.errors import LogError
from datmo.eventlog.append import Appender, Request
from datmo.eventlog.connection import ThreadConnection

__all__ = ["Writer"]

_WAITING = 4096
_GROUP_EVENTS = 8192
_DURABLE_AFTER = 1.0

_Ticket = tuple[Request, anyio.Event]


class Writer:
    """Runs as one worker in the log's task group; see `run`.

    Parameters:
        connection: a connection of its own.
        appender: what it commits with.
    """

    def __init__(self, connection: ThreadConnection, appender: Appender) -> None:
        self._connection = connection
        self._appender = appender
        self._send: MemoryObjectSendStream[_Ticket]
        self._receive: MemoryObjectReceiveStream[_Ticket]
        self._send, self._receive = anyio.create_memory_object_stream[_Ticket](_WAITING)
        self._durable_by = inf

    async def append(self, request: Request) -> Appended:
        """Hand a request over and return where it landed, once it is as safe as it asks to be."""
        done = anyio.Event()
        await self._send.send((request, done))
        await done.wait()
        if isinstance(request.outcome, Appended):
            return request.outcome
        raise request.outcome or LogError("the log was closed before the append was written")

    def close(self) -> None:
        """Take no more requests; `run` ends when those that were handed over are done."""
        self._send.close()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Commit groups until the stream is closed."""
        task_status.started()
        with self._receive:
            while True:
                with anyio.move_on_at(self._durable_by) as waiting:
                    try:
                        tickets = [await self._receive.receive()]
                    except anyio.EndOfStream:
                        break
                if waiting.cancelled_caught:
                    await self._make_durable()
                else:
                    self._take_waiting(tickets)
                    await self._commit(tickets)
        if self._durable_by != inf:
            await self._make_durable()

    def _take_waiting(self, tickets: list[_Ticket]) -> None:
        events = len(tickets[0][0].events)
        while events < _GROUP_EVENTS:
            try:
                ticket = self._receive.receive_nowait()
            except (anyio.WouldBlock, anyio.EndOfStream):
                return
            tickets.append(ticket)
            events += len(ticket[0].events)

    async def _commit(self, tickets: list[_Ticket]) -> None:
        requests = [request for request, _ in tickets]
        try:
            with anyio.CancelScope(shield=True):
                await self._connection.run(partial(self._appender.commit, requests=requests))
        finally:
            for _, done in tickets:
                done.set()
        if any(request.durable for request in requests):
            self._durable_by = inf
        else:
            self._durable_by = min(self._durable_by, anyio.current_time() + _DURABLE_AFTER)

    async def _make_durable(self) -> None:
        self._durable_by = inf
        with anyio.CancelScope(shield=True):
            await self._connection.run(self._appender.make_durable)
