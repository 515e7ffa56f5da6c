"""Many tasks at once: captured and made ready once, recorded all together, then run, so many at a time."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from datmo.core import task as rules
from datmo.core.ids import new_id
from datmo.engine.ordering import Order
from datmo.engine.queueing import Queue
from datmo.engine.running import Prepared, Running
from datmo.engine.workspace import Workspace
from datmo.errors import InvalidArgument
from datmo.projections.tasks import TASKS

__all__ = ["ManyLive", "Plan", "Sweep", "start_all"]

ManyLive = Callable[[str, int, bytes], Awaitable[None]]
"""Awaited with a task's id, a stream and some bytes of its output, once they are recorded."""

_NOT_THERE = frozenset([126, 127])
"""Exit codes of a command that cannot be executed, or was not found: the next time it is the same."""


class Plan(NamedTuple):
    """How many tasks are run: how many at a time, how often again, and how many may fail."""

    limit: int
    retries: int
    max_failures: int | None

    @classmethod
    def of(cls, limit: int | None, retries: int, max_failures: int | None) -> Plan:
        """Return a plan whose numbers can be used.

        Raises:
            InvalidArgument: one cannot.
        """
        return cls(
            limit=(os.cpu_count() or 1) if limit is None else _number("limit", "of tasks", limit, 1),
            retries=_number("retries", "of further attempts", retries, 0),
            max_failures=None if max_failures is None else _number("max_failures", "of tasks", max_failures, 1),
        )


def _number(name: str, what: str, given: Any, least: int) -> int:
    if type(given) is not int or given < least:
        raise InvalidArgument(f"{name} is a number {what}, {least} or more, not {given!r}")
    return given


Make = Callable[[Order, str, Mapping[str, Any]], Running]
"""Makes the running of one task: its order, its id, and what is recorded with it (`datmo.core.task.TaskCreated`)."""


class Sweep:
    """Tasks under way.

    Parameters:
        workspace: the project.
        make: makes their runnings.
        orders: what is run; they share environment and executor.
        plan: how many at a time, and so on.
        live: told their output.
    """

    def __init__(
        self, workspace: Workspace, make: Make, orders: Sequence[Order], plan: Plan, live: ManyLive | None
    ) -> None:
        self._workspace = workspace
        self._make = make
        self._plan = plan
        self._live = live
        self.queue: Queue = Queue(workspace)
        self._orders = {new_id(): order for order in orders}
        self.ids: list[str] = list(self._orders)
        self.all_ids: set[str] = set(self.ids)
        self._waiting: dict[str, Running] = {
            task_id: make(order, task_id, {"queue": self.queue.id}) for task_id, order in self._orders.items()
        }
        self._running: set[str] = set()
        self._failures = 0
        self._given_up = False
        streams = anyio.create_memory_object_stream[str](len(self.ids) or 1)
        self._ended: MemoryObjectSendStream[str] = streams[0]
        self.ended: MemoryObjectReceiveStream[str] = streams[1]
        self.over: anyio.Event = anyio.Event()

    async def prepare(self) -> None:
        """Capture, make ready and record: errors raise, and nothing of the tasks is recorded then."""
        first = next(iter(self._waiting.values()))
        async with self._workspace.storing():
            self._prepared: Prepared = await first.prepare()
            await first.record_captures()
            self._notices = first.say(self._prepared)
            await self.queue.open([running.created(self._prepared) for running in self._waiting.values()])

    async def attend(self) -> None:
        """Run them all to their ends; cancelled, stop what runs, in order."""
        try:
            async with anyio.create_task_group() as helpers:
                helpers.start_soon(self._hear_requests, name="stop requests of waiting tasks")
                async with anyio.create_task_group() as workers:
                    for number in range(min(self._plan.limit, len(self.ids))):
                        workers.start_soon(self._work, name=f"runner {number}")
                helpers.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self.queue.close("never started: the others were stopped")
            self._ended.close()
            self.over.set()

    async def _work(self) -> None:
        """Run one task after another, as long as any wait."""
        while self._waiting:
            task_id = next(iter(self._waiting))
            last = await self._attempts(task_id, self._waiting.pop(task_id))
            await self._ended.send(last)
            await self._count_failures(last)

    async def _attempts(self, first: str, running: Running) -> str:
        """Run a task, again where it fails and may; return the id of the last attempt, which is a task of its own."""
        task_id = first
        for attempt in range(1, self._plan.retries + 2):
            if attempt > 1:
                task_id = new_id()
                self.all_ids.add(task_id)
                marks = {"retry_of": first, "attempt": attempt}
                running = self._make(self._orders[first], task_id, marks)
            self._running.add(task_id)
            told = None if self._live is None else partial(self._live, task_id)
            await running.run_prepared(self._prepared, self._notices, told, queued=attempt == 1)
            self._running.discard(task_id)
            if self._given_up or not await self._worth_another(task_id):
                break
        return task_id

    async def _worth_another(self, task_id: str) -> bool:
        status, code = await self._outcome(task_id)
        return status == "FAILED" and code not in _NOT_THERE

    async def _outcome(self, task_id: str) -> tuple[str, int | None]:
        row = await self._workspace.query(lambda connection: TASKS.load(connection, task_id))
        return ("LOST", None) if row is None else (row["status"], row["exit_code"])

    async def _count_failures(self, task_id: str) -> None:
        """Stop all that is left where too many have failed."""
        if self._plan.max_failures is None or self._given_up:
            return
        status, _ = await self._outcome(task_id)
        self._failures += status in ("FAILED", "LOST")
        if self._failures < self._plan.max_failures:
            return
        self._given_up = True
        why = f"{self._failures} of the others failed" if self._failures > 1 else "another one failed"
        waiting, self._waiting = list(self._waiting), {}
        await self.queue.end(waiting, f"never started: {why}")
        if self._running:
            await self._workspace.log.append(*map(rules.request_stop, self._running))
        for each in waiting:
            await self._ended.send(each)

    async def _hear_requests(self) -> None:
        """End those that wait when somebody wants them to; what runs hears it itself."""
        requests = self._workspace.log.follow(after=self.queue.position, types=["task.stop_requested"])
        async for event in requests:
            if event.entity_id not in self._waiting:
                continue
            # At once, if it is not only this one.
            asked = [each for each in await self.queue.waiting(asked_to_stop=True) if each in self._waiting]
            for each in asked:
                del self._waiting[each]
            with anyio.CancelScope(shield=True):
                await self.queue.end(asked, "stopped before its turn came")
                for each in asked:
                    await self._ended.send(each)


@asynccontextmanager
async def start_all(sweep: Sweep) -> AsyncIterator[Sweep]:
    """Run the tasks of a sweep; leaving the block stops what still runs."""
    if not sweep.ids:
        sweep._ended.close()
        sweep.over.set()
        with sweep.ended:
            yield sweep
        return
    with sweep.ended, sweep._ended:
        await sweep.prepare()
        async with anyio.create_task_group() as workers:
            workers.start_soon(sweep.attend, name="tasks at once")
            yield sweep
            workers.cancel_scope.cancel()
