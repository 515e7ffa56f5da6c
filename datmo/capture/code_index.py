"""Reading what libgit2 does not tell of the user's index: flags that hide edits, and some of its names.

A file marked "assume unchanged" or "skip worktree" is never looked at by git; a run must see it as it is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from datmo.errors import CodeError

__all__ = ["NOTHING", "IndexFacts", "index_key", "read_index"]

_ASSUME_UNCHANGED, _EXTENDED, _NAME_LENGTH = 0x8000, 0x4000, 0x0FFF
_SKIP_WORKTREE, _INTENT_TO_ADD = 0x4000, 0x2000
_SUBMODULE = 0o160000
_SPECIAL = (".gitattributes", ".datmoignore")


class IndexFacts(NamedTuple):
    """What an index holds, beside what libgit2 and git tell.

    Parameters:
        unseen: paths whose edits git does not see, and whether a missing one counts as there.
        submodules: paths of submodules, and their commits.
        special: the .gitattributes and .datmoignore files in it.
        plain: whether all of it could be read; not so for split and sparse indexes.
    """

    unseen: dict[str, bool]
    submodules: dict[str, str]
    special: list[str]
    plain: bool

    @classmethod
    def from_json(cls, data: list[Any]) -> IndexFacts:
        """From what a cache kept."""
        return cls(*data)


NOTHING = IndexFacts({}, {}, [], plain=True)
"""What an index that is not there holds."""


def index_key(path: Path) -> str | None:
    """What tells one state of an index file from another; None where there is no file."""
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            file.seek(-20, os.SEEK_END)
            checksum = file.read()
    except (FileNotFoundError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            return None
        raise CodeError(f"the index {os.fspath(path)!r} cannot be read: {error.strerror}") from error
    # With index.skipHash the checksum is all zeros.
    told = f"{checksum.hex()} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_ino} {state.st_size}"
    return hashlib.sha1(told.encode(), usedforsecurity=False).hexdigest()


def read_index(path: Path) -> IndexFacts:
    """Read an index file, in any of git's formats."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return NOTHING
    version = int.from_bytes(data[4:8], "big")
    if data[:4] != b"DIRC" or version not in {2, 3, 4}:
        raise CodeError(f"the index {os.fspath(path)!r} has a form that is not known", hint="`git status` says more")
    count = int.from_bytes(data[8:12], "big")
    position = 12
    unseen: dict[str, bool] = {}
    submodules: dict[str, str] = {}
    special: list[str] = []
    try:
        for start, flags, extended, name, position in _entries(data, count, version):  # noqa: B007
            if flags & _ASSUME_UNCHANGED or extended & (_SKIP_WORKTREE | _INTENT_TO_ADD):
                unseen[os.fsdecode(name)] = bool(extended & _SKIP_WORKTREE)
            if int.from_bytes(data[start + 24 : start + 28], "big") == _SUBMODULE:
                submodules[os.fsdecode(name)] = data[start + 40 : start + 60].hex()
            if name.endswith((b".gitattributes", b".datmoignore")) and os.path.basename(name).decode() in _SPECIAL:
                special.append(os.fsdecode(name))
    except (IndexError, ValueError) as error:
        raise CodeError(f"the index {os.fspath(path)!r} is damaged", hint="`git status` says more") from error
    return IndexFacts(unseen, submodules, special, plain=not _is_partial(data, position))


def _entries(data: bytes, count: int, version: int) -> Iterator[tuple[int, int, int, bytes, int]]:
    """Each entry's start, flags, extended flags, name and end."""
    position, name = 12, b""
    for _ in range(count):
        start = position
        flags = data[start + 60] << 8 | data[start + 61]
        position += 62
        extended = 0
        if flags & _EXTENDED:
            extended = data[position] << 8 | data[position + 1]
            position += 2
        if version == 4:
            # How much of the last name to drop, then what to put there.
            byte = data[position]
            position += 1
            drop = byte & 0x7F
            while byte & 0x80:
                byte = data[position]
                position += 1
                drop = drop + 1 << 7 | byte & 0x7F
            end = data.index(b"\0", position)
            name = name[: len(name) - drop] + data[position:end]
            position = end + 1
        else:
            length = flags & _NAME_LENGTH
            end = position + length if length < _NAME_LENGTH else data.index(b"\0", position)
            name = data[position:end]
            position = start + (end - start + 8 & ~7)
        yield start, flags, extended, name, position


def _is_partial(data: bytes, position: int) -> bool:
    """Whether an extension says that entries lie elsewhere (`link`) or stand for whole folders (`sdir`)."""
    while position + 8 <= len(data) - 20:
        if data[position : position + 4] in {b"link", b"sdir"}:
            return True
        position += 8 + int.from_bytes(data[position + 4 : position + 8], "big")
    return False
