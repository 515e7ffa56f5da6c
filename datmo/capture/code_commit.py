"""The commits that Datmo makes for code that is not just HEAD, and the files named in their messages.

Author and time are fixed and there is no parent, so the same content always gives the same commit::

    datmo code 1

    large ["data/faces.bin","<object id>",734003200,420]

The tree is that of the project's folder, also where that lies inside a larger repository.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import NamedTuple

from datmo.capture.manifest import FileEntry
from datmo.errors import CodeError

__all__ = ["CodeCommit", "compose", "parse"]

_FIRST_LINE = "datmo code 1"
# 2000-01-01: git takes a time of zero for none.
_WHO = b"Datmo <datmo@localhost> 946684800 +0000"
_LARGE = "large "


class CodeCommit(NamedTuple):
    """What a commit of ours says."""

    tree: bytes
    large: tuple[FileEntry, ...]


def compose(tree: bytes, large: Iterable[FileEntry]) -> bytes:
    """The bytes of the commit for a tree and the files that are kept outside of git."""
    message = f"{_FIRST_LINE}\n"
    lines = [
        _LARGE + json.dumps([entry.path, entry.object, entry.size, entry.mode], separators=(",", ":"))
        for entry in sorted(large, key=lambda entry: os.fsencode(entry.path))
    ]
    if lines:
        message += "\n" + "".join(f"{line}\n" for line in lines)
    return b"tree %s\nauthor %s\ncommitter %s\n\n%s" % (
        tree.hex().encode(),
        _WHO,
        _WHO,
        message.encode("ascii"),
    )


def parse(data: bytes) -> CodeCommit | None:
    """Read a commit; None where it is not one of ours.

    Raises:
        CodeError: it is, in a form that this version does not know.
    """
    head, _, message = data.partition(b"\n\n")
    lines = head.split(b"\n")
    if len(lines) != 3 or lines[1] != b"author " + _WHO or not message.startswith(b"datmo code "):
        return None
    first, *rest = message.decode("ascii", "replace").split("\n")
    if first != _FIRST_LINE:
        raise CodeError(f"the code was captured in the form {first!r}", hint="upgrade datmo")
    large = []
    try:
        for line in rest:
            if line.startswith(_LARGE):
                path, object_id, size, mode = json.loads(line[len(_LARGE) :])
                large.append(FileEntry(str(path), str(object_id), int(size), int(mode), "project"))
    except (ValueError, TypeError) as error:
        raise CodeError("the list of files in a captured commit cannot be read") from error
    return CodeCommit(bytes.fromhex(lines[0][5:].decode()), tuple(large))
