"""Snapshots, as the seed has them: a class, and functions that take the project's `home`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from datmo import portal
from datmo.core.entity.snapshot import Snapshot as SnapshotEntity
from datmo.errors import InvalidArgumentType
from datmo.project import open as open_project

if TYPE_CHECKING:
    from datmo.core.differences import Difference
    from datmo.core.ids import Named
    from datmo.engine.checkout import Checkout

__all__ = ["Snapshot", "checkout", "create", "delete", "diff", "get", "ls", "undelete", "update"]


class Snapshot:
    """A snapshot: code, environment, files, configuration and metrics, tied together.

    Parameters:
        snapshot_entity: the plain value.
        home: the project's root; the nearest project at or above the working folder by default.

    Raises:
        InvalidArgumentType: it is not a snapshot's value.
    """

    def __init__(self, snapshot_entity: SnapshotEntity, home: str | os.PathLike[str] | None = None) -> None:
        if not isinstance(snapshot_entity, SnapshotEntity):
            raise InvalidArgumentType(
                f"a Snapshot is made from a core snapshot, not a {type(snapshot_entity).__name__}"
            )
        self._entity = snapshot_entity
        self._home = home

    @property
    def id(self) -> str:
        """The id of the snapshot."""
        return self._entity.id

    @property
    def model_id(self) -> str:
        """The id of the project."""
        return self._entity.model_id

    @property
    def session_id(self) -> str:
        """The session that it belongs to."""
        return self._entity.session_id

    @property
    def message(self) -> str:
        """What it is, in the words of who made it."""
        return self._entity.message

    @property
    def label(self) -> str | None:
        """A short category, or None."""
        return self._entity.label

    @property
    def code_id(self) -> str:
        """A commit hash, in the project's repository or in Datmo's own."""
        return self._entity.code_id

    @property
    def environment_id(self) -> str:
        """The environment."""
        return self._entity.environment_id

    @property
    def file_collection_id(self) -> str:
        """The collection of its files."""
        return self._entity.file_collection_id

    @property
    def config(self) -> dict[str, Any]:
        """Configuration, `{}` where none was found."""
        return self._entity.config

    @property
    def stats(self) -> dict[str, Any]:
        """Metrics, `{}` where none were found."""
        return self._entity.stats

    @property
    def task_id(self) -> str | None:
        """The task that it was made from, or None."""
        return self._entity.task_id

    @property
    def created_at(self) -> datetime:
        """When it was created, UTC."""
        return self._entity.created_at

    @property
    def updated_at(self) -> datetime:
        """When its words or values were last changed, UTC."""
        return self._entity.updated_at

    @property
    def files(self) -> list[IO[Any]]:
        """Its files, open for reading as text; each one's `name` ends in its path in the collection."""
        return self.get_files()

    def get_files(self, mode: str = "r") -> list[IO[Any]]:
        """Return its files, open.

        Parameters:
            mode: `r` for text, `rb` for bytes.

        Raises:
            InvalidArgumentType: the mode is not one for reading.
        """
        from datmo.engine.asking import files_of

        return portal.call(files_of, self._home, self.file_collection_id, mode)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def _repr_html_(self) -> str:
        from datmo.core.html import snapshot_html

        return snapshot_html(self._entity)

    def __str__(self) -> str:
        return str(self._entity)

    def __repr__(self) -> str:
        return f"<Snapshot {self.id}: {self.message!r}>"


