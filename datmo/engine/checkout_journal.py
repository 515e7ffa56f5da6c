"""What is under way in the tree: one checkout at a time, and a note from which a killed one is finished.

The note lies in `.datmo/checkout/pending` from before the first change of the tree until after the event that records
the checkout. The lock beside it tells a checkout that somebody is at from one that was killed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from datmo.engine.checkout import FOLDER, PENDING
from datmo.errors import ProjectBusy
from datmo.objects.layout import sync_folder
from datmo.runner.folders import remove_tree
from datmo.runner.witness import FileLock

__all__ = ["Elsewhere", "Journal", "Pending", "claimed", "clear", "note", "pending"]

_BESIDE = re.compile(r"\..+\.datmo-[0-9a-z]{16}")


@dataclass(frozen=True, kw_only=True)
class Journal:
    """A checkout of the tree.

    Attributes:
        checkout: what tells it from all others, and its event's id.
        snapshot: the snapshot that the tree becomes.
        previous: what it was.
        saved: whether that was made to keep unsaved work.
        leaving: files that go unless the snapshot has them.
        gone: files of the code that go even where the snapshot ignores them.
        kept, made: see `datmo.core.checkout.CheckedOut`.
        branch, commit: the branch that is made and entered, and where it points to.
        undoing: whether it undoes another one, and so is not recorded.
    """

    checkout: str
    snapshot: str
    previous: str | None
    saved: bool
    leaving: list[str]
    gone: list[str]
    kept: list[str]
    made: list[str]
    branch: str | None
    commit: str | None
    undoing: bool = False


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """A checkout into another folder, which is made beside that."""

    beside: str

    def undo(self) -> None:
        """Remove what there is of it."""
        if _BESIDE.fullmatch(os.path.basename(self.beside)) and os.path.isdir(self.beside):
            remove_tree(Path(self.beside))


Pending = Journal | Elsewhere


@asynccontextmanager
async def claimed(datmo_dir: Path) -> AsyncIterator[None]:
    """Keep other checkouts out.

    Raises:
        ProjectBusy: another one is under way.
    """
    folder = datmo_dir / FOLDER

    def take() -> FileLock | None:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
        return lock if lock.try_acquire() else None

    lock = await anyio.to_thread.run_sync(take)
    if lock is None:
        raise ProjectBusy("another checkout is under way in this project", hint="wait for its end")
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lock.release)


def pending(datmo_dir: Path) -> Pending | None:
    """Return what was noted and not finished. Under the lock, nobody is at it."""
    try:
        data = json.loads((datmo_dir / FOLDER / PENDING).read_bytes())
    except FileNotFoundError:
        return None
    return Elsewhere(**data) if "beside" in data else Journal(**data)


def note(datmo_dir: Path, what: Pending) -> None:
    """Note, durably, what begins now."""
    folder = datmo_dir / FOLDER
    beside = folder / f"{PENDING}.new"
    with beside.open("w", encoding="ascii") as file:
        json.dump(asdict(what), file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / PENDING)
    sync_folder(folder)


def clear(datmo_dir: Path) -> None:
    """Forget it: it is done, or undone."""
    (datmo_dir / FOLDER / PENDING).unlink(missing_ok=True)
