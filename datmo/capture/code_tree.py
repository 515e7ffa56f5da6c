"""Git trees: reading them, walking them, and making one from another by a few changes.

Only the folders on the way to a change are read and made again, so one edit among 20,000 files costs next to
nothing. Names are bytes here, as git keeps them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

__all__ = [
    "EXECUTABLE",
    "FOLDER",
    "LINK",
    "PLAIN",
    "SUBMODULE",
    "Leaf",
    "changed_tree",
    "differing",
    "entries",
    "find",
    "walk",
]

PLAIN, EXECUTABLE, LINK, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o160000
FOLDER = 0o040000

Read = Callable[[bytes], bytes]
Write = Callable[[bytes], bytes]


class Leaf(NamedTuple):
    """What a tree says of a name: git's mode and the object's id."""

    mode: int
    oid: bytes


_Changes = dict[bytes, "_Changes | Leaf | None"]


def walk(read: Read, tree: bytes, above: bytes = b"") -> Iterator[tuple[bytes, Leaf]]:
    """Everything in a tree but folders, as paths, in git's order.

    Parameters:
        read: gives the bytes of a tree object.
        tree: the id of the tree.
        above: what the paths begin with.
    """
    for name, leaf in entries(read(tree)).items():
        if leaf.mode == FOLDER:
            yield from walk(read, leaf.oid, above + name + b"/")
        else:
            yield above + name, leaf


def find(read: Read, tree: bytes | None, path: str) -> Leaf | None:
    """What lies at a path in a tree, a folder included; the tree itself for an empty path."""
    leaf = None if tree is None else Leaf(FOLDER, tree)
    for name in os.fsencode(path).split(b"/") if path else ():
        if leaf is None or leaf.mode != FOLDER:
            return None
        leaf = entries(read(leaf.oid)).get(name)
    return leaf


def differing(
    before: tuple[Read, bytes | None], after: tuple[Read, bytes | None], above: bytes = b""
) -> Iterator[tuple[bytes, Leaf | None, Leaf | None]]:
    """What differs between two trees; folders that are the same are not gone into.

    Parameters:
        before, after: for each side what gives the bytes of its tree objects, and the tree; None for an empty one.
        above: what the paths begin with.

    Returns:
        each path, and what lies there on both sides.
    """
    (read, tree), (read_after, tree_after) = before, after
    if tree == tree_after:
        return
    one = {} if tree is None else entries(read(tree))
    other = {} if tree_after is None else entries(read_after(tree_after))
    for name in sorted({*one, *other}):
        leaf, new = one.get(name), other.get(name)
        if leaf == new:
            continue
        folders = [each.oid if each is not None and each.mode == FOLDER else None for each in (leaf, new)]
        left = leaf if folders[0] is None else None
        right = new if folders[1] is None else None
        if left is not None or right is not None:
            yield above + name, left, right
        if folders[0] is not None or folders[1] is not None:
            yield from differing((read, folders[0]), (read_after, folders[1]), above + name + b"/")


def changed_tree(read: Read, write: Write, tree: bytes | None, changes: Mapping[str, Leaf | None]) -> bytes:
    """Make a tree from another.

    Parameters:
        read: gives the bytes of a tree object.
        write: takes the bytes of a tree object and gives its id.
        tree: the tree to begin with, or None.
        changes: what each path becomes; None where it goes.

    Returns:
        the id of the new tree.
    """
    nested: _Changes = {}
    for path, leaf in changes.items():
        _nest(nested, os.fsencode(path).split(b"/"), leaf)
    return _apply(read, write, tree, nested) or write(b"")


def _nest(into: _Changes, names: list[bytes], leaf: Leaf | None) -> None:
    for name in names[:-1]:
        below = into.get(name)
        if isinstance(below, Leaf):
            # A file took the folder's place: what is said of paths below is that they went.
            return
        if below is None:
            below = into[name] = {}
        into = below
    if leaf is not None:
        into[names[-1]] = leaf
    else:
        into.setdefault(names[-1], None)


def _apply(read: Read, write: Write, tree: bytes | None, changes: _Changes) -> bytes | None:
    found = entries(read(tree)) if tree is not None else {}
    for name, change in changes.items():
        before = found.get(name)
        was_folder = before is not None and before.mode == FOLDER
        if isinstance(change, dict):
            below = _apply(read, write, before.oid if before is not None and was_folder else None, change)
            if below is not None:
                found[name] = Leaf(FOLDER, below)
            elif was_folder:
                del found[name]
        elif change is not None:
            found[name] = change
        elif not was_folder:
            found.pop(name, None)
    return write(_encoded(found)) if found else None


def entries(data: bytes) -> dict[bytes, Leaf]:
    """What a tree object holds, in its order."""
    found = {}
    position, end = 0, len(data)
    while position < end:
        space = data.index(b" ", position)
        zero = data.index(b"\0", space)
        found[data[space + 1 : zero]] = Leaf(int(data[position:space], 8), data[zero + 1 : zero + 21])
        position = zero + 21
    return found


def _encoded(found: dict[bytes, Leaf]) -> bytes:
    # git sorts a folder as if its name ended in a slash.
    ordered = sorted(found.items(), key=lambda item: item[0] + b"/" * (item[1].mode == FOLDER))
    return b"".join(b"%o %s\0%s" % (leaf.mode, name, leaf.oid) for name, leaf in ordered)
