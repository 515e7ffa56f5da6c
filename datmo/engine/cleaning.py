"""Removing a project: first told, then done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from datmo.engine.attending import unattended
from datmo.engine.executors import Executors
from datmo.engine.metering import metered
from datmo.engine.showing import shown
from datmo.engine.workspace import Workspace
from datmo.errors import EngineUnreachable, Refused
from datmo.projections import tasks
from datmo.projections.content import ENVIRONMENTS
from datmo.projections.projection import Row
from datmo.runner.folders import remove_tree

if TYPE_CHECKING:
    from datmo.objects.meter import Meter, Reported
    from datmo.runner.executors.docker import DockerExecutor

__all__ = ["Cleaning", "remove_rest"]

_GRACE = 10.0
_DEPTH = 3
"""So deep lie the folders that are removed one by one, as parts of the work: an environment, a task, some objects."""


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

    async def remove(self, progress: Reported | None = None) -> None:
        """Remove all but the log: what unattended tasks left, images, refs, and the folders in the project's own.

        Parameters:
            progress: told how many parts of it are done, of those that are known.

        Raises:
            Refused: a task runs.
            RunnerError: what is left of an unattended task cannot be ended.
        """
        async with shown(self._workspace, "removing", "parts"):
            parts = _Parts(await metered(self._workspace, progress))
            await self._remove_outside(parts)
            await self._workspace.in_thread(lambda: _remove_folders(self._workspace.folder, parts))

    async def _remove_outside(self, parts: _Parts) -> None:
        unattended = await self._unattended()
        parts.expect(len(unattended))
        for row in unattended:
            await self._end(row)
            parts.done()
        with suppress(EngineUnreachable):  # the plan has said so
            engine = await self._on_engine()
            if engine is not None:
                parts.expect(len(engine.images))
                for image in engine.images:
                    await engine.docker.images.remove(image)
                    parts.done()
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


class _Parts:
    """How many parts of the work are done."""

    def __init__(self, meter: Meter | None) -> None:
        self._meter = meter

    def expect(self, count: int) -> None:
        if self._meter is not None:
            self._meter.expect(count)

    def done(self) -> None:
        if self._meter is not None:
            self._meter(1)


def _remove_folders(folder: Path, parts: _Parts) -> None:
    """Remove the folders in a project's own, the deepest first, each as one part."""
    found = list(_folders(folder, _DEPTH))
    parts.expect(len(found))
    for path in found:
        with suppress(FileNotFoundError):
            remove_tree(path)
        parts.done()


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    with suppress(OSError), os.scandir(folder) as entries:  # what cannot be read goes with the one that it lies in
        for path in [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]:
            if depth > 1:
                yield from _folders(path, depth - 1)
            yield path


def remove_rest(folder: Path) -> None:
    """Remove a project's folder, the log last: a cleanup that was cut short can be done again."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name.startswith("log.db")):
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)
        else:
            path.unlink(missing_ok=True)
    folder.rmdir()
