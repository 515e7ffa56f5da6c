"""Removing a project: first told, then done."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from datmo.engine.executors import Executors
from datmo.engine.workspace import Workspace
from datmo.errors import EngineUnreachable, Refused
from datmo.projections import tasks
from datmo.projections.content import ENVIRONMENTS

if TYPE_CHECKING:
    from datmo.runner.executors.docker import DockerExecutor

__all__ = ["Cleaning"]


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
            Refused: a task has not ended.
        """
        unfinished = await self._workspace.query(tasks.unfinished)
        if unfinished:
            ids = ", ".join(row["id"] for row in unfinished)
            raise Refused(f"tasks of the project have not ended: {ids}", hint="stop them first")
        lines = [f"{self._workspace.folder}: all sessions, snapshots, tasks and stored files"]
        refs = await self._workspace.in_thread(lambda: self._workspace.code.refs())  # noqa: PLW0108  # on the loop it would import pygit2
        if refs:
            lines.append(f"{len(refs)} refs in git under refs/datmo/{self._workspace.project_id}/")
        try:
            engine = await self._on_engine()
        except EngineUnreachable as error:
            lines.append(f"not the images on the Docker engine, which does not answer: {error}")
        else:
            if engine is not None and engine.images:
                lines.append(f"{len(engine.images)} images: {', '.join(engine.images)}")
        return lines

    async def remove_outside(self) -> None:
        """Remove the refs and the images; the containers of ended tasks are gone already."""
        with suppress(EngineUnreachable):  # the plan has said so
            engine = await self._on_engine()
            if engine is not None:
                for image in engine.images:
                    await engine.docker.images.remove(image)
        await self._workspace.in_thread(lambda: self._workspace.code.remove_refs())  # noqa: PLW0108  # on the loop it would import pygit2

    async def _on_engine(self) -> _OnEngine | None:
        environments = await self._workspace.query(ENVIRONMENTS.select)
        builds = [build for environment in environments for build in environment["builds"].values()]
        if not any(build["image_id"] for build in builds):
            return None  # nothing was ever built, so no engine has to be asked
        docker = await self._executors.docker()
        label = f"datmo.project={self._workspace.project_id}"
        images = await docker.images.list(label)
        return _OnEngine(docker, [tag for image in images for tag in image.tags])
