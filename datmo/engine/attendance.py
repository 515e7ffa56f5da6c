"""Following, stopping and waiting for tasks from any process, by way of the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple

import anyio

from datmo.core import task as rules
from datmo.core.event import Event, microseconds
from datmo.core.frames import split_frames
from datmo.engine.recovering import Recovering
from datmo.engine.workspace import Workspace, command
from datmo.projections import tasks
from datmo.projections.projection import Row

__all__ = ["Attendance", "TaskUpdate"]

_LOOK_EVERY = 1.0
"""Seconds after which it is looked anew whether somebody still attends a task that is waited for."""


class TaskUpdate(NamedTuple):
    """Something that happened to a task.

    Attributes:
        event: the event, as it is in the log.
        output: for `task.output` what the task printed: a stream (1 standard output, 2 standard error) and some
            bytes, in the order of arrival; else empty.
    """

    event: Event
    output: tuple[tuple[int, bytes], ...]


class Attendance:
    """What any process can do about a task that some process runs.

    Parameters:
        workspace: the project.
        recovering: takes over tasks that nobody attends.
    """

    def __init__(self, workspace: Workspace, recovering: Recovering) -> None:
        self._workspace = workspace
        self._recovering = recovering

    async def follow(
        self, task_id: str, *, after: int = 0, since: datetime | None = None, live: bool = True
    ) -> AsyncIterator[TaskUpdate]:
        """Yield what happened to a task and what happens, up to its end.

        Parameters:
            task_id: the whole id.
            after: only what lies behind this position.
            since: only what was recorded at or after it.
            live: wait for more where the task has not ended.
        """
        stream = f"task/{task_id}"
        log = self._workspace.log
        if since is not None:
            after = max(after, await log.position_at(microseconds(since) - 1))
        row = await self._row(task_id)
        follows = live and row is not None and row["status"] not in rules.ENDED.values()
        events = log.follow(after=after, stream=stream) if follows else log.read(after=after, stream=stream)
        async for event in events:
            yield await self.update(event)
            if event.type in rules.ENDED:
                return

    async def update(self, event: Event) -> TaskUpdate:
        """Return an event of a task with the output that it speaks of."""
        if event.type != "task.output":
            return TaskUpdate(event, ())
        frames = await self._workspace.log.payload(event.position)
        return TaskUpdate(event, tuple(split_frames(frames or b"")))

    async def request_stop(self, rows: Sequence[Row]) -> None:
        """Record that tasks shall stop; those that have ended are left alone."""
        events = [rules.request_stop(row["id"]) for row in rows if row["status"] not in rules.ENDED.values()]
        if events:
            with command():
                await self._workspace.log.append(*events)

    async def wait(self, task_ids: Sequence[str]) -> None:
        """Return when all of some tasks have ended; those that nobody attends are taken over first."""
        async with anyio.create_task_group() as workers:
            for task_id in task_ids:
                workers.start_soon(self._wait, task_id, name=f"waiting for task {task_id}")

    async def _wait(self, task_id: str) -> None:
        """Wait for one task, whoever attends it, and whoever takes over should they be killed."""
        while True:
            position, _ = await self._workspace.log.head()
            row = await self._row(task_id)
            if row is None or row["status"] in rules.ENDED.values():
                return
            if await self._recovering.adopt([task_id], strict=True):
                continue
            with anyio.move_on_after(_LOOK_EVERY):
                async for _ in self._workspace.log.follow(
                    after=position, stream=f"task/{task_id}", types=tuple(rules.ENDED)
                ):
                    break

    async def _row(self, task_id: str) -> Row | None:
        # Not by the search for ids, which hides a task whose session was deleted meanwhile.
        return await self._workspace.query(lambda connection: tasks.TASKS.load(connection, task_id))
