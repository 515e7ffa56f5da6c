"""Commands on settings."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from datmo.core import settings as rules
from datmo.core.entity_list import EntityList
from datmo.core.settings import SETTINGS, Settings, SettingValue, setting
from datmo.engine import user_settings
from datmo.errors import ProjectNotFound
from datmo.projections import config as view

if TYPE_CHECKING:
    from datmo.engine.workspace import Workspace

__all__ = ["ProjectConfig"]


class ProjectConfig:
    """`project.config`: the settings in force, and changing them.

    What is given with a call goes before everything; then an environment variable (`DATMO_EXECUTOR`, …), the project,
    the user, the default. The project's are events of its log; the user's are a file, for all their projects.

    Parameters:
        workspace: the project; None for the user's settings alone.
    """

    def __init__(self, workspace: Workspace | None) -> None:
        self._workspace = workspace

    async def get(self, key: str) -> Any:
        """Return the value of a setting that is in force: sizes in bytes, times in seconds.

        ```python
        with datmo.open() as project:
            project.config.set("output.limit", "200m")
            assert project.config.get("output.limit") == 200 * 2**20
        ```

        Raises:
            InvalidArgument: there is no such setting, or what some level says of it cannot be.
        """
        setting(key)
        return (await self._settings())[key]

    async def ls(self) -> list[SettingValue]:
        """Return all settings, with the values in force and where they come from.

        Raises:
            InvalidArgument: what some level says of one cannot be.
        """
        found = await self._settings()
        return EntityList(found.found(name) for name in SETTINGS)

    async def set(self, key: str, value: Any, *, user: bool = False) -> SettingValue:
        """Give a setting a value, for the project or for the user, and return what is in force then.

        Parameters:
            key: its name.
            value: the value, or the text that stands for it, such as `200m`.
            user: for the user, in all projects that do not say otherwise.

        Raises:
            InvalidArgument: there is no such setting, or that cannot be its value.
            ProjectNotFound: there is no project.
        """
        checked = setting(key).value(value)
        await self._change(key, checked, user=user)
        return (await self._settings()).found(key)

    async def unset(self, key: str, *, user: bool = False) -> SettingValue:
        """Take back what the project, or the user, says of a setting, and return what is in force then.

        Raises:
            InvalidArgument: there is no such setting.
            ProjectNotFound: there is no project.
        """
        setting(key)
        await self._change(key, None, user=user)
        return (await self._settings()).found(key)

    async def _change(self, key: str, value: Any, *, user: bool) -> None:
        if user:
            await anyio.to_thread.run_sync(partial(user_settings.change, key, value))
            return
        workspace = self._workspace
        if workspace is None:
            raise ProjectNotFound("no project here that could have settings", hint="--user sets it for all of yours")
        project = await workspace.query(view.load)
        events = rules.unset(project, key) if value is None else rules.set_to(project, key, value)
        if events:
            await workspace.log.append(*events)

    async def _settings(self) -> Settings:
        """Return what each level says now; the project works by it from now on."""
        user = await anyio.to_thread.run_sync(user_settings.load)
        if self._workspace is None:
            return Settings(os.environ, {}, user)
        project = await self._workspace.query(view.load)
        self._workspace.settings = Settings(os.environ, project, user)
        return self._workspace.settings
