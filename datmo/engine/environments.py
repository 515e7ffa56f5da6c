"""Commands on environments."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from datmo.core import environment as rules
from datmo.core.differences import package_changes, value_changes
from datmo.core.entity.environment import Environment
from datmo.core.entity_list import EntityList
from datmo.core.environment import EnvironmentDifference, EnvironmentInUse, Proposal
from datmo.core.placement import place
from datmo.engine.capturing import Capturing, find_content
from datmo.engine.executors import Executors
from datmo.engine.showing import shows
from datmo.engine.workspace import Workspace, command
from datmo.errors import EngineUnreachable, Refused
from datmo.projections import tasks
from datmo.projections.content import ENVIRONMENTS, environment, environment_uses
from datmo.projections.projection import Row

__all__ = ["Environments"]


class Environments:
    """`project.environments`: what tasks and snapshots were run and made in.

    Parameters:
        workspace: the project.
        executors: to build images.
    """

    def __init__(self, workspace: Workspace, executors: Executors) -> None:
        self._workspace = workspace
        self._executors = executors

    async def ls(self) -> list[Environment]:
        """Return all environments, newest first."""
        rows = await self._workspace.query(
            lambda connection: ENVIRONMENTS.select(connection, "WHERE deleted = 0 ORDER BY created_at DESC, id")
        )
        return EntityList(environment(row) for row in rows)

    async def get(self, environment_id: str) -> Environment:
        """Return an environment by id or unique prefix.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
        """
        return environment(await self._row(environment_id))

    async def current(self, definition: str | os.PathLike[str] | None = None) -> EnvironmentInUse:
        """Return the environment that a task would run in now, and why; nothing is recorded.

        Parameters:
            definition: a definition file, as for `task run`; by default the one in force.

        Raises:
            EnvironmentInvalid: the definition cannot be used.
        """
        capturing = Capturing(self._workspace)
        row, notices = await capturing.look_at_environment(definition)
        placement = place(row["kind"], None, self._workspace.settings["executor"])
        if row["kind"] == "interpreter":
            reason = f"the project has no definition: {sys.executable} is used as it is"
        else:
            by_setting = "as the setting `environment` says" if self._workspace.settings["environment"] else None
            reason = f"{row['described']} " + ("as given" if definition else by_setting or "in the project's root")
        recorded = not capturing.events
        found = environment(row if recorded else {**row, "created_at": time.time_ns() // 1000})
        return EnvironmentInUse(found, reason, placement.executor, placement.reason, recorded, notices)

    @shows("building the environment")
    async def create(
        self,
        definition: str | os.PathLike[str] | None = None,
        *,
        build: bool = True,
        executor: str | None = None,
    ) -> Environment:
        """Record an environment, and build it ahead of time, so that the first task does not wait for it.

        Parameters:
            definition: a definition file, relative to the project's root; by default the one in force.
            build: build it; else it is only recorded.
            executor: for which executor, `docker` or `process`; by default the one that a task would use.

        Raises:
            EnvironmentInvalid: the definition cannot be used.
            BuildFailed: it cannot be built.
            EngineUnreachable: it is an image, and no engine answers.
        """
        from datmo.engine.building import image_for, interpreter_for

        workspace, capturing = self._workspace, Capturing(self._workspace)
        with command():
            async with workspace.storing():
                row = await capturing.environment(definition)
                placement = place(row["kind"], executor, workspace.settings["executor"])
                docker = await self._executors.docker() if build and placement.executor == "docker" else None
                code_id = await capturing.code() if docker is not None else ""
                if capturing.events:
                    await workspace.log.append(*capturing.events)
                if docker is not None:
                    ready = await image_for(workspace, docker, row, code_id, workspace.settings["container.code"])
                    workspace.notice(f"ready: {ready.described}")
                elif build:
                    ready = await interpreter_for(workspace, row)
                    workspace.notice(f"ready: {ready.described}")
        return await self.get(row["id"])

    async def setup(self, *, dockerfile: bool = False, write: bool = False) -> Proposal:
        """Propose a definition for a project that has none, made from what its code imports, which is a guess.

        Parameters:
            dockerfile: propose a Dockerfile, which installs the requirements.txt that is there.
            write: write it into the project's root; else nothing is changed.

        Raises:
            Refused: there is a definition already.
        """
        return await self._workspace.in_thread(lambda: _propose(self._workspace.home, dockerfile, write))

    async def inspect(self, environment_id: str) -> dict[str, Any]:
        """Return everything that is known of an environment, and what uses it, as plain values."""
        row = await self._row(environment_id)
        found = environment(row)
        uses = await self._workspace.query(lambda connection: environment_uses(connection, row["id"]))
        names = ("id", "kind", "described", "files", "platform", "hardware", "builds", "created_at")
        return {
            **{name: getattr(found, name) for name in names},
            "definition": row["definition"],
            "packages": list(found.packages),
            **uses,
        }

    async def diff(self, first: str, second: str) -> EnvironmentDifference:
        """Return what differs between two environments: definition, packages as far as known, platform.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
        """
        from datmo.engine.differing import definition_changes

        one, other = await self._row(first), await self._row(second)
        return EnvironmentDifference(
            first=one["id"],
            second=other["id"],
            definitions=await self._workspace.in_thread(
                lambda: definition_changes(self._workspace, one["files"], other["files"])
            ),
            packages=package_changes(one["packages"], other["packages"]),
            platform=value_changes(one["platform"], other["platform"]),
        )

    async def delete(self, environment_id: str) -> Environment:
        """Hide an environment, and remove what was built of it; snapshots and tasks that name it keep its definition.

        Should a task or a snapshot need it again, it is recorded and built again.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
            Refused: a task runs in it.
        """
        row = await self._row(environment_id)
        unfinished = await self._workspace.query(tasks.unfinished)
        running = [task["id"] for task in unfinished if task["environment_id"] == row["id"]]
        events = rules.delete(row, running)
        await self._remove_built(row)
        with command():
            await self._workspace.log.append(*events)
        return environment(row)

    async def _remove_built(self, row: Row) -> None:
        from datmo.engine.building import image_tag, remove_interpreter

        await remove_interpreter(self._workspace, row)
        images = [key for key, build in row["builds"].items() if build["image_id"]]
        if not images:
            return
        try:
            docker = await self._executors.docker()
        except EngineUnreachable as error:
            self._workspace.notice(f"its images are left on the engine, which does not answer: {error}")
            return
        for key in images:
            await docker.images.remove(image_tag(self._workspace, key))

    async def _row(self, given: str) -> Row:
        return await find_content(self._workspace, ENVIRONMENTS, "environment", given)


def _propose(home: Path, dockerfile: bool, write: bool) -> Proposal:
    from datmo.capture import proposing
    from datmo.capture.environment import definitions

    there = [name for name in definitions(home) if not (dockerfile and name == "requirements.txt")]
    if there:
        raise Refused(f"the project has an environment already: {there[0]}", hint="`datmo environment ls` shows it")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    listed = (home / "requirements.txt").is_file()
    if dockerfile:
        reason = f"this Python, {python}" + (" with requirements.txt" if listed else "")
        proposal = Proposal("Dockerfile", proposing.dockerfile(python, listed), reason, ())
    else:
        guess = proposing.guess_requirements(home)
        files = f"{guess.files} file{'' if guess.files == 1 else 's'}"
        reason = f"a guess, from what {files} of the project import, with the versions that are installed here"
        text = "".join(f"{line}\n" for line in guess.requirements)
        proposal = Proposal("requirements.txt", text, reason, guess.notices)
    if write:
        with (home / proposal.name).open("x", encoding="utf-8") as file:
            file.write(proposal.text)
    return proposal._replace(written=write)