def create(  # noqa: PLR0917  # the order of the seed
    message: str,
    label: str | None = None,
    home: str | os.PathLike[str] | None = None,
    task_id: str | Named | None = None,
    commit_id: str | None = None,
    environment_id: str | None = None,
    filepaths: Sequence[str | os.PathLike[str]] | None = None,
    config: Mapping[str, Any] | None = None,
    stats: Mapping[str, Any] | None = None,
    *,
    session_id: str | None = None,
    environment_definition: str | os.PathLike[str] | None = None,
    file_collection_id: str | None = None,
    config_filename: str | None = None,
    config_filepath: str | os.PathLike[str] | None = None,
    stats_filename: str | None = None,
    stats_filepath: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Snapshot:
    """Create a snapshot; see `datmo.engine.snapshots.Snapshots.create` for what each parameter means.

    ```python
    import datmo

    datmo.snapshot.create(message="my first snapshot", config={"test": 0.4}, stats={"accuracy": 0.94})
    ```
    """
    with open_project(home) as project:
        return project.snapshots.create(
            message,
            label=label,
            task_id=task_id,
            commit_id=commit_id,
            environment_id=environment_id,
            filepaths=filepaths,
            config=config,
            stats=stats,
            session_id=session_id,
            environment_definition=environment_definition,
            file_collection_id=file_collection_id,
            config_filename=config_filename,
            config_filepath=config_filepath,
            stats_filename=stats_filename,
            stats_filepath=stats_filepath,
            progress=progress,
        )


def ls(
    session_id: str | None = None,
    filter: str | None = None,  # noqa: A002  # the seed's name
    home: str | os.PathLike[str] | None = None,
    *,
    where: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    deleted: bool = False,
) -> list[Snapshot]:
    """Return snapshots, newest first where no other order is asked for.

    ```python
    datmo.snapshot.ls(where="stats.accuracy > 0.9", sort="stats.accuracy")
    ```

    Parameters:
        session_id: only those of one session, by name, id or prefix; all by default.
        filter: only those with this in their message or label.
        home: the project's root; the nearest project by default.
        where: only those for which this expression holds; its language is told in `datmo.core.expression`.
        sort: the key that they are sorted by, the largest first; `stats.loss asc` has the smallest first.
        limit: at most that many.
        deleted: those that were deleted, instead of the others.
    """
    with open_project(home) as project:
        return project.snapshots.ls(
            session_id=session_id, filter=filter, where=where, sort=sort, limit=limit, deleted=deleted
        )


def get(snapshot_id: str | Named, home: str | os.PathLike[str] | None = None) -> Snapshot:
    """Return a snapshot, named by its id, a unique prefix of it or its label.

    Raises:
        EntityNotFound, AmbiguousId: none fits, or several do.
    """
    with open_project(home) as project:
        return project.snapshots.get(snapshot_id)


def update(
    snapshot_id: str | Named,
    home: str | os.PathLike[str] | None = None,
    *,
    message: str | None = None,
    label: str | None = None,
    config: Mapping[str, Any] | None = None,
    stats: Mapping[str, Any] | None = None,
) -> Snapshot:
    """Change the words or values of a snapshot; see `datmo.engine.snapshots.Snapshots.update`."""
    with open_project(home) as project:
        return project.snapshots.update(snapshot_id, message=message, label=label, config=config, stats=stats)


def delete(snapshot_id: str | Named, home: str | os.PathLike[str] | None = None) -> Snapshot:
    """Hide a snapshot, named by its id, a unique prefix of it or its label; `undelete` brings it back."""
    with open_project(home) as project:
        return project.snapshots.delete(snapshot_id)


def undelete(snapshot_id: str | Named, home: str | os.PathLike[str] | None = None) -> Snapshot:
    """Bring a deleted snapshot back."""
    with open_project(home) as project:
        return project.snapshots.undelete(snapshot_id)


def diff(
    first: str | Named, second: str | Named | None = None, home: str | os.PathLike[str] | None = None
) -> Difference:
    """Return what differs between two snapshots, or one and the folder; see `datmo.engine.snapshots.Snapshots.diff`."""
    with open_project(home) as project:
        return project.snapshots.diff(first, second)


def checkout(
    snapshot_id: str | Named,
    home: str | os.PathLike[str] | None = None,
    *,
    to: str | os.PathLike[str] | None = None,
    branch: str | None = None,
    save: bool = True,
) -> Checkout[Snapshot]:
    """Bring the project's folder to the state of a snapshot; see `datmo.engine.snapshots.Snapshots.checkout`.

    ```python
    import datmo

    datmo.snapshot.checkout("best")
    datmo.snapshot.checkout("-")  # back to where it came from, unsaved work included
    ```
    """
    with open_project(home) as project:
        return project.snapshots.checkout(snapshot_id, to=to, branch=branch, save=save)
