"""Tasks under way, shown in a notebook: their time, metrics and last lines while they run, and how they ended."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from datmo.core.task import ENDED
from datmo.engine.showing import Showing, shown
from datmo.engine.workspace import Workspace
from datmo.projections.projection import Row
from datmo.projections.tasks import TASKS

if TYPE_CHECKING:
    from datmo.core.watched import Watched
    from datmo.engine.running_tasks import RunningTasks
    from datmo.engine.starting import ManyLive
    from datmo.runner.supervisor import Live

__all__ = ["ShownSweep", "shown_run", "shown_sweep", "shown_wait"]

_ID = 8
_MOST_RESULTS = 4
_MOST_BAD = 5
_BEFORE = ("task.created", "task.started", "task.metrics")
_HEARD = (*_BEFORE, *ENDED)


@asynccontextmanager
async def shown_run(workspace: Workspace, task_id: str, live: Live | None) -> AsyncIterator[Live | None]:
    """Show one task while the block runs it; gives what shall be told its output.

    Parameters:
        workspace: the project.
        task_id: its id.
        live: told its output, too.
    """
    async with shown(workspace, f"task {task_id[:_ID]}") as showing:
        if showing is None:
            yield live
            return
        watched = _watch(showing, [task_id])
        task = watched.waiting[task_id]

        async def told(stream: int, data: bytes) -> None:
            watched.take(task_id, data)
            if live is not None:
                await live(stream, data)

        position, _ = await workspace.log.head()
        async with anyio.create_task_group() as workers:
            workers.start_soon(_follow, workspace, watched, position, name="events for the notebook")
            yield told
            workers.cancel_scope.cancel()
        await _say_end(workspace, showing, task_id, task.last)


@asynccontextmanager
async def shown_wait(workspace: Workspace, task_ids: Sequence[str]) -> AsyncIterator[None]:
    """Show tasks, whichever process runs them, while the block waits for their ends."""
    what = f"task {task_ids[0][:_ID]}" if len(task_ids) == 1 else f"{len(task_ids)} tasks"
    async with shown(workspace, what) as showing:
        if showing is None or not task_ids:
            yield
            return
        watched = _watch(showing, task_ids)
        position, _ = await workspace.log.head()
        for task_id in task_ids:
            async for event in workspace.log.read(upto=position, stream=f"task/{task_id}", types=_HEARD):
                watched.hear(event)
        async with anyio.create_task_group() as workers:
            workers.start_soon(_follow, workspace, watched, position, name="events for the notebook")
            yield
            workers.cancel_scope.cancel()


class ShownSweep:
    """Many tasks, shown while they run.

    Parameters:
        workspace: the project.
        showing: where; None where nobody looks.
        live: told their output, too.
    """

    def __init__(self, workspace: Workspace, showing: Showing | None, live: ManyLive | None) -> None:
        self._workspace = workspace
        self._showing = showing
        self._told = live
        self._watched: Watched | None = None
        self.live: ManyLive | None = live if showing is None else self._take

    async def _take(self, task_id: str, stream: int, data: bytes) -> None:
        if self._watched is not None:
            self._watched.take(task_id, data)
        if self._told is not None:
            await self._told(task_id, stream, data)

    @asynccontextmanager
    async def watching(self, running: RunningTasks) -> AsyncIterator[None]:
        """Show the tasks that run while the block does."""
        if self._showing is None:
            yield
            return
        watched = self._watched = _watch(self._showing, running.ids)

        async def listen() -> None:
            async with aclosing(running.events(output=False)) as events:
                async for update in events:
                    watched.hear(update.event)

        async with anyio.create_task_group() as workers:
            workers.start_soon(listen, name="events for the notebook")
            yield
            workers.cancel_scope.cancel()
        await self._say_end(running)

    async def _say_end(self, running: RunningTasks) -> None:
        rows = [row for row in await _rows(self._workspace, running.all_ids) if row is not None]
        good = {row["options"].get("retry_of", row["id"]) for row in rows if row["status"] == "SUCCESS"}
        showing, of = self._showing, len(running.ids)
        if showing is not None and (showing.drawn or len(good) < of):
            bad = [row["id"][:_ID] for row in rows if row["options"].get("retry_of", row["id"]) not in good]
            words = [f"{len(good)} of {of} tasks succeeded", showing.lasted]
            words += [f"not {', '.join(bad[:_MOST_BAD])}{' …' if len(bad) > _MOST_BAD else ''}"] if bad else []
            showing.close(" · ".join(words))


@asynccontextmanager
async def shown_sweep(workspace: Workspace, live: ManyLive | None) -> AsyncIterator[ShownSweep]:
    """Show many tasks while the block makes them ready and runs them."""
    async with shown(workspace, "tasks") as showing:
        yield ShownSweep(workspace, showing, live)


def _watch(showing: Showing, task_ids: Sequence[str]) -> Watched:
    from datmo.core.html_progress import counts, described, tasks_html  # not on the way of commands that only read
    from datmo.core.watched import Watched

    watched = Watched(task_ids, time.time)
    words = counts if len(task_ids) > 1 else described
    before = showing.line
    showing.line = lambda: f"{words(watched)} · {showing.lasted}" if watched.running else before()
    showing.below = lambda: tasks_html(watched)
    return watched


async def _follow(workspace: Workspace, watched: Watched, position: int) -> None:
    only = f"task/{watched.ids[0]}" if len(watched.ids) == 1 else None
    async for event in workspace.log.follow(after=position, stream=only, types=_HEARD):
        if event.entity_id in watched.ids:
            watched.hear(event)


async def _rows(workspace: Workspace, task_ids: Sequence[str]) -> list[Row | None]:
    return await workspace.query(lambda connection: [TASKS.load(connection, each) for each in task_ids])


async def _say_end(workspace: Workspace, showing: Showing, task_id: str, last: str) -> None:
    """Show how a task ended: one that was shown, or did not end well."""
    (row,) = await _rows(workspace, [task_id])
    if row is None or (row["status"] == "SUCCESS" and not showing.drawn):
        return
    words = [f"task {task_id[:_ID]} {row['status']}", showing.lasted]
    if row["status"] == "SUCCESS":
        words += [f"{key} {_plain(value)}" for key, value in list(row["results"].items())[:_MOST_RESULTS]]
    else:
        exited = None if row["exit_code"] is None else f"exit code {row['exit_code']}"
        words += [each for each in (row["reason"] or exited, last.strip()) if each]
    showing.close(" · ".join(words))


def _plain(value: Any) -> str:
    from datmo.core.html import number_html

    return number_html(value) if isinstance(value, float) else str(value)
