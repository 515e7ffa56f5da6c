"""The executors that a project has open: made when they are first needed, closed with the project."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio

from datmo.engine.workspace import Workspace

if TYPE_CHECKING:
    from datmo.runner.executors.base import Executor
    from datmo.runner.executors.docker import DockerExecutor

__all__ = ["Executors"]


class Executors:
    """Opens each executor once.

    Parameters:
        workspace: the project.
        stack: closes them when the project closes.
    """

    def __init__(self, workspace: Workspace, stack: AsyncExitStack) -> None:
        self._workspace = workspace
        self._stack = stack
        self._opening = anyio.Lock()
        self._docker: DockerExecutor | None = None

    async def docker(self) -> DockerExecutor:
        """Return the Docker executor, whose engine has answered.

        Raises:
            EngineUnreachable: none does.
        """
        async with self._opening:
            if self._docker is None:
                kind = await self._workspace.in_thread(_import_docker)
                self._docker = await self._stack.enter_async_context(kind(notice=self._workspace.notice))
        await self._docker.ping()
        return self._docker

    async def get(self, name: str) -> Executor:
        """Return an executor by the name that tasks record."""
        if name == "docker":
            return await self.docker()
        if name == "track":
            from datmo.runner.executors.track import TrackExecutor

            return TrackExecutor()
        from datmo.runner.executors.process import ProcessExecutor

        return ProcessExecutor(self._workspace.tasks_folder)


def _import_docker() -> type[DockerExecutor]:
    # In a thread, because it takes a third of a second in which the loop has other things to do.
    from datmo.runner.executors.docker import DockerExecutor

    return DockerExecutor
