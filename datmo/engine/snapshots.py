"""Commands on snapshots."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from datmo.core import snapshot as rules
from datmo.core.differences import Difference, TreeChanges
from datmo.core.entity_list import EntityList
from datmo.core.event import NewEvent
from datmo.core.ids import Named, id_of, new_id, short
from datmo.engine.capturing import Capturing
from datmo.engine.checkout import Checkout
from datmo.engine.config_file import config_file
from datmo.engine.drafting import Chosen, Draft
from datmo.engine.entities import Snapshot
from datmo.engine.keeping import Keeping
from datmo.engine.metering import metered
from datmo.engine.showing import shows
from datmo.engine.values import Wanted
from datmo.engine.workspace import checked_text, command
from datmo.errors import DatmoError, EntityNotFound, InvalidArgument, InvalidArgumentType
from datmo.projections import snapshots as view

if TYPE_CHECKING:
    from datmo.objects.meter import Reported

__all__ = ["Listing", "Snapshots"]


class Listing(NamedTuple):
    """Some entities, newest first, and how many there are in all."""

    entities: list[Snapshot]
    total: int


class Snapshots(Keeping):
    """`project.snapshots`: create, list and inspect snapshots."""

    @shows("storing a snapshot")
    async def create(
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
        """Create a snapshot of the project as it is, or of what a task ran and left.

        Everything is checked before anything is written; content is stored first, and the one event that makes the
        snapshot is appended last.

        Parameters:
            message: what it is; not empty.
            label: a short category, such as `best`.
            session_id: the session that it belongs to, by name, id or prefix; the current one by default.
            task_id: the ended task whose code, environment and files it takes, and whose config and stats it
                begins with.
            commit_id: a commit to take the code from, instead of the tree.
            environment_id: a known environment, instead of the one in force.
            environment_definition: a definition file, relative to the project's root.
            file_collection_id: known files.
            filepaths: files and folders, relative to the working folder.
            config, stats: values; by default `config.json` and `stats.json` are looked up, or the same names with
                `.yaml`, `.yml` or `.toml`, in this order.
            config_filename, stats_filename: another name to look up.
            config_filepath, stats_filepath: a file that must exist: JSON, YAML or TOML by its ending.
            progress: called with the bytes of files that are stored and the bytes known to be stored in all, from
                worker threads, in order.

        Returns:
            The snapshot.

        Raises:
            InvalidArgument: values exclude one another, or one cannot be used.
            EntityNotFound: an id is not known.
            Refused: the task has not ended.
            CaptureError: code, environment or files could not be captured.
        """
        _exclude(environment_id=environment_id, environment_definition=environment_definition)
        _exclude(file_collection_id=file_collection_id, filepaths=filepaths)
        chosen = Chosen(commit_id, environment_id, environment_definition, file_collection_id, filepaths)
        paths = await self._workspace.in_thread(lambda: _absolute(filepaths))
        values = [
            Wanted("config", config, config_filename, config_filepath),
            Wanted("stats", stats, stats_filename, stats_filepath),
        ]
        async with self._workspace.storing():
            capturing = Capturing(self._workspace, await metered(self._workspace, progress))
            draft = Draft(self._workspace, capturing)
            created = await draft.begin(message, label, session_id)
            if task_id is not None:
                await draft.take(created, task_id, chosen._asdict(), session_given=session_id is not None)
                values = [wanted for wanted in values if wanted.somewhere]
            await draft.fill(created, values, paths, chosen)
            return await self._append(capturing, created)

    async def _append(self, capturing: Capturing, created: rules.SnapshotCreated) -> Snapshot:
        workspace = self._workspace
        twin = await workspace.query(lambda connection: view.same_content(connection, created))
        file = await workspace.in_thread(lambda: config_file(workspace, created["code_id"], created["config_path"]))
        if file is not None:
            created["config_file"] = file
        snapshot_id = new_id()
        with command():
            await workspace.log.append(*capturing.events, *rules.create(snapshot_id, created))
        if twin is not None:
            workspace.notice(f"same content as snapshot {short(twin)}: code, environment and files are shared")
        await self._note_head()
        # Not by `get`, which hides the snapshot where its session was deleted meanwhile.
        row = await workspace.query(lambda connection: view.SNAPSHOTS.load(connection, snapshot_id))
        if row is None:
            raise EntityNotFound("snapshot", snapshot_id)
        return self._entity(row)

    async def _note_head(self) -> None:
        """Put the log's head into git, where `verify` finds it. It may lag: a crash here loses nothing."""
        position, digest = await self._workspace.log.head()
        try:
            await self._workspace.in_thread(lambda: self._workspace.code.put_head(position, digest))
        except DatmoError as error:
            self._workspace.notice(f"the log's head was not noted in git: {error}")

    async def ls(
        self,
        *,
        session_id: str | None = None,
        filter: str | None = None,  # noqa: A002  # the seed's name
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
        deleted: bool = False,
    ) -> list[Snapshot]:
        """Return snapshots, newest first where no other order is asked for.

        ```python
        await project.snapshots.ls(where="stats.accuracy > 0.9 and config.lr == 0.1", sort="stats.accuracy", limit=5)
        ```

        Parameters:
            session_id: only those of one session, by name, id or prefix.
            filter: only those with this in their message or label.
            where: only those for which this expression holds; its language is told in `datmo.core.expression`.
            sort: the key that they are sorted by, the largest first; `stats.loss asc` has the smallest first. Those
                without it come last, the newest of equal ones first.
            limit: at most that many.
            deleted: those that were deleted, instead of the others.

        Raises:
            EntityNotFound: there is no such session.
            InvalidArgument: an expression cannot be read; the message names the column.
        """
        found = await self.page(
            session_id=session_id, filter=filter, where=where, sort=sort, limit=limit, deleted=deleted
        )
        return found.entities

    async def page(
        self,
        *,
        session_id: str | None = None,
        filter: str | None = None,  # noqa: A002  # the seed's name
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
        deleted: bool = False,
    ) -> Listing:
        """Return what `ls` does, and how many there are beside those within the limit."""
        session = None if session_id is None else (await self._workspace.session(session_id))["id"]
        rows, total = await self._workspace.query(
            lambda connection: view.ls(
                connection, session_id=session, text=filter, where=where, sort=sort, limit=limit, deleted=deleted
            )
        )
        return Listing(EntityList(self._entity(row) for row in rows), total)

    async def update(
        self,
        snapshot: str | Named,
        *,
        message: str | None = None,
        label: str | None = None,
        config: Mapping[str, Any] | None = None,
        stats: Mapping[str, Any] | None = None,
    ) -> Snapshot:
        """Change the words or values of a snapshot; what it was before stays in the log.

        Parameters:
            snapshot: its id, its label or a unique prefix of its id.
            message: a new one.
            label: a new one; empty takes it away.
            config, stats: values that are laid over those that there are, key by key.

        Returns:
            The snapshot as it is then.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
            InvalidArgument: the message is empty, or a value cannot be recorded.
        """
        row = await self._workspace.snapshot(snapshot)
        changes = rules.SnapshotUpdated()
        if message is not None:
            changes["message"] = checked_text("message", message)
        if label is not None:
            changes["label"] = checked_text("label", label) or None
        if config is not None:
            changes["config"] = _values("config", config)
        if stats is not None:
            changes["stats"] = _values("stats", stats)
        return await self._change(row["id"], rules.update(row, changes))

    async def delete(self, snapshot: str | Named) -> Snapshot:
        """Hide a snapshot; `undelete` brings it back. Returns it as it was.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
        """
        row = await self._workspace.snapshot(snapshot)
        return await self._change(row["id"], rules.delete(row))

    async def undelete(self, snapshot: str | Named) -> Snapshot:
        """Bring a deleted snapshot back.

        Parameters:
            snapshot: its id, its label or a unique prefix of its id.

        Raises:
            EntityNotFound, AmbiguousId: no deleted snapshot fits, or several do.
        """
        async with self._workspace.storing():  # it is garbage until it is restored
            row = await self._workspace.snapshot(snapshot, deleted=True)
            return await self._change(row["id"], rules.restore(row))

    async def changes(self, snapshot: str | Named) -> TreeChanges:
        """Return what has changed in the folder since a snapshot: code, files, configuration and environment.

        Nothing is stored for it. What cannot be compared is said in the notices of what is returned.

        Parameters:
            snapshot: its id, its label or a unique prefix of its id.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
        """
        from datmo.engine.tree_changes import changes_since

        return await changes_since(self._workspace, await self._workspace.snapshot(snapshot))

    async def diff(self, first: str | Named, second: str | Named | None = None) -> Difference:
        """Return what differs between two snapshots: config, stats, files, environment and code.

        Parameters:
            first: its id, its label or a unique prefix of its id.
            second: likewise; None for the folder as it is, of which the stats are not compared, nor files that are not
                in it.

        Raises:
            EntityNotFound, AmbiguousId: none fits one of them, or several do.
        """
        row = await self._workspace.snapshot(first)
        if second is None:
            from datmo.engine.tree_changes import compare_with_tree

            return await compare_with_tree(self._workspace, row)
        from datmo.engine.differing import compare

        return await compare(self._workspace, row, await self._workspace.snapshot(second))

    @shows("checking out a snapshot")
    async def checkout(
        self,
        snapshot: str | Named,
        *,
        to: str | os.PathLike[str] | None = None,
        branch: str | None = None,
        save: bool = True,
    ) -> Checkout[Snapshot]:
        """Bring the project's folder to the state of a snapshot: code, files and configuration.

        Git's index, HEAD and branches stay as they are, and ignored files are not touched. Work that is in no snapshot
        is kept as one first, and `-` goes back to it.

        Parameters:
            snapshot: its id, its label, a unique prefix of its id, or `-` for where the last checkout came from.
            to: write it into this folder instead, relative to the working folder; it is empty, or not there yet.
            branch: make this branch of git, and enter it.
            save: keep unsaved work; False refuses where there is some.

        Returns:
            What was done.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
            Refused: git is in the middle of something, something is in the way, or there is unsaved work.
            ProjectBusy: another checkout is under way.
            CaptureError: something cannot be read or written.
        """
        from datmo.engine.checking_out import check_out

        target = None if to is None else await self._workspace.in_thread(lambda: Path(os.path.abspath(to)))
        if branch is not None:
            checked_text("branch", branch)
        done = await check_out(self._workspace, self._append, id_of(snapshot), to=target, branch=branch, save=save)
        saved = None if done.saved is None else await self.get(done.saved)
        return Checkout(self._entity(done.row), saved, done.written, done.removed, done.folder, done.in_git)

    async def _finish_checkout(self) -> None:
        from datmo.engine.checking_out import finish_interrupted

        await finish_interrupted(self._workspace, self._append)

    async def _change(self, snapshot_id: str, events: list[NewEvent]) -> Snapshot:
        workspace = self._workspace
        if events:
            with command():
                await workspace.log.append(*events)
        row = await workspace.query(lambda connection: view.SNAPSHOTS.load(connection, snapshot_id))
        if row is None:
            raise EntityNotFound("snapshot", snapshot_id)
        return self._entity(row)

    async def get(self, snapshot: str | Named) -> Snapshot:
        """Return a snapshot by id, label or unique prefix of its id.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
        """
        return self._entity(await self._workspace.snapshot(snapshot))

    async def current(self) -> Snapshot | None:
        """Return the current snapshot: None where there is none yet, or where its session was deleted."""
        current_id = (await self._workspace.project_row())["snapshot_id"]
        try:
            return None if current_id is None else await self.get(current_id)
        except EntityNotFound:
            return None

    async def inspect(self, snapshot: str | Named) -> dict[str, Any]:
        """Return everything that is known of a snapshot: itself, its code, environment and files, as plain values."""
        from datmo.engine.inspecting import inspect_snapshot

        return await inspect_snapshot(self._workspace, await self._workspace.snapshot(snapshot))


def _values(name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidArgumentType(f"{name} is a dict of names and values, not a {type(given).__name__}")
    return dict(given)


def _absolute(filepaths: Sequence[str | os.PathLike[str]] | None) -> list[Path]:
    if isinstance(filepaths, str | os.PathLike):
        raise InvalidArgumentType(f"filepaths is a list of paths, not the one path {os.fspath(filepaths)!r}")
    return [Path(os.path.abspath(path)) for path in filepaths or ()]


def _exclude(**values: object) -> None:
    if all(value is not None for value in values.values()):
        raise InvalidArgument(f"{' and '.join(values)} exclude one another: give one of them")
