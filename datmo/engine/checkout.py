"""What a checkout did, and whether one was cut short: all that is asked of it at the start of every command."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

__all__ = ["FOLDER", "PENDING", "Checkout", "interrupted"]

FOLDER = "checkout"
"""The folder in `.datmo/` for all of this, and for what a snapshot has beside the tree."""

PENDING = "pending"
"""The file in it that is there while a checkout is under way."""

SnapshotT = TypeVar("SnapshotT")


class Checkout(NamedTuple, Generic[SnapshotT]):
    """What a checkout did; each API has its own snapshots in it.

    Attributes:
        snapshot: what the tree is now, or what was written elsewhere.
        saved: the snapshot that unsaved work was kept as, or None.
        written, removed: how many files of the tree.
        folder: where lies what has no place in the tree: files from outside or from a task, configuration that was
            given, an environment's definition from outside; None where there is nothing of that kind.
        in_git: whether the tree is one of git's, which shows the difference as edits then.
    """

    snapshot: SnapshotT
    saved: SnapshotT | None
    written: int
    removed: int
    folder: Path | None
    in_git: bool

    def _repr_html_(self) -> str:
        from datmo.core.html_project import checkout_html

        return checkout_html(self)


def interrupted(datmo_dir: Path) -> bool:
    """Say whether a checkout is under way, or was killed. A look that costs microseconds."""
    return (datmo_dir / FOLDER / PENDING).exists()
