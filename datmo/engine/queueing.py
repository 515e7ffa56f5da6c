"""Tasks that wait for their turn: all of them recorded before the first one starts.

A task that waits has no supervisor yet. Whoever queued it holds the lock of the queue, a file in `.datmo/queues` whose
name each of the tasks records; where that lock is free, they wait for nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from datmo.core import task as rules
from datmo.core.event import NewEvent
from datmo.core.ids import new_id
from datmo.engine.workspace import Workspace
from datmo.projections import tasks
from datmo.runner.witness import FileLock

__all__ = ["Queue", "end_abandoned"]


class Queue:
    """A queue of this process.

    Parameters:
        workspace: the project.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.id: str = new_id()
        self.position: int = 0
        self._lock = FileLock(workspace.queues_folder / self.id)

    async def open(self, created: Sequence[NewEvent]) -> None:
        """Record the tasks that wait, all or none of them."""
        await anyio.to_thread.run_sync(_take, self._lock)
        try:
            self.position = (await self._workspace.log.append(*created)).first - 1
        except BaseException:
            # Were they recorded all the same, as a cancel may leave it, they would wait for us, who never come.
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_let_go, self._lock)
            raise

    async def waiting(self, *, asked_to_stop: bool = False) -> list[str]:
        """Return the ids of those whose turn has not come; or only of those that somebody wants to stop."""
        rows = await self._workspace.query(tasks.unfinished)
        return [
            row["id"] for row in rows if tasks.queue_of(row) == self.id and (row["stop_requested"] or not asked_to_stop)
        ]

    async def end(self, task_ids: Collection[str], reason: str) -> None:
        """Record that tasks were never started."""
        if task_ids:
            await self._workspace.log.append(*(_never_started(task_id, reason) for task_id in task_ids))

    async def close(self, reason: str) -> None:
        """Record that those which still wait were never started, and let go of the queue."""
        try:
            await self.end(await self.waiting(), reason)
        finally:
            await anyio.to_thread.run_sync(_let_go, self._lock)


def _never_started(task_id: str, reason: str) -> NewEvent:
    """Say that a task ended before its turn came."""
    ended = rules.TaskEnded(
        exit_code=None, reason=reason, ended_us=None, results={}, config={}, file_collection_id=None, notices=[]
    )
    return rules.end(task_id, ended, stopped=True)


async def end_abandoned(workspace: Workspace) -> list[str]:
    """Record as stopped the tasks of queues whose owner was killed, and return their ids.

    Those whose folder is there had their turn: they are left to whoever looks for what became of them.
    """
    ended: list[str] = []
    for queue in await anyio.to_thread.run_sync(_names, workspace.queues_folder):
        lock = FileLock(workspace.queues_folder / queue)
        if not await anyio.to_thread.run_sync(lock.try_acquire):
            continue
        try:
            # As it is now that nobody else can take the queue.
            rows = [row for row in await workspace.query(tasks.unfinished) if tasks.queue_of(row) == queue]
            begun = await anyio.to_thread.run_sync(_names, workspace.tasks_folder)
            waiting = [row["id"] for row in rows if row["id"] not in begun]
            if waiting:
                reason = "never started: whoever had queued it was killed"
                await workspace.log.append(*(_never_started(task_id, reason) for task_id in waiting))
            ended += waiting
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_let_go, lock)
    return ended


def _take(lock: FileLock) -> None:
    lock.path.parent.mkdir(exist_ok=True)
    lock.try_acquire()


def _let_go(lock: FileLock) -> None:
    lock.path.unlink(missing_ok=True)
    lock.release()


def _names(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return set()
