"""Capturing code, environment and files: each gives an id, and the event that records it where it is new."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from datmo.core.content import CodeCaptured, EnvironmentCreated, FilesStored
from datmo.core.event import NewEvent
from datmo.engine.workspace import Workspace, checked_text
from datmo.errors import EntityNotFound
from datmo.projections.content import CODE, ENVIRONMENTS, FILES
from datmo.projections.projection import Projection, Row
from datmo.projections.search import resolve

if TYPE_CHECKING:
    from datmo.capture.code import CodeCapture
    from datmo.capture.environment import EnvironmentCapture
    from datmo.capture.manifest import Manifest
    from datmo.objects.hashing import Progress

__all__ = ["Capturing", "find_content"]


class Capturing:
    """One command's captures. Content comes first, events last: a crash between leaves only unreferenced content.

    Parameters:
        workspace: the project.
        progress: told the bytes that were done, as they are, from worker threads.

    Attributes:
        events: what has to be appended with the command's own event, so that what it names is recorded.
    """

    def __init__(self, workspace: Workspace, progress: Progress | None = None) -> None:
        self._workspace = workspace
        self._progress = progress
        self.events: list[NewEvent] = []

    async def code(self, commit: str | None = None) -> str:
        """Capture the code of the tree, or find a commit that was given; returns the code id."""
        return (await self.capture(commit)).code_id

    async def capture(self, commit: str | None = None) -> CodeCapture:
        """As `code`, but returns all that is known of it."""
        workspace = self._workspace
        if commit is not None:
            checked_text("commit_id", commit)

        def capture() -> CodeCapture:
            if commit is not None:
                return workspace.code.resolve(commit)
            return workspace.code.capture(workspace.store, self._progress)

        captured = await workspace.in_thread(capture)
        for notice in captured.notices:
            self._workspace.notice(notice)
        await self._record(CODE, captured.code_id, "code.captured", _code(captured))
        return captured

    async def environment(self, definition: str | os.PathLike[str] | None = None) -> Row:
        """Capture the environment in force, or that of a definition file; returns its row as it will be."""
        row, notices = await self.look_at_environment(definition)
        for notice in notices:
            self._workspace.notice(notice)
        return row

    async def look_at_environment(
        self, definition: str | os.PathLike[str] | None = None
    ) -> tuple[Row, tuple[str, ...]]:
        """Do as `environment` does, but return what was passed over instead of saying it."""
        workspace = self._workspace
        given = definition or workspace.settings["environment"]

        def capture() -> EnvironmentCapture:
            from datmo.capture.environment import capture_environment

            return capture_environment(workspace.store, workspace.home, Path(given) if given else None)

        captured = await workspace.in_thread(capture)
        data = _environment(captured)
        await self._record(ENVIRONMENTS, captured.environment_id, "environment.created", data)
        known = await workspace.query(lambda connection: ENVIRONMENTS.load(connection, captured.environment_id))
        return known or {"id": captured.environment_id, **data, "builds": {}}, captured.notices

    async def environment_row(self, given: str) -> Row:
        """Return the environment of an id or a unique prefix."""
        return await find_content(self._workspace, ENVIRONMENTS, "environment", given)

    async def files(self, paths: list[Path]) -> str:
        """Put files and folders into the store; returns the file collection's id."""
        workspace = self._workspace

        def capture() -> tuple[Manifest, str]:
            from datmo.capture.files import capture_files

            manifest = capture_files(workspace.store, paths, root=workspace.home, progress=self._progress)
            return manifest, workspace.store.put_bytes(manifest.to_bytes())

        manifest, collection_id = await workspace.in_thread(capture)
        await self.stored(collection_id, len(manifest.entries), sum(entry.size for entry in manifest.entries))
        return collection_id

    async def stored(self, collection_id: str, count: int, size: int) -> None:
        """Record a file collection whose manifest is in the store."""
        await self._record(FILES, collection_id, "files.stored", FilesStored(count=count, size=size))

    async def files_row(self, given: str) -> Row:
        """Return the file collection of an id or a unique prefix."""
        return await find_content(self._workspace, FILES, "file collection", given)

    async def _record(
        self,
        projection: Projection,
        content_id: str,
        event_type: str,
        data: CodeCaptured | EnvironmentCreated | FilesStored,
    ) -> None:
        known = await self._workspace.query(lambda connection: projection.load(connection, content_id))
        if known is None or known.get("deleted"):  # never, or not since it was collected
            kind = event_type.partition(".")[0]
            self.events.append(NewEvent(f"{kind}/{content_id}", event_type, data))


async def find_content(workspace: Workspace, projection: Projection, kind: str, given: str) -> Row:
    """Return the row of something captured, by its id or a unique prefix.

    Parameters:
        workspace: the project.
        projection: its view.
        kind: what people call it.
        given: what somebody typed.

    Raises:
        EntityNotFound, AmbiguousId: none fits, or several do.
    """
    text = checked_text(f"a {kind}'s id", given)
    try:
        return await workspace.query(lambda connection: resolve(connection, projection, text))
    except EntityNotFound as error:
        shown = "environment ls" if kind == "environment" else "snapshot ls -a"
        raise EntityNotFound(kind, text, hint=f"`datmo {shown}` shows the ids") from error


def _code(captured: CodeCapture) -> CodeCaptured:
    return CodeCaptured(
        tree=captured.tree,
        base=captured.base,
        large=[list(entry) for entry in captured.large],
        own_repository=captured.own_repository,
        notices=list(captured.notices),
    )


def _environment(captured: EnvironmentCapture) -> EnvironmentCreated:
    return EnvironmentCreated(
        kind=captured.kind,
        described=captured.described,
        definition=captured.definition,
        dockerignore=captured.dockerignore,
        files=captured.files,
        packages=list(captured.packages),
        platform=dict(captured.platform),
        hardware=captured.hardware,
    )
