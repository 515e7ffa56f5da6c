"""Tasks under way, as whoever started them sees them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio

from datmo.core.event import Event
from datmo.engine.attendance import Attendance, TaskUpdate
from datmo.engine.entities import Task
from datmo.engine.workspace import Workspace

if TYPE_CHECKING:
    from datmo.engine.starting import Sweep

__all__ = ["RunningTasks"]


class RunningTasks:
    """Tasks under way, as `Tasks.start` gives them.

    Attributes:
        ids: their ids, in the order in which they were given. Further attempts have ids of their own.
    """

    def __init__(
        self, workspace: Workspace, sweep: Sweep, attendance: Attendance, load: Callable[[str], Awaitable[Task]]
    ) -> None:
        self.ids: list[str] = sweep.ids
        self._workspace = workspace
        self._sweep = sweep
        self._attendance = attendance
        self._load = load

    @property
    def all_ids(self) -> list[str]:
        """The ids of all attempts so far."""
        return sorted(self._sweep.all_ids)

    async def finished(self) -> AsyncIterator[Task]:
        """Yield each task as it ends; where it was tried again, its last attempt."""
        async for task_id in self._sweep.ended:
            yield await self._load(task_id)

    async def events(self, *, output: bool = True) -> AsyncGenerator[TaskUpdate, None]:
        """Yield what happens to the tasks, as it happens, until the last one has ended.

        Parameters:
            output: with what they print; False spares reading it.
        """
        position = self._sweep.queue.position
        following = self._workspace.log.follow(after=position, types=["task.*"])
        async with aclosing(following) as events:  # type: ignore[type-var]
            while (event := await self._next(events)) is not None:
                position = event.position
                if event.entity_id in self._sweep.all_ids:
                    yield await self._update(event, output=output)
        async for event in self._workspace.log.read(after=position, types=["task.*"]):
            if event.entity_id in self._sweep.all_ids:
                yield await self._update(event, output=output)

    async def _update(self, event: Event, *, output: bool) -> TaskUpdate:
        return await self._attendance.update(event) if output else TaskUpdate(event, ())

    async def _next(self, events: AsyncIterator[Event]) -> Event | None:
        """Return the next event; None once nothing runs any more, though there may be more to read."""
        found: list[Event] = []

        async def wait() -> None:
            found.append(await anext(events))
            workers.cancel_scope.cancel()

        async def until_over() -> None:
            await self._sweep.over.wait()
            workers.cancel_scope.cancel()

        async with anyio.create_task_group() as workers:
            workers.start_soon(wait)
            workers.start_soon(until_over)
        return found[0] if found else None
