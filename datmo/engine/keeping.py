"""The part of `project.snapshots` that is about keeping them: verify, export and import."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import anyio.to_thread

from datmo.engine.entities import Snapshot
from datmo.engine.metering import metered
from datmo.engine.showing import shows
from datmo.engine.workspace import Workspace
from datmo.errors import EntityNotFound, InvalidArgument
from datmo.projections import snapshots as view
from datmo.projections.projection import Row

if TYPE_CHECKING:
    from datmo.core.ids import Named
    from datmo.engine.exporting import Exported
    from datmo.engine.verifying import SnapshotReport
    from datmo.objects.meter import Reported

__all__ = ["Imported", "Keeping"]

SnapshotT = TypeVar("SnapshotT")


class Imported(NamedTuple, Generic[SnapshotT]):
    """What came of an import; each API has its own snapshots in it.

    Attributes:
        snapshots: those that are new here.
        known: the ids of those that were here already, and were left as they are.
    """

    snapshots: list[SnapshotT]
    known: list[str]


class Keeping:
    """What is inherited by `project.snapshots`.

    Parameters:
        workspace: the project.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @shows("reading")
    async def verify(self, *snapshots: str | Named, progress: Reported | None = None) -> SnapshotReport:
        """Check that snapshots can be brought back: the hash of every object, and that git has all of their code.

        Parameters:
            snapshots: their ids, labels or unique prefixes of their ids; all where none is given.
            progress: called with the bytes that are done and those known to be done in all, from a worker thread.

        Returns:
            A report; `ok` says whether nothing is wrong, `problems` name what is missing or damaged.

        Raises:
            EntityNotFound, AmbiguousId: none fits one of them, or several do.
        """
        from datmo.engine.verifying import verify_snapshots

        meter = await metered(self._workspace, progress)
        return await verify_snapshots(self._workspace, await self._chosen(snapshots), meter)

    @shows("writing the archive")
    async def export_archive(
        self,
        to: str | os.PathLike[str],
        *snapshots: str | Named,
        where: str | None = None,
        progress: Reported | None = None,
    ) -> Exported:
        """Write snapshots with their history, code, environment, files and values into one file.

        ```python
        await project.snapshots.export_archive("best.zip", where="stats.accuracy > 0.9")
        ```

        Parameters:
            to: the file; nothing is there yet.
            snapshots: their ids, labels or unique prefixes of their ids; all where none is given.
            where: only those for which this expression holds; it takes the place of ids.
            progress: called with the bytes that are done and those known to be done in all, from a worker thread.

        Raises:
            EntityNotFound, AmbiguousId: none fits one of the ids, or several do; or there is nothing to export.
            InvalidArgument: ids and an expression were given, or that cannot be read.
            ArchiveError: something is there already, or it cannot be written.
            ObjectError, CodeError: something of a snapshot is missing or damaged.
        """
        from datmo.engine.exporting import export_snapshots

        if snapshots and where is not None:
            raise InvalidArgument("ids and an expression exclude one another: give one of them")
        rows = await self._chosen(snapshots, where)
        if not rows:
            raise EntityNotFound("snapshot", where or "", hint="`datmo snapshot ls` shows what there is")
        meter = await metered(self._workspace, progress)
        return await export_snapshots(self._workspace, rows, await _absolute(to), meter)

    @shows("reading the archive")
    async def import_archive(
        self,
        file: str | os.PathLike[str],
        *,
        session_id: str | None = None,
        progress: Reported | None = None,
    ) -> Imported[Snapshot]:
        """Take over the snapshots of an archive, with their ids and history; nothing in it is believed unchecked.

        They keep the time when they were made; who made them, and where, stays in the log. What is here already is
        left as it is. The current snapshot stays the current one.

        Parameters:
            file: what `export_archive` wrote, here or elsewhere.
            session_id: the session that they belong to, by name, id or prefix; the current one by default.
            progress: called with the bytes that are done and those known to be done in all, from a worker thread.

        Raises:
            ArchiveError: it is no archive, is too new, or something in it is not as it should be; nothing was recorded.
            EntityNotFound: there is no such session.
        """
        from datmo.engine.importing import import_snapshots

        session = await self._workspace.session(session_id)
        meter = await metered(self._workspace, progress)
        new, known = await import_snapshots(self._workspace, await _absolute(file), session["id"], meter)
        rows = [
            await self._workspace.query(lambda connection, each=each: view.SNAPSHOTS.load(connection, each))  # type: ignore[misc]
            for each in new
        ]
        return Imported([self._entity(row) for row in rows if row is not None], known)

    async def _chosen(self, snapshots: Sequence[str | Named], where: str | None = None) -> list[Row]:
        """Return the rows of snapshots that are named, or of all, or of those for which an expression holds."""
        if snapshots:
            rows = [await self._workspace.snapshot(each) for each in snapshots]
            return list({row["id"]: row for row in rows}.values())
        found, _ = await self._workspace.query(
            lambda connection: view.ls(connection, session_id=None, text=None, limit=None, where=where)
        )
        return found

    def _entity(self, row: dict[str, Any]) -> Snapshot:
        return Snapshot.of(view.entity(row, self._workspace.project_id), self._workspace)


async def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(await anyio.to_thread.run_sync(os.path.abspath, path))
