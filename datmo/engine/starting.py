"""Many tasks at once: captured and made ready once, then run, so many at a time."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from datmo.core.ids import new_id
from datmo.engine.running import Order, Prepared, Running
from datmo.errors import InvalidArgument

__all__ = ["ManyLive", "RunningMany", "checked_limit", "start_all"]

ManyLive = Callable[[str, int, bytes], Awaitable[None]]
"""Awaited with a task's id, a stream and some bytes of its output, once they are recorded."""


class RunningMany:
    """Tasks under way.

    Attributes:
        ids: their ids, in the order in which they were given.
    """

    def __init__(self, ids: list[str], ended: MemoryObjectReceiveStream[str]) -> None:
        self.ids = ids
        self.ended = ended


def checked_limit(limit: int | None) -> int:
    """Return how many tasks may run at a time; by default as many as there are processors.

    Raises:
        InvalidArgument: it is no number of tasks.
    """
    if limit is None:
        return os.cpu_count() or 1
    if type(limit) is not int or limit < 1:
        raise InvalidArgument(f"a limit is a number of tasks, 1 or more, not {limit!r}")
    return limit


@asynccontextmanager
async def start_all(
    make: Callable[[Order, str], Running], orders: Sequence[Order], *, limit: int, live: ManyLive | None
) -> AsyncIterator[RunningMany]:
    """Run tasks, `limit` at a time; leaving the block stops what still runs.

    A task is recorded when its turn comes: of those that wait, a crash leaves nothing.

    Parameters:
        make: makes the running of one task with an id.
        orders: what is run; they share environment and executor.
        limit: how many at a time.
        live: told their output.
    """
    named = [(new_id(), order) for order in orders]
    runs = {task_id: make(order, task_id) for task_id, order in named}
    ended_send, ended_receive = anyio.create_memory_object_stream[str](len(runs) or 1)
    waiting = iter(runs)
    with ended_receive:
        if not runs:
            ended_send.close()
            yield RunningMany([], ended_receive)
            return
        first = next(iter(runs.values()))
        prepared = await first.prepare()
        await first.record_captures()
        notices = first.say(prepared)
        async with anyio.create_task_group() as workers:
            with ended_send:
                for number in range(min(limit, len(runs))):
                    clone = ended_send.clone()
                    workers.start_soon(_work, runs, waiting, (prepared, notices), live, clone, name=f"runner {number}")
            yield RunningMany(list(runs), ended_receive)
            workers.cancel_scope.cancel()


async def _work(
    runs: dict[str, Running],
    waiting: Iterator[str],
    ready: tuple[Prepared, list[str]],
    live: ManyLive | None,
    ended: MemoryObjectSendStream[str],
) -> None:
    """Run one task after another, as long as any wait."""
    prepared, notices = ready
    with ended:
        for task_id in waiting:
            told = None if live is None else partial(live, task_id)
            await runs[task_id].run_prepared(prepared, notices, told)
            await ended.send(task_id)
