"""Commands on environments."""

from __future__ import annotations

from datmo.core.entity.environment import Environment
from datmo.engine.capturing import find_content
from datmo.engine.workspace import Workspace
from datmo.projections.content import ENVIRONMENTS, environment

__all__ = ["Environments"]


class Environments:
    """`project.environments`: what tasks and snapshots were run and made in."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def ls(self) -> list[Environment]:
        """Return all environments, newest first."""
        rows = await self._workspace.query(
            lambda connection: ENVIRONMENTS.select(connection, "ORDER BY created_at DESC, id")
        )
        return [environment(row) for row in rows]

    async def get(self, environment_id: str) -> Environment:
        """Return an environment by id or unique prefix.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
        """
        return environment(await find_content(self._workspace, ENVIRONMENTS, "environment", environment_id))
