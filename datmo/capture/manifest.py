r"""The manifest: what a file collection consists of. Its id, a file collection id, is that of its bytes.

The bytes are canonical: the same files have the same manifest, and `from_bytes` takes nothing else::

    datmo files 1\n
    <origin> <mode, octal> <size> <object id> <path>\0\n       one a file, sorted by the bytes of the path

Paths are POSIX paths inside the collection, in UTF-8; a name that is none keeps its bytes (in Python as
surrogate escapes). A path never leads out of the folder that the collection is restored to, no file is also
a folder, and what comes from the project never reaches into `.git` or `.datmo`.

A link is an entry whose object is the link's text, with mode 120000.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from datmo.errors import FilesError, InvalidArgument
from datmo.objects.hashing import object_id, parse_id

__all__ = ["LINK", "ORIGINS", "OWN_FOLDERS", "FileEntry", "Manifest", "path_bytes"]

LINK = 0o120000
"""The mode of a link."""

ORIGINS = ("project", "outside", "task")
"""Where a file was: in the project, elsewhere on the machine, or in a task's folders."""

OWN_FOLDERS = frozenset({".git", ".datmo"})
"""What is never captured from a project, nor restored to it."""

_FORMAT = 1
_HEADER = b"datmo files "
_END = b"\0\n"
_NOWHERE = frozenset({b"", b".", b".."})
_LARGEST = (1 << 63) - 1


class FileEntry(NamedTuple):
    """One file of a collection.

    Parameters:
        path: POSIX path inside the collection.
        object: the id of its bytes.
        size: in bytes.
        mode: permission bits, or `LINK`.
        origin: one of `ORIGINS`.
    """

    path: str
    object: str
    size: int
    mode: int
    origin: str


class Manifest:
    """The files of a collection, sorted by path and checked.

    Raises:
        FilesError: an entry cannot be part of a collection, or two exclude each other.
    """

    __slots__ = ("_bytes", "entries")

    def __init__(self, entries: Iterable[FileEntry]) -> None:
        named = sorted((_checked(entry), entry) for entry in entries)
        _check_together(named)
        self.entries: tuple[FileEntry, ...] = tuple(entry for _, entry in named)
        lines = [b"%s%d\n" % (_HEADER, _FORMAT)]
        for path, entry in named:
            front = f"{entry.origin} {entry.mode:o} {entry.size} {entry.object} "
            lines.append(front.encode("ascii") + path + _END)
        self._bytes = b"".join(lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Manifest) and self._bytes == other._bytes

    def __hash__(self) -> int:
        return hash(self._bytes)

    def __repr__(self) -> str:
        return f"<Manifest {self.id[:12]}, {len(self.entries)} files>"

    @property
    def id(self) -> str:
        """The file collection's id."""
        return object_id(self._bytes)

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        return self._bytes

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """The manifest that has these bytes.

        Raises:
            FilesError: they are no manifest, one of a newer format, or one with paths that lead elsewhere.
        """
        header, _, body = data.partition(b"\n")
        _check_format(header)
        lines = body.split(_END)
        if lines.pop() != b"":
            raise FilesError("the manifest is cut short")
        manifest = cls(_parsed(line) for line in lines)
        if manifest._bytes != data:
            raise FilesError("the manifest is not in its canonical form")
        return manifest


def path_bytes(path: str) -> bytes:
    """A path's bytes.

    Raises:
        FilesError: it has characters that no name can have.
    """
    try:
        return path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise FilesError(f"the path {path!r} has characters that no file name can have") from None


def _check_format(header: bytes) -> None:
    number = header.removeprefix(_HEADER)
    if number == header or not number.isdigit() or len(number) > 9:
        raise FilesError("this is not the manifest of a file collection")
    if int(number) != _FORMAT:
        raise FilesError(
            f"the manifest has format {int(number)}, this Datmo reads format {_FORMAT}",
            hint="upgrade datmo: pip install --upgrade datmo",
        )


def _parsed(line: bytes) -> FileEntry:
    fields = line.split(b" ", 4)
    try:
        origin, mode, size, digest = (field.decode("ascii") for field in fields[:4])
        path = fields[4].decode("utf-8", "surrogateescape")
        return FileEntry(path, digest, int(size), int(mode, 8), origin)
    except (ValueError, IndexError):
        raise FilesError(f"the manifest has a line that is none: {line[:200]!r}") from None


def _checked(entry: FileEntry) -> bytes:
    """The bytes of an entry's path, which may be part of a collection."""
    path = path_bytes(entry.path)
    if b"\0" in path or not _NOWHERE.isdisjoint(path.split(b"/")):
        raise FilesError(f"{entry.path!r} is not a path inside a file collection")
    if entry.origin not in ORIGINS:
        raise FilesError(f"{entry.path!r} has an unknown origin: {entry.origin!r}")
    # Some file systems take .GIT for .git.
    if entry.origin == "project" and not OWN_FOLDERS.isdisjoint(entry.path.lower().split("/")):
        raise FilesError(f"{entry.path!r} lies in a folder that is not the user's: .git or .datmo")
    if not 0 <= entry.size <= _LARGEST or not (0 <= entry.mode <= 0o777 or entry.mode == LINK):
        raise FilesError(f"{entry.path!r} has an impossible size or mode: {entry.size}, {entry.mode:o}")
    try:
        parse_id(entry.object)
    except InvalidArgument as error:
        raise FilesError(f"{entry.path!r} has no object: {error.message}") from None
    return path


def _check_together(named: list[tuple[bytes, FileEntry]]) -> None:
    paths = {path for path, _ in named}
    if len(paths) < len(named):
        twice = next(entry.path for (one, entry), (other, _) in pairwise(named) if one == other)
        raise FilesError(f"{twice!r} is in the collection twice")
    folders: set[bytes] = set()
    for path in paths:
        while (path := path.rpartition(b"/")[0]) and path not in folders:
            folders.add(path)
    if both := sorted(folders & paths):
        path_there = both[0].decode("utf-8", "surrogateescape")
        raise FilesError(f"{path_there!r} is both a file and a folder in the collection")
