"""What a snapshot or a task that stands by itself asks of its project, which is opened for that alone."""

from __future__ import annotations

import os
from array import array
from typing import IO, Any

from datmo.engine.entities import Task, open_collection, read_logs
from datmo.engine.project import open_project

__all__ = ["charts_of", "files_of", "logs_of", "tail_of", "task_of"]

_CHARTS, _CHART_POINTS = 8, 120
_TAIL_PARTS, _TAIL_LINES = 3, 12


async def files_of(home: str | os.PathLike[str] | None, collection_id: str | None, mode: str) -> list[IO[Any]]:
    """Return the files of a collection, open; see `datmo.engine.entities.open_collection`."""
    async with open_project(home) as project:
        return await open_collection(project._workspace, collection_id, mode)


async def task_of(home: str | os.PathLike[str] | None, task_id: str) -> Task:
    """Return a task as it is now."""
    async with open_project(home) as project:
        return await project.tasks.get(task_id)


async def charts_of(home: str | os.PathLike[str] | None, task_id: str) -> dict[str, array[float]]:
    """Return the first of a task's metrics, of each as many values as a small chart can show."""
    async with open_project(home) as project:
        names = sorted(await project.tasks.summaries(task_id), key=lambda name: name.startswith("system."))[:_CHARTS]
        series = [await project.tasks.metrics(task_id, name, points=_CHART_POINTS) for name in names]
        return {each.name: each.values for each in series}


async def tail_of(home: str | os.PathLike[str] | None, task_id: str) -> str:
    """Return the last lines that a task printed."""
    async with open_project(home) as project:
        text = await read_logs(project._workspace, task_id, last=_TAIL_PARTS)
        return "\n".join(text.splitlines()[-_TAIL_LINES:])


async def logs_of(home: str | os.PathLike[str] | None, task_id: str) -> str:
    """Return what a task printed so far."""
    async with open_project(home) as project:
        return await read_logs(project._workspace, task_id)
