"""A snapshot before it is recorded: its words, its values, and what it consists of."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from datmo.core import snapshot as rules
from datmo.core.ids import Named
from datmo.engine.capturing import Capturing
from datmo.engine.values import Wanted, find_values
from datmo.engine.workspace import Workspace, checked_text

__all__ = ["Chosen", "Draft"]


class Chosen(NamedTuple):
    """What a snapshot shall have instead of what the tree has; see `datmo.engine.snapshots.Snapshots.create`."""

    commit_id: str | None
    environment_id: str | None
    environment_definition: str | os.PathLike[str] | None
    file_collection_id: str | None
    filepaths: Sequence[str | os.PathLike[str]] | None


class Draft:
    """Fills in the data of `snapshot.created`.

    Parameters:
        workspace: the project.
        capturing: the command's captures.
    """

    def __init__(self, workspace: Workspace, capturing: Capturing) -> None:
        self._workspace = workspace
        self._capturing = capturing

    async def begin(self, message: str, label: str | None, session_id: str | None) -> rules.SnapshotCreated:
        """Begin with the words; refuses before anything is captured."""
        session = await self._workspace.session(session_id)
        created = rules.SnapshotCreated(
            session_id=session["id"],
            task_id=None,
            message=checked_text("message", message),
            label=None if label is None else checked_text("label", label) or None,
            code_id="",
            environment_id="",
            file_collection_id="",
            config={},
            config_path=None,
            stats={},
            stats_path=None,
        )
        rules.create("new", created)
        return created

    async def take(
        self, created: rules.SnapshotCreated, task_id: str | Named, given: Mapping[str, object], *, session_given: bool
    ) -> None:
        """Take over what a task ran and left."""
        task = await self._workspace.task(task_id)
        rules.from_task(task, given)
        created["task_id"] = task["id"]
        created["code_id"] = task["code_id"]
        created["environment_id"] = task["environment_id"]
        created["file_collection_id"] = task["file_collection_id"] or ""
        created["config"] = task["config"]
        created["stats"] = task["results"]
        if not session_given:
            created["session_id"] = task["session_id"]

    async def look_up(self, created: rules.SnapshotCreated, wanted: Wanted, paths: list[Path]) -> None:
        """Take values from where they were said to be, or where they are looked up."""
        home = self._workspace.home
        found = await self._workspace.in_thread(lambda: find_values(wanted, home, paths))
        for notice in found.notices:
            self._workspace.notice(notice)
        if wanted.kind == "config":
            created["config"], created["config_path"] = found.values, found.path
        else:
            created["stats"], created["stats_path"] = found.values, found.path

    async def environment(self, given: str | None, definition: str | os.PathLike[str] | None) -> str:
        """Return the id of a known environment, or capture one."""
        capturing = self._capturing
        row = await (capturing.environment_row(given) if given is not None else capturing.environment(definition))
        return str(row["id"])

    async def files(self, given: str | None, paths: list[Path]) -> str:
        """Return the id of a known file collection, or capture one."""
        capturing = self._capturing
        return str((await capturing.files_row(given))["id"]) if given is not None else await capturing.files(paths)

    async def fill(
        self, created: rules.SnapshotCreated, values: Sequence[Wanted], paths: list[Path], chosen: Chosen
    ) -> None:
        """Find and store what the snapshot consists of, as far as its task did not give it."""
        for wanted in values:
            await self.look_up(created, wanted, paths)
        if created["task_id"] is None:
            created["environment_id"] = await self.environment(chosen.environment_id, chosen.environment_definition)
            created["file_collection_id"] = await self.files(chosen.file_collection_id, paths)
            created["code_id"] = await self._capturing.code(chosen.commit_id)
        elif not created["file_collection_id"]:  # a task that never started left nothing
            created["file_collection_id"] = await self._capturing.files([])
