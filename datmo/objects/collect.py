"""Removing objects that nobody needs: large ones are unlinked, packs that are mostly garbage written anew.

The caller holds the store alone (`datmo.objects.hold`). At any moment a crash leaves every needed object in at least
one place, and nothing in the index that is not there: a new pack is durable before the index names it, and what goes is
taken out of the index before it is unlinked. Who opens the index in between finds it in the folder and takes it in
again, so that it is taken out once more in the end. What is left half done is garbage for the next time.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import NamedTuple

from datmo.errors import ObjectError
from datmo.objects.hashing import Progress, digest_of
from datmo.objects.index import Index
from datmo.objects.layout import Layout, sync_folder
from datmo.objects.pack import WHOLE, PackEntry, PackWriter, read_index, size_of

__all__ = ["Garbage", "collect", "find_garbage"]


class Garbage(NamedTuple):
    """What a store has that nobody needs.

    Attributes:
        large: the objects of their own: digest and size.
        packs: packs that go or are written anew, and what of each is needed.
        objects: how many objects go.
        size: bytes that are freed on the disk.
        kept: bytes of garbage that stay, in packs that are mostly needed.
        problems: packs that were left alone because they cannot be read.
    """

    large: tuple[tuple[bytes, int], ...]
    packs: tuple[tuple[str, tuple[PackEntry, ...]], ...]
    objects: int
    size: int
    kept: int
    problems: tuple[str, ...]

    @property
    def work(self) -> int:
        """The bytes of objects that are written anew or removed, of which `collect` tells."""
        live = sum(entry.length for _, entries in self.packs for entry in entries)
        return live + sum(size for _, size in self.large)


def find_garbage(layout: Layout, index: Index, needed: Collection[bytes]) -> Garbage:
    """Look for garbage.

    Parameters:
        layout, index: the store.
        needed: the objects that somebody needs.
    """
    if not layout.exists():
        return Garbage((), (), 0, 0, 0, ())
    index.rebuild()
    places = index.packs()
    large = [(digest, size) for digest, size in layout.large_objects() if digest not in needed]
    packs: list[tuple[str, tuple[PackEntry, ...]]] = []
    problems: list[str] = []
    objects, freed, kept = len(large), sum(size for _, size in large), 0
    for name in sorted(layout.pack_names()):
        try:
            entries, size = read_index(layout.pack_path(name)), layout.pack_path(name).stat().st_size
        except FileNotFoundError:
            continue  # a collection beside us has removed it
        except (ObjectError, OSError) as error:
            problems.append(f"pack {name[:12]} is left alone: {error}")
            continue
        # Of an object that lies in several packs, the copy that the index knows is the one that stays.
        live = [entry for entry in entries if entry.digest in needed and places.get(entry.digest) == name]
        total, alive = sum(entry.length for entry in entries), sum(entry.length for entry in live)
        if len(live) == len(entries) or (live and 2 * (total - alive) <= total):
            kept += total - alive
        elif all(entry.kind == WHOLE for entry in live):
            packs.append((name, tuple(live)))
            objects += len(entries) - len(live)
            freed += _freed(size, live)
    return Garbage(tuple(large), tuple(packs), objects, freed, kept, tuple(problems))


def collect(layout: Layout, index: Index, garbage: Garbage, progress: Progress | None = None) -> Garbage:
    """Remove garbage; returns what was removed, without the packs that turned out to be damaged.

    Parameters:
        layout, index: the store.
        garbage: what was found.
        progress: told the bytes of objects that were written anew or removed.
    """
    new: dict[str, list[PackEntry]] = {}
    old: list[str] = []
    problems = list(garbage.problems)
    size = garbage.size
    for name, live in garbage.packs:
        try:
            if live:
                new |= _rewritten(layout, name, live, progress)
        except ObjectError as error:
            problems.append(f"pack {name[:12]} is left alone: {error}")
            size -= _freed(layout.pack_path(name).stat().st_size, live)
        else:
            old.append(name)
    if new:
        sync_folder(layout.packs)
    gone = [digest for digest, _ in garbage.large]
    index.exchange(old, new.items(), gone)
    for name in set(old) - new.keys():
        layout.pack_path(name).unlink(missing_ok=True)
    for digest, length in garbage.large:
        layout.large_path(digest).unlink(missing_ok=True)
        if progress is not None:
            progress(length)
    if old or gone:
        index.exchange(old, new.items(), gone)
    return garbage._replace(problems=tuple(problems), size=size)


def _freed(size: int, live: Collection[PackEntry]) -> int:
    return size - (size_of(live) if live else 0)


def _rewritten(
    layout: Layout, name: str, live: Collection[PackEntry], progress: Progress | None
) -> dict[str, list[PackEntry]]:
    """Write the needed objects of a pack into a new one; returns its name and entries.

    Raises:
        ObjectError: one of them is damaged; nothing is changed.
    """
    writer = PackWriter(*layout.open_scratch())
    try:
        with layout.pack_path(name).open("rb") as file:
            for entry in sorted(live, key=lambda entry: entry.offset):
                file.seek(entry.offset)
                data = file.read(entry.length)
                if digest_of(data) != entry.digest:
                    raise ObjectError(f"its object {entry.digest.hex()} is damaged")
                writer.append(entry.digest, data)
                if progress is not None:
                    progress(entry.length)
    except BaseException:
        writer.abandon()
        raise
    written = writer.finish()
    os.replace(writer.path, layout.pack_path(written))
    return {written: writer.entries}
