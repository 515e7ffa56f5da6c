"""The documents that say what was found: a state, a difference, a verification."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from datmo.cli.schemas.entities import MetricSummary, Session, Snapshot, Task
from datmo.cli.schemas.kinds import Bytes, Hash, Id, Number, Seconds, Text, Time

__all__ = [
    "AsOf",
    "EnvironmentDifference",
    "Garbage",
    "LogVerification",
    "Metrics",
    "Points",
    "Replay",
    "SnapshotDifference",
    "SnapshotVerification",
    "Status",
]

_Kind = Literal["added", "removed", "changed"]
_FileKind = Literal["added", "removed", "changed", "mode"]

Metrics = dict[str, MetricSummary]
"""A task's metrics, by their names."""


class _ValueChange(TypedDict):
    """A value that differs."""

    key: Annotated[str, "its name, that of a value within another behind a dot"]
    kind: _Kind
    before: Annotated[Any, "null where it is not there"]
    after: Annotated[Any, "null where it is not there"]
    delta: Annotated[Number | None, "by how much it grew, where both are numbers"]


class _FileChange(TypedDict):
    """A file of a collection that differs."""

    path: Text
    kind: Annotated[_FileKind, "`mode` where only its permissions differ"]
    size_before: Annotated[Bytes | None, "null where it is not there"]
    size_after: Annotated[Bytes | None, "null where it is not there"]


class _PathChange(TypedDict):
    """A file of the code that differs."""

    path: Text
    kind: Annotated[_FileKind, "`mode` where only its permissions differ"]


class _TextChange(_PathChange):
    """A file of the code or of a definition that differs, and how."""

    added: Annotated[int | None, "lines; null where it is no text, or large"]
    removed: Annotated[int | None, "lines; null where it is no text, or large"]
    patch: Annotated[Text, "the lines themselves, in unified form; empty where it is no text"]


class _Changes(TypedDict):
    """What has changed in the folder since the current snapshot."""

    same: Annotated[bool, "whether nothing has"]
    code: list[_PathChange]
    files: list[_FileChange]
    config: list[_ValueChange]
    environment: Annotated[list[Hash] | None, "the ids of both, where they differ"]
    notices: Annotated[list[Text], "what could not be compared"]


class Status(TypedDict):
    """The state of a project."""

    id: Id
    name: str
    description: str
    home: Annotated[Text, "the project's folder"]
    session: Annotated[Session, "the current one"]
    snapshot: Annotated[Snapshot | None, "the current one"]
    changes: Annotated[_Changes | None, "since that snapshot; null where there is none, or with `--no-changes`"]
    running: Annotated[list[Task], "those that have not ended"]
    ended: Annotated[list[Task], "those that ended last, three at most, the newest first"]
    snapshots: Annotated[int, "how many there are"]
    tasks: Annotated[int, "how many there are"]


class SnapshotDifference(TypedDict):
    """What differs between two snapshots, or one and the folder."""

    first: Id
    second: Annotated[Id | None, "null for the folder as it is"]
    same: Annotated[bool, "whether nothing differs but the words"]
    config: list[_ValueChange]
    stats: list[_ValueChange]
    files: list[_FileChange]
    code: list[_TextChange]
    environment: Annotated[list[Hash] | None, "the ids of both, where they differ"]
    definitions: Annotated[list[_TextChange], "files that define the environment"]
    packages: Annotated[list[_ValueChange], "as far as they are known"]


class EnvironmentDifference(TypedDict):
    """What differs between two environments."""

    first: Hash
    second: Hash
    same: Annotated[bool, "whether nothing differs"]
    definitions: Annotated[list[_TextChange], "files that define them"]
    packages: Annotated[list[_ValueChange], "as far as they are known"]
    platform: list[_ValueChange]


class _SnapshotProblem(TypedDict):
    """Something of a snapshot that is missing or damaged."""

    snapshot_id: Id
    part: Literal["code", "environment", "files", "config"]
    name: Annotated[Text, "the path of the file; of code the commit"]
    object: Annotated[Hash | None, "null where git has it"]
    reason: str


class SnapshotVerification(TypedDict):
    """Whether snapshots are whole."""

    ok: Annotated[bool, "whether nothing is wrong"]
    snapshots: Annotated[int, "how many were checked"]
    objects: Annotated[int, "how many were read"]
    size: Annotated[Bytes, "of these objects"]
    problems: list[_SnapshotProblem]


class _LogProblem(TypedDict):
    """Something in the log that is not as it was written."""

    position: Annotated[int | None, "null where it is outside the events"]
    reason: str


class LogVerification(TypedDict):
    """Whether the log is as it was written."""

    ok: Annotated[bool, "whether nothing is wrong"]
    events: Annotated[int, "how many were checked"]
    payloads: Annotated[int, "how many are there, and right"]
    erased: Annotated[int, "how many payloads were erased on purpose"]
    position: Annotated[int, "of the last event"]
    hash: Annotated[Hash, "of the last event: noted elsewhere, it seals everything up to it"]
    problems: Annotated[list[_LogProblem], "at most 100"]


class Replay(TypedDict):
    """Whether the views are what the log says."""

    same: Annotated[bool, "whether they are equal to the live ones"]
    events: Annotated[int, "how many were replayed"]
    rows: Annotated[int, "how many the views have"]
    different: Annotated[list[str], "the views that are not equal"]
    unknown: Annotated[dict[str, int], "how many events of types that this version does not know"]
    duration: Annotated[Seconds, "how long it took"]


class AsOf(TypedDict):
    """What the project was like."""

    position: Annotated[int, "in the log"]
    name: Annotated[str, "the project's"]
    sessions: list[Session]
    snapshots: list[Snapshot]
    tasks: list[Task]


class Garbage(TypedDict):
    """What was removed, or would be."""

    dry_run: Annotated[bool, "whether nothing was removed"]
    snapshots: Annotated[int, "how many that were deleted"]
    tasks: Annotated[int, "how many, of deleted sessions"]
    files: Annotated[int, "how many file collections"]
    objects: Annotated[int, "how many"]
    refs: Annotated[int, "how many, in git"]
    payloads: Annotated[int, "how many pieces of output"]
    checkouts: Annotated[int, "how many folders and files that checkouts have left in `.datmo/checkout/`"]
    size: Annotated[Bytes, "given back to the disk"]
    payload_size: Annotated[Bytes, "of output that is erased"]
    kept: Annotated[Bytes, "of garbage that stays for now, in packs that are mostly needed"]
    problems: Annotated[list[str], "what was left alone, and why"]


class Points(TypedDict):
    """The points of a metric; what is in one place of the three lists belongs together."""

    name: str
    steps: list[int]
    times: list[Time]
    values: list[Number]
