"""What a collection of garbage finds that nobody needs any more, and the events that say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from datmo.core.event import NewEvent

__all__ = ["Collection", "Unneeded", "announce", "conclude"]


class Unneeded(NamedTuple):
    """Entities that are deleted, and content that nothing which is left consists of.

    Parameters:
        snapshots, tasks: ids of those that were deleted, or are in a session that was.
        code, files: ids of content.
        payloads: for each of the tasks the positions whose payloads are erased.
    """

    snapshots: tuple[str, ...]
    tasks: tuple[str, ...]
    code: tuple[str, ...]
    files: tuple[str, ...]
    payloads: Mapping[str, Sequence[int]]


class Collection(NamedTuple):
    """What a collection of garbage removed, or would remove.

    Attributes:
        snapshots, tasks: how many that were deleted are gone for good.
        files: how many file collections.
        objects: how many objects of the store.
        refs: how many refs in git.
        payloads: how many pieces of output.
        checkouts: how many folders and files that checkouts have left in `.datmo/checkout/`.
        size: bytes that all but the output give back to the disk; of the repository in `.datmo/` about.
        payload_size: bytes of output that are erased; the log uses their room again, or gives it back where half of its
            file is empty.
        kept: bytes of garbage that stay in packs that are mostly needed.
        problems: what was left alone, and why.
        dry_run: whether nothing was removed.
    """

    snapshots: int
    tasks: int
    files: int
    objects: int
    refs: int
    payloads: int
    checkouts: int
    size: int
    payload_size: int
    kept: int
    problems: tuple[str, ...]
    dry_run: bool

    @property
    def empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not any(self[:9])


def announce(unneeded: Unneeded) -> list[NewEvent]:
    """Return the events that come before anything is removed: from then on nobody can name it any more."""
    return [
        *[NewEvent(f"snapshot/{each}", "snapshot.collected", {}) for each in unneeded.snapshots],
        *[NewEvent(f"task/{each}", "task.collected", {}) for each in unneeded.tasks],
        *[NewEvent(f"code/{each}", "code.collected", {}) for each in unneeded.code],
        *[NewEvent(f"files/{each}", "files.collected", {}) for each in unneeded.files],
        *[
            NewEvent(f"task/{task_id}", "payload.erased", {"positions": list(positions)})
            for task_id, positions in unneeded.payloads.items()
            if positions
        ],
    ]


def conclude(collection: Collection) -> list[NewEvent]:
    """Return the event that says what was removed from the disk."""
    data = collection._asdict()
    removed = {
        name: data[name] for name in ("objects", "refs", "payloads", "checkouts", "size", "payload_size", "kept")
    }
    return [NewEvent("objects/store", "objects.collected", removed)]
