"""The entities of the async API: the plain values, and what can be asked of them."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field, fields
from typing import IO, TYPE_CHECKING, Any

from datmo.core.entity.snapshot import Snapshot as SnapshotValue
from datmo.core.entity.task import Task as TaskValue
from datmo.errors import InvalidArgumentType

if TYPE_CHECKING:
    from datmo.capture.manifest import FileEntry
    from datmo.core.points import Series
    from datmo.engine.workspace import Workspace

__all__ = ["Snapshot", "Task", "open_collection", "read_logs"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot(SnapshotValue):
    """A snapshot of an open project: its values as of its reading, and its files."""

    _workspace: Workspace = field(repr=False)

    @classmethod
    def of(cls, value: SnapshotValue, workspace: Workspace) -> Snapshot:
        """Return a value with the project that it belongs to."""
        return cls(**_values(value), _workspace=workspace)

    async def files(self) -> list[IO[Any]]:
        """Return the snapshot's files, open for reading as text."""
        return await self.get_files()

    async def get_files(self, mode: str = "r") -> list[IO[Any]]:
        """Return the snapshot's files, open.

        Parameters:
            mode: `r` for text, `rb` for bytes.

        Raises:
            InvalidArgumentType: the mode is not one for reading.
        """
        return await open_collection(self._workspace, self.file_collection_id, mode)


@dataclass(frozen=True, kw_only=True, eq=False)
class Task(TaskValue):
    """A task of an open project: its values as of its reading, its output and its files."""

    _workspace: Workspace = field(repr=False)

    @classmethod
    def of(cls, value: TaskValue, workspace: Workspace) -> Task:
        """Return a value with the project that it belongs to."""
        return cls(**_values(value), _workspace=workspace)

    async def refresh(self) -> Task:
        """Return the task as it is now."""
        from datmo.engine.attending import tasks_of

        (task,) = await tasks_of(self._workspace, [await self._workspace.task(self.id)])
        return task

    async def logs(self) -> str:
        """Return what the task printed so far: both streams in the order of arrival, lines kept whole."""
        return await read_logs(self._workspace, self.id)

    async def metrics(
        self, name: str, *, start: int | None = None, end: int | None = None, points: int | None = None
    ) -> Series:
        """Return the points of one of its metrics, as arrays; see `datmo.engine.tasks.Tasks.metrics`."""
        from datmo.engine.measuring import series_of

        return await series_of(self._workspace, self.id, name, start=start, end=end, points=points)

    async def files(self) -> list[IO[Any]]:
        """Return the files that the task left, open for reading as text."""
        return await self.get_files()

    async def get_files(self, mode: str = "r") -> list[IO[Any]]:
        """Return the files that the task left, open; none before it has ended.

        Parameters:
            mode: `r` for text, `rb` for bytes.

        Raises:
            InvalidArgumentType: the mode is not one for reading.
        """
        return await open_collection(self._workspace, self.file_collection_id, mode)


def _values(value: SnapshotValue | TaskValue) -> dict[str, Any]:
    return {item.name: getattr(value, item.name) for item in fields(value) if not item.name.startswith("_")}


async def read_logs(workspace: Workspace, task_id: str, *, last: int | None = None) -> str:
    """Return the recorded output of a task as text.

    Parameters:
        workspace: the project.
        task_id: the whole id.
        last: only so many of the parts in which it was recorded.
    """
    from datmo.core.frames import join_text
    from datmo.projections.tasks import output_positions

    positions = await workspace.query(lambda connection: output_positions(connection, task_id))
    positions = positions if last is None else positions[-last:]
    frames = [await workspace.log.payload(position) for position in positions]
    return join_text(b"".join(part for part in frames if part is not None))


class _Named(io.BufferedReader):
    """A reader that knows the path its content has in the collection."""

    path = ""

    @property
    def name(self) -> str:
        return self.path


async def open_collection(workspace: Workspace, collection_id: str | None, mode: str) -> list[IO[Any]]:
    """Return the files of a collection, open for reading; each one's `name` is its path in the collection.

    A link to a file of the same collection opens that file; another link is left out: there is no file behind it.

    Raises:
        InvalidArgumentType: the mode is not one for reading: the store is never opened for writing.
    """
    if mode not in ("r", "rt", "rb"):
        raise InvalidArgumentType(f"files are opened for reading: mode 'r' or 'rb', not {mode!r}")
    if collection_id is None:
        return []

    def open_all() -> list[IO[Any]]:
        from datmo.capture.manifest import LINK, Manifest

        entries = {entry.path: entry for entry in Manifest.from_bytes(workspace.store.read(collection_id)).entries}
        opened: list[IO[Any]] = []
        for path, entry in entries.items():
            target: FileEntry | None = entry
            if entry.mode == LINK:
                text = os.fsdecode(workspace.store.read(entry.object))
                target = entries.get(os.path.normpath(os.path.join(os.path.dirname(path), text)))
            if target is not None and target.mode != LINK:
                opened.append(_open(workspace, path, target.object, mode))
        return opened

    return await workspace.in_thread(open_all)


def _open(workspace: Workspace, path: str, object_id: str, mode: str) -> IO[Any]:
    reader = _Named(workspace.store.open(object_id))  # type: ignore[arg-type]  # it is a readable binary file
    reader.path = path
    return reader if mode == "rb" else io.TextIOWrapper(reader, encoding="utf-8", errors="replace")
