"""What checkouts have left in `.datmo/checkout/` that nothing needs any more.

That is what snapshots have beside the tree which it is no longer, and what was half made by ones that were killed. Who
checks out, or finishes a checkout, has a share of the store's hold from beginning to end: nobody is at it while a
collection of garbage holds the store alone.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from datmo.core.ids import is_id
from datmo.engine.checkout import FOLDER, PENDING, interrupted
from datmo.engine.workspace import Workspace
from datmo.runner.folders import remove_tree

if TYPE_CHECKING:
    from datmo.objects.meter import Meter

__all__ = ["Leftovers", "find_leftovers"]

STAGE = "stage"


class Leftovers(NamedTuple):
    """What can go.

    Attributes:
        places: folders and files, with the bytes that each has.
        problems: what was left alone, and why.
    """

    places: tuple[tuple[Path, int], ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all together."""
        return sum(size for _, size in self.places)

    def remove(self, meter: Meter | None) -> Leftovers:
        """Remove them, which may be cut short and done again; returns those that are gone."""
        gone, problems = [], [*self.problems]
        for path, size in self.places:
            try:
                if path.is_dir():
                    remove_tree(path)
                else:
                    path.unlink(missing_ok=True)
            except OSError as error:
                problems.append(f"{path} is left alone: {error.strerror}")
            else:
                gone.append((path, size))
            if meter is not None:
                meter(size)
        return Leftovers(tuple(gone), tuple(problems))


async def find_leftovers(workspace: Workspace) -> Leftovers:
    """Look for what can go; beside a checkout that is under way, it may be too much or too little."""
    folder = workspace.folder / FOLDER
    if not await workspace.in_thread(folder.is_dir):
        return Leftovers()
    if await workspace.in_thread(lambda: interrupted(workspace.folder)):
        return Leftovers(problems=("a checkout is not finished: what earlier ones have left stays",))
    # The last one that was checked out stays also when a newer one was made since: its place was told.
    needed = {(await workspace.project_row())["snapshot_id"]}
    async for event in workspace.log.read(types=("snapshot.checked_out",), backward=True, limit=1):
        needed.add(event.entity_id)
    return await workspace.in_thread(lambda: Leftovers(tuple((path, _size(path)) for path in _places(folder, needed))))


def _places(folder: Path, needed: Collection[str | None]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        snapshot, _, more = path.name.partition(".")
        half_made = is_id(more) or path.name == f"{PENDING}.new"
        if half_made or (is_id(path.name) and snapshot not in needed):
            yield path
        elif path.name == STAGE:
            yield from path.iterdir()  # it is empty between checkouts, but for what a killed one has left


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all in a folder."""
    size = 0
    for file in _files(path):
        with suppress(FileNotFoundError):  # a checkout that is under way has just put it in its place
            size += os.lstat(file).st_size
    return size


def _files(path: Path) -> Iterator[str]:
    if not path.is_dir():
        yield os.fspath(path)
    for top, _, names in os.walk(path):
        yield from (os.path.join(top, name) for name in names)
