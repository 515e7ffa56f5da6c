"""Removing a project: first told, then done."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from datmo.engine.attending import unattended
from datmo.engine.executors import Executors
from datmo.engine.workspace import Workspace
from datmo.errors import EngineUnreachable, Refused
from datmo.projections import tasks
from datmo.projections.content import ENVIRONMENTS
from datmo.projections.projection import Row

if TYPE_CHECKING:
    from datmo.runner.executors.docker import DockerExecutor

__all__ = ["Cleaning"]

_GRACE = 10.0


class _OnEngine(NamedTuple):
    docker: DockerExecutor
    images: list[str]


class Cleaning:
    """What `cleanup` removes.

    Parameters:
        workspace: the project.
        executors: to find what is on an engine.
    """

    def __init__(self, workspace: Workspace, executors: Executors) -> None:
        self._workspace = workspace
        self._executors = executors

    async def plan(self) -> list[str]:
        """Return what goes, a line each.

        Raises:
            Refused: a task runs.
        """
        lines = [f"{self._workspace.folder}: all sessions, snapshots, tasks and stored files"]
        lines += [f"what may still run of the unattended task {row['id']}" for row in await self._unattended()]
        refs = await self._workspace.in_thread(lambda: self._workspace.code.refs())  # noqa: PLW0108  # on the loop it would import pygit2
        if refs:
            lines.append(
                f"{len(refs)} ref{'s' if len(refs) > 1 else ''} in git under refs/datmo/{self._workspace.project_id}/"
            )
        try:
            engine = await self._on_engine()
        except EngineUnreachable as error:
            lines.append(f"not the images on the Docker engine, which does not answer: {error}")
        else:
            if engine is not None and engine.images:
                many = "s" if len(engine.images) > 1 else ""
                lines.append(f"{len(engine.images)} image{many}: {', '.join(engine.images)}")
        return lines

    async def remove_outside(self) -> None:
        """Remove the refs and the images, and what unattended tasks left; of the other tasks nothing is there.

        Raises:
            Refused: a task runs.
            RunnerError: what is left of an unattended task cannot be ended.
        """
        for row in await self._unattended():
            await self._end(row)
        with suppress(EngineUnreachable):  # the plan has said so
            engine = await self._on_engine()
            if engine is not None:
                for image in engine.images:
                    await engine.docker.images.remove(image)
        await self._workspace.in_thread(lambda: self._workspace.code.remove_refs())  # noqa: PLW0108  # on the loop it would import pygit2

    async def _unattended(self) -> list[Row]:
        """Return the tasks that have not ended; none of them may have a supervisor."""
        unfinished = await self._workspace.query(tasks.unfinished)
        alone = await unattended(self._workspace, unfinished)
        if running := [row["id"] for row in unfinished if row["id"] not in alone]:
            raise Refused(f"tasks of the project have not ended: {', '.join(running)}", hint="stop them first")
        return unfinished

    async def _end(self, task: Row) -> None:
        """End what still runs of a task whose supervisor was killed, perhaps before it could record the handle."""
        folder = self._workspace.tasks_folder / task["id"]
        executor = await self._executors.get(task["executor"])
        handle = task["handle"] or await executor.find(task["id"], folder)
        if handle is not None:
            await executor.stop(handle, grace=_GRACE)
            await executor.remove(handle)

    async def _on_engine(self) -> _OnEngine | None:
        environments = await self._workspace.query(ENVIRONMENTS.select)
        builds = [build for environment in environments for build in environment["builds"].values()]
        if not any(build["image_id"] for build in builds):
            return None  # nothing was ever built, so no engine has to be asked
        docker = await self._executors.docker()
        label = f"datmo.project={self._workspace.project_id}"
        images = await docker.images.list(label)
        return _OnEngine(docker, [tag for image in images for tag in image.tags])
