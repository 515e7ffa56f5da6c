"""Code on its way to another project: trees and files out of one repository, into another.

No commit travels. The one that a project makes of a tree and a list of large files always is the same, and has no
parents that the other repository would miss.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from datmo.capture.code_pack import ObjectWriter
from datmo.capture.code_repository import Repository
from datmo.capture.code_tree import EXECUTABLE, FOLDER, LINK, PLAIN, SUBMODULE, Leaf, entries
from datmo.errors import CodeError

__all__ = ["bring", "objects_below"]

Read = Callable[[bytes], tuple[str, bytes] | None]
"""Gives kind and bytes of a git object by its id; None where it has none."""

_MODES = frozenset({PLAIN, EXECUTABLE, LINK, FOLDER, SUBMODULE, 0o100664})
_DEEPEST = 500


def objects_below(repository: Repository, tree: bytes) -> Iterator[tuple[bytes, str, bytes]]:
    """Everything that a tree consists of, itself first: id, kind and bytes, each once; submodules are not followed.

    Raises:
        CodeError: something of it is not in the repository.
    """
    seen: set[bytes] = set()
    waiting = [(tree, "tree")]
    while waiting:
        oid, kind = waiting.pop()
        if oid in seen:
            continue
        seen.add(oid)
        _, data = repository.read(oid, what=kind)
        yield oid, kind, data
        if kind == "tree":
            leaves = entries(data).values()
            waiting += [(leaf.oid, _kind(leaf)) for leaf in leaves if leaf.mode != SUBMODULE]


def bring(repository: Repository, writer: ObjectWriter, tree: bytes, read: Read) -> set[bytes]:
    """Bring a tree into a repository, with all that it consists of.

    Parameters:
        repository: where it goes.
        writer: takes what is not there yet.
        tree: the tree's id.
        read: gives what is not there; nothing of it is believed.

    Returns:
        the ids of everything that the tree consists of.

    Raises:
        CodeError: something is missing, has another hash, or is a tree that no capture makes.
    """
    seen: set[bytes] = set()
    waiting = [(tree, "tree", 0)]
    while waiting:
        oid, kind, depth = waiting.pop()
        if oid in seen:
            continue
        seen.add(oid)
        there = repository.has(oid)
        if kind == "blob" and there:
            continue
        data = repository.read(oid, what=kind)[1] if there else _checked(oid, kind, read)
        if kind == "tree":
            if depth > _DEEPEST:
                raise CodeError(f"folders are nested more than {_DEEPEST} deep")
            waiting += [(leaf.oid, _kind(leaf), depth + 1) for leaf in _leaves(oid, data) if leaf.mode != SUBMODULE]
        if not there:
            writer.add(kind, data)
    return seen


def _checked(oid: bytes, kind: str, read: Read) -> bytes:
    found = read(oid)
    if found is None:
        raise CodeError(f"the {kind} {oid.hex()} is missing")
    said, data = found
    digest = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)), usedforsecurity=False)
    digest.update(data)
    if said != kind or digest.digest() != oid:
        raise CodeError(f"the {kind} {oid.hex()} does not have the hash that it should have")
    return data


def _leaves(oid: bytes, data: bytes) -> list[Leaf]:
    try:
        found = entries(data)
    except (ValueError, IndexError):
        raise CodeError(f"the tree {oid.hex()} cannot be read") from None
    count = 0
    for name, leaf in found.items():
        count += len(b"%o %s\0" % (leaf.mode, name)) + 20
        if name in {b"", b".", b".."} or b"/" in name or name.lower() == b".git" or leaf.mode not in _MODES:
            raise CodeError(f"the tree {oid.hex()} has an entry that cannot be written safely: {name!r}")
    if count != len(data):  # a name twice, an id cut short, or a mode in another form
        raise CodeError(f"the tree {oid.hex()} is not in the form that git gives it")
    return list(found.values())


def _kind(leaf: Leaf) -> str:
    return "tree" if leaf.mode == FOLDER else "blob"
