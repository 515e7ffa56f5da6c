"""`project.snapshots` of the sync API: create, list, compare, check out and keep snapshots."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datmo import portal
from datmo.core.entity_list import EntityList
from datmo.snapshot import Snapshot

if TYPE_CHECKING:
    from datmo.core.differences import Difference, TreeChanges
    from datmo.core.ids import Named
    from datmo.engine import project as engine
    from datmo.engine.checkout import Checkout
    from datmo.engine.exporting import Exported
    from datmo.engine.keeping import Imported
    from datmo.engine.verifying import SnapshotReport
    from datmo.objects.meter import Reported

__all__ = ["Snapshots"]


class Snapshots:
    """`project.snapshots`; see `datmo.engine.snapshots.Snapshots`."""

    def __init__(self, held: portal.Held[engine.Project]) -> None:
        self._held = held
        self._snapshots = held.value.snapshots
        self._home = held.value.home

    def create(
        self,
        message: str,
        *,
        label: str | None = None,
        session_id: str | None = None,
        task_id: str | Named | None = None,
        commit_id: str | None = None,
        environment_id: str | None = None,
        environment_definition: str | os.PathLike[str] | None = None,
        file_collection_id: str | None = None,
        filepaths: Sequence[str | os.PathLike[str]] | None = None,
        config: Mapping[str, Any] | None = None,
        config_filename: str | None = None,
        config_filepath: str | os.PathLike[str] | None = None,
        stats: Mapping[str, Any] | None = None,
        stats_filename: str | None = None,
        stats_filepath: str | os.PathLike[str] | None = None,
        progress: Reported | None = None,
    ) -> Snapshot:
        """Create a snapshot of the project as it is, or of what a task ran and left."""
        created = portal.call(
            self._snapshots.create,
            message,
            label=label,
            session_id=session_id,
            task_id=task_id,
            commit_id=commit_id,
            environment_id=environment_id,
            environment_definition=environment_definition,
            file_collection_id=file_collection_id,
            filepaths=filepaths,
            config=config,
            config_filename=config_filename,
            config_filepath=config_filepath,
            stats=stats,
            stats_filename=stats_filename,
            stats_filepath=stats_filepath,
            progress=progress,
        )
        return Snapshot(created, self._home)

    def ls(
        self,
        *,
        session_id: str | None = None,
        filter: str | None = None,  # noqa: A002  # the seed's name
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
        deleted: bool = False,
    ) -> list[Snapshot]:
        """Return snapshots, newest first."""
        found = portal.call(
            self._snapshots.ls,
            session_id=session_id,
            filter=filter,
            where=where,
            sort=sort,
            limit=limit,
            deleted=deleted,
        )
        return EntityList(Snapshot(entity, self._home) for entity in found)

    def current(self) -> Snapshot | None:
        """Return the current snapshot, or None."""
        found = portal.call(self._snapshots.current)
        return None if found is None else Snapshot(found, self._home)

    def get(self, snapshot: str | Named) -> Snapshot:
        """Return a snapshot by id, label or unique prefix of its id."""
        return Snapshot(portal.call(self._snapshots.get, snapshot), self._home)

    def inspect(self, snapshot: str | Named) -> dict[str, Any]:
        """Return everything that is known of a snapshot, as plain values."""
        return portal.call(self._snapshots.inspect, snapshot)

    def update(
        self,
        snapshot: str | Named,
        *,
        message: str | None = None,
        label: str | None = None,
        config: Mapping[str, Any] | None = None,
        stats: Mapping[str, Any] | None = None,
    ) -> Snapshot:
        """Change the words or values of a snapshot; what it was before stays in the log."""
        changed = portal.call(
            self._snapshots.update, snapshot, message=message, label=label, config=config, stats=stats
        )
        return Snapshot(changed, self._home)

    def delete(self, snapshot: str | Named) -> Snapshot:
        """Hide a snapshot; `undelete` brings it back."""
        return Snapshot(portal.call(self._snapshots.delete, snapshot), self._home)

    def undelete(self, snapshot: str | Named) -> Snapshot:
        """Bring a deleted snapshot back."""
        return Snapshot(portal.call(self._snapshots.undelete, snapshot), self._home)

    def verify(self, *snapshots: str | Named, progress: Reported | None = None) -> SnapshotReport:
        """Check that snapshots can be brought back; all where none is given."""
        return portal.call(self._snapshots.verify, *snapshots, progress=progress)

    def checkout(
        self,
        snapshot: str | Named,
        *,
        to: str | os.PathLike[str] | None = None,
        branch: str | None = None,
        save: bool = True,
    ) -> Checkout[Snapshot]:
        """Bring the project's folder to the state of a snapshot: code, files and configuration."""
        from datmo.engine.checkout import Checkout

        found = portal.call(self._snapshots.checkout, snapshot, to=to, branch=branch, save=save)._asdict()
        found["snapshot"] = Snapshot(found["snapshot"], self._home)
        found["saved"] = None if found["saved"] is None else Snapshot(found["saved"], self._home)
        return Checkout(**found)

    def export_archive(
        self,
        to: str | os.PathLike[str],
        *snapshots: str | Named,
        where: str | None = None,
        progress: Reported | None = None,
    ) -> Exported:
        """Write snapshots with their history, code, environment, files and values into one file."""
        return portal.call(self._snapshots.export_archive, to, *snapshots, where=where, progress=progress)

    def import_archive(
        self,
        file: str | os.PathLike[str],
        *,
        session_id: str | None = None,
        progress: Reported | None = None,
    ) -> Imported[Snapshot]:
        """Take over the snapshots of an archive, with their ids and history; nothing in it is believed unchecked."""
        from datmo.engine.keeping import Imported

        found = portal.call(self._snapshots.import_archive, file, session_id=session_id, progress=progress)
        return Imported([Snapshot(each, self._home) for each in found.snapshots], found.known)

    def changes(self, snapshot: str | Named) -> TreeChanges:
        """Return what has changed in the folder since a snapshot: code, files, configuration and environment."""
        return portal.call(self._snapshots.changes, snapshot)

    def diff(self, first: str | Named, second: str | Named | None = None) -> Difference:
        """Return what differs between two snapshots, or one and the folder: config, stats, files, environment, code."""
        return portal.call(self._snapshots.diff, first, second)
