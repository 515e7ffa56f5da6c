"""Checking that a snapshot can be brought back: every object's hash, and that git has all of its code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from datmo.engine.workspace import Workspace
from datmo.errors import DatmoError, ObjectError
from datmo.projections.content import CODE, ENVIRONMENTS
from datmo.projections.projection import Row

if TYPE_CHECKING:
    from datmo.objects.meter import Meter

__all__ = ["SnapshotProblem", "SnapshotReport", "verify_snapshots"]

_LIST = "the list of its files"


class SnapshotProblem(NamedTuple):
    """Something of a snapshot that is missing or damaged.

    Attributes:
        snapshot_id: the snapshot.
        part: `code`, `environment`, `files` or `config`.
        name: the path of the file; of code the id of the commit.
        object: the id of the object, None where git has it.
        reason: what is wrong with it.
    """

    snapshot_id: str
    part: str
    name: str
    object: str | None
    reason: str


class SnapshotReport(NamedTuple):
    """What a verification of snapshots found.

    Attributes:
        snapshots: how many were checked.
        objects: how many different objects were read and compared with their hashes.
        size: their bytes.
        problems: what is missing or damaged, by snapshot.
    """

    snapshots: int
    objects: int
    size: int
    problems: tuple[SnapshotProblem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class _Use(NamedTuple):
    """Where an object is needed."""

    snapshot_id: str
    part: str
    name: str


async def verify_snapshots(workspace: Workspace, rows: Sequence[Row], meter: Meter | None) -> SnapshotReport:
    """Check what snapshots consist of; what several share is read once.

    Parameters:
        workspace: the project.
        rows: the snapshots.
        meter: told the bytes that are to be read, and those that were.
    """
    code = {row["id"]: row for row in await workspace.query(CODE.select)}
    environments = {row["id"]: row for row in await workspace.query(ENVIRONMENTS.select)}
    check = _Check(workspace, rows, meter)
    await workspace.in_thread(lambda: check.gather(code, environments))
    await workspace.in_thread(check.objects)
    await workspace.in_thread(check.code)
    order = {row["id"]: number for number, row in enumerate(rows)}
    problems = sorted(check.problems, key=lambda problem: (order[problem.snapshot_id], problem.part, problem.name))
    return SnapshotReport(len(rows), len(check.uses), check.size, tuple(problems))


class _Check:
    def __init__(self, workspace: Workspace, rows: Sequence[Row], meter: Meter | None) -> None:
        self._workspace = workspace
        self._rows = rows
        self._meter = meter
        self.uses: dict[str, list[_Use]] = {}
        self.size = 0
        self.problems: list[SnapshotProblem] = []

    def gather(self, code: Mapping[str, Row], environments: Mapping[str, Row]) -> None:
        """Find out which objects are needed, and for what."""
        by_collection: dict[str, list[Row]] = {}
        for row in self._rows:
            for path, object_id, *_ in code[row["code_id"]]["large"] if row["code_id"] in code else ():
                self._need(object_id, row, "code", path)
            found = environments.get(row["environment_id"])
            for path, object_id in found["files"].items() if found else ():
                self._need(object_id, row, "environment", path)
            if row.get("config_file"):
                self._need(row["config_file"][0], row, "config", row["config_path"])
            by_collection.setdefault(row["file_collection_id"], []).append(row)
        for collection_id, rows in by_collection.items():
            self._gather_files(collection_id, rows)

    def _gather_files(self, collection_id: str, rows: Sequence[Row]) -> None:
        from datmo.capture.manifest import Manifest

        for row in rows:
            self._need(collection_id, row, "files", _LIST)
        try:
            entries = Manifest.from_bytes(self._workspace.store.read(collection_id)).entries
        except ObjectError:
            return  # which is found again when it is its turn
        except DatmoError as error:
            self.problems += [SnapshotProblem(row["id"], "files", _LIST, collection_id, str(error)) for row in rows]
            return
        for entry in entries:
            for row in rows:
                self._need(entry.object, row, "files", entry.path)

    def _need(self, object_id: str, row: Row, part: str, name: str) -> None:
        self.uses.setdefault(object_id, []).append(_Use(row["id"], part, name))

    def objects(self) -> None:
        """Read every object and compare it with its hash."""
        if self._meter is not None:
            self._meter.expect(self._workspace.store.sizes(self.uses))
        for object_id, reason in self._workspace.store.verify(self.uses, progress=self._count):
            self.problems += [SnapshotProblem(*use, object_id, reason) for use in self.uses[object_id]]

    def _count(self, size: int) -> None:
        self.size += size
        if self._meter is not None:
            self._meter(size)

    def code(self) -> None:
        """Look for every git object: the commits, their trees, and the files in these."""
        missing = set(self._workspace.code.missing(sorted({row["code_id"] for row in self._rows})))
        for row in self._rows:
            if row["code_id"] in missing:
                reason = "git does not have it in full"
                self.problems.append(SnapshotProblem(row["id"], "code", row["code_id"], None, reason))
