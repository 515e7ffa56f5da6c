"""Which tasks nobody attends any more: they have not ended, yet whoever ran them was killed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import anyio.to_thread

from datmo.core.entity_list import EntityList
from datmo.core.task import ENDED
from datmo.engine.entities import Task
from datmo.engine.workspace import Workspace
from datmo.projections import tasks
from datmo.projections.projection import Row

__all__ = ["tasks_of", "unattended"]


async def tasks_of(workspace: Workspace, rows: Sequence[Row]) -> list[Task]:
    """Return tasks as entities, which know whether anybody attends them."""
    alone = await unattended(workspace, rows)
    model_id = workspace.project_id
    return EntityList(Task.of(tasks.entity(row, model_id, unattended=row["id"] in alone), workspace) for row in rows)


async def unattended(workspace: Workspace, rows: Iterable[Row]) -> set[str]:
    """Return the ids of those tasks that have not ended and have no supervisor; a look, which changes nothing.

    Nothing is looked at where all have ended.
    """
    unfinished = {row["id"]: tasks.queue_of(row) for row in rows if row["status"] not in ENDED.values()}
    if not unfinished:
        return set()
    alone = await anyio.to_thread.run_sync(_without_supervisor, workspace, unfinished)
    # A supervisor lets go of its lock once the end is recorded: what ended meanwhile has one no more, and needs none.
    return alone and alone & {row["id"] for row in await workspace.query(tasks.unfinished)}


def _without_supervisor(workspace: Workspace, queued: Mapping[str, str | None]) -> set[str]:
    from datmo.runner.witness import FileLock

    kept = {
        queue
        for queue in {each for each in queued.values() if each is not None}
        if FileLock(workspace.queues_folder / queue).holder() is not None
    }
    return {
        task_id
        for task_id, queue in queued.items()
        if queue not in kept and FileLock(workspace.tasks_folder / task_id / "lock").holder() is None
    }
