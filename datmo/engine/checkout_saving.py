"""Keeping the tree as it is before something is made of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from datmo.core.snapshot import SnapshotCreated
from datmo.engine.capturing import Capturing
from datmo.engine.entities import Snapshot
from datmo.engine.values import Found, Wanted, find_values
from datmo.engine.workspace import Workspace
from datmo.errors import CaptureError, InvalidArgument
from datmo.projections.projection import Row

if TYPE_CHECKING:
    from datmo.capture.code_capture import CodeCapture
    from datmo.capture.manifest import FileEntry
    from datmo.capture.restore import Plan

__all__ = ["Append", "Look", "save_work"]

Append = Callable[[Capturing, SnapshotCreated], Awaitable[Snapshot]]
"""Records a snapshot."""


class Look(NamedTuple):
    """The tree as it is, captured, and what has to be done to it."""

    code: CodeCapture
    capturing: Capturing
    places: dict[str, FileEntry]
    """The files that lie where the snapshots involved have files."""
    unusual: dict[str, FileEntry]
    """Files of the code of which it does not keep all: permissions, or what a filter drops."""
    plan: Plan


async def save_work(workspace: Workspace, append: Append, look: Look, like: Row, message: str) -> str:
    """Keep the tree as a snapshot of its own; what cannot be read for what it is counts as code alone.

    Parameters:
        workspace: the project.
        append: records it.
        look: the tree.
        like: a snapshot whose environment it has, where its own cannot be read.
        message: what it is.

    Returns:
        its id.
    """
    from datmo.capture.manifest import Manifest

    manifest = Manifest({**look.unusual, **look.places}.values())
    collection_id = await workspace.in_thread(lambda: workspace.store.put_bytes(manifest.to_bytes()))
    await look.capturing.stored(collection_id, len(manifest.entries), sum(entry.size for entry in manifest.entries))
    try:
        environment_id = str((await look.capturing.environment())["id"])
    except CaptureError as error:
        workspace.notice(f"the environment cannot be used as it is, and is kept as code alone: {error}")
        environment_id = like["environment_id"]
    values = {name: await _values(workspace, name) for name in ("config", "stats")}
    session = await workspace.session(None)
    made = await append(
        look.capturing,
        SnapshotCreated(
            session_id=session["id"],
            task_id=None,
            message=message,
            label=None,
            code_id=look.code.code_id,
            environment_id=environment_id,
            file_collection_id=collection_id,
            config=values["config"].values,
            config_path=values["config"].path,
            stats=values["stats"].values,
            stats_path=values["stats"].path,
        ),
    )
    return made.id


async def _values(workspace: Workspace, kind: str) -> Found:
    try:
        return await workspace.in_thread(lambda: find_values(Wanted(kind), workspace.home, []))
    except InvalidArgument as error:
        workspace.notice(f"{error}: kept as code alone")
        return Found({}, None)
