"""How two codes differ, file by file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from datmo.capture.code_checkout import Code
from datmo.capture.code_tree import Leaf, differing
from datmo.capture.manifest import FileEntry

__all__ = ["Changes", "Side", "code_changes", "large_leaves"]

Changes = dict[str, tuple[Leaf | None, Leaf | None]]
"""Paths, with what lies there before and after. A large file is a leaf whose id has 32 bytes."""

_OWN = ".datmo"


class Side(NamedTuple):
    """A code that is compared; it need not be in any repository."""

    read: Callable[[bytes], bytes]
    """Gives the bytes of its tree objects."""
    tree: bytes
    large: tuple[FileEntry, ...]

    @classmethod
    def of(cls, code: Code) -> Side:
        """Captured code."""
        return cls(code.repository.read_tree, code.tree, code.large)


def large_leaves(large: Iterable[FileEntry]) -> dict[str, Leaf]:
    """Large files of a code, as leaves."""
    return {entry.path: Leaf(0o100000 | entry.mode, bytes.fromhex(entry.object)) for entry in large}


def code_changes(before: Side, after: Side) -> Changes:
    """Everything that differs between two codes."""
    sides = ((before.read, before.tree), (after.read, after.tree))
    found: Changes = {
        os.fsdecode(path): (left, right)
        for path, left, right in differing(*sides)
        if path != _OWN.encode() and not path.startswith(b".datmo/")
    }
    one, other = large_leaves(before.large), large_leaves(after.large)
    for path in {*one, *other}:
        left, right = found.pop(path, (None, None))
        both = one.get(path, left), other.get(path, right)
        if both[0] != both[1]:
            found[path] = both
    return found
