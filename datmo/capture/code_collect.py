"""Giving up captured code that nobody needs: its refs, and in the repository of our own its objects, too.

In the user's repository objects are git's to collect, in its own time.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType

from datmo.capture.code_refs import kept_refs
from datmo.capture.code_repository import Repository, git_errors
from datmo.capture.code_tree import FOLDER, SUBMODULE, entries
from datmo.objects.layout import sync_folder

__all__ = ["collect_objects", "collect_refs", "garbage_size", "unneeded_refs"]


def unneeded_refs(repository: Repository, project_id: str, needed: Collection[str]) -> list[str]:
    """The refs that keep code which is not needed.

    Parameters:
        repository: where they are.
        project_id: whose they are.
        needed: the ids of the code that is needed.
    """
    prefix = f"refs/datmo/{project_id}/code/"
    names = [name for name in kept_refs(repository, project_id) if name.startswith(prefix)]
    return [name for name in names if name.removeprefix(prefix) not in needed]


def collect_refs(repository: Repository, names: Collection[str]) -> None:
    """Remove refs."""
    with git_errors("the refs cannot be removed"):
        for name in names:
            repository.git.references.delete(name)


def garbage_size(repository: Repository, without: Collection[str] = ()) -> int:
    """About how many bytes a repository of our own has that no ref reaches.

    Parameters:
        repository: a repository of our own.
        without: refs that count as removed.
    """
    with git_errors("the objects cannot be looked through"):
        live = _reached(repository, without)
        return sum(size for oid, size in _sizes(repository) if oid not in live)


def collect_objects(repository: Repository) -> int:
    """Remove what no ref reaches from a repository of our own; returns the bytes that were freed.

    Packs are written anew where half of what the repository has is garbage, or more. The new pack is durable before
    the old ones go.
    """
    with git_errors("the objects cannot be collected"):
        live, sizes = _reached(repository, ()), dict(_sizes(repository))
        dead = sum(size for oid, size in sizes.items() if oid not in live)
        folder = repository.common / "objects"
        if not dead:
            return 0
        before = _disk(folder)
        for path in folder.glob("??/*"):
            if path.parent.name + path.name not in live:
                path.unlink()
        if 2 * dead >= sum(sizes.values()):
            _repack(repository, folder / "pack", live)
        return before - _disk(folder)


def _repack(repository: Repository, folder: Path, live: Collection[str]) -> None:
    old = [path for path in folder.glob("pack-*") if path.suffix in (".pack", ".idx", ".rev")]
    packed = pygit2.PackBuilder(repository.git)
    for oid in live:
        packed.add(pygit2.Oid(hex=oid))
    kept: set[str] = set()
    if live:
        packed.write(os.fspath(folder))
        new = [path for path in folder.glob("pack-*") if path not in old]
        for path in new:
            _sync(path)
        sync_folder(folder)
        kept = {path.stem for path in new}
        if not kept:
            return  # nothing was to be left out
    # git takes notice of a pack by its index, so that goes first.
    for path in sorted(old, key=lambda path: path.suffix != ".idx"):
        if path.stem not in kept:
            path.unlink()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reached(repository: Repository, without: Collection[str]) -> set[str]:
    """All objects that refs reach."""
    found: set[str] = set()
    for ref in repository.git.references.iterator():
        if ref.name not in without and isinstance(ref.target, pygit2.Oid):
            _reach(repository, bytes.fromhex(str(ref.target)), found)
    return found


def _reach(repository: Repository, start: bytes, found: set[str]) -> None:
    waiting = [start]
    while waiting:
        oid = waiting.pop()
        if oid.hex() in found:
            continue
        found.add(oid.hex())
        kind, data = repository.read(oid)
        if kind == "commit":
            lines = data.partition(b"\n\n")[0].split(b"\n")
            waiting += [bytes.fromhex(line[-40:].decode()) for line in lines if line.startswith((b"tree ", b"parent "))]
        elif kind == "tree":
            for leaf in entries(data).values():
                if leaf.mode == FOLDER:
                    waiting.append(leaf.oid)
                elif leaf.mode != SUBMODULE:
                    found.add(leaf.oid.hex())  # a file: nothing lies behind it


def _sizes(repository: Repository) -> Iterator[tuple[str, int]]:
    for oid in repository.git.odb:
        kind, size = repository.git.odb.read_header(oid)
        if kind in (ObjectType.COMMIT, ObjectType.TREE, ObjectType.BLOB):
            yield str(oid), size


def _disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
