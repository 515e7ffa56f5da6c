"""What a capture of code gives; known without libgit2."""

from __future__ import annotations

from typing import NamedTuple

from datmo.capture.code_tree import Leaf
from datmo.capture.manifest import FileEntry

__all__ = ["CodeCapture", "CodeLook"]


class CodeCapture(NamedTuple):
    """What was captured."""

    code_id: str
    """The commit: 40 hexadecimal digits."""
    tree: str
    """The tree of the project's folder."""
    base: str | None
    """HEAD's commit at that time, or None."""
    large: tuple[FileEntry, ...]
    """Files of the code that the object store keeps, not git."""
    own_repository: bool
    """Whether it lies in `.datmo/code.git`."""
    notices: tuple[str, ...]
    """What the user should know, a line each."""


class CodeLook(NamedTuple):
    """How the work tree differs from captured code."""

    changes: dict[str, tuple[Leaf | None, Leaf | None]]
    """Each path, with what lies there in the code and in the work tree."""
    notices: tuple[str, ...]
    """What the user should know, a line each."""
