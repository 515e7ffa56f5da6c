"""Files and folders that the user names: captured as a collection, and brought back.

Links inside a folder are kept as links; a link that is itself named stands for what it points to. Folders
named `.git` and `.datmo` are left out. Empty folders are not kept.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from datmo.capture.manifest import LINK, OWN_FOLDERS, FileEntry, Manifest, path_bytes
from datmo.capture.naming import name_outside
from datmo.errors import FilesError
from datmo.objects.hashing import Progress
from datmo.objects.store import ObjectStore, SourceFile

__all__ = ["capture_files", "kind_of", "restore_files"]

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {
    stat.S_IFIFO: "FIFO",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFLNK: "link",
    stat.S_IFDIR: "folder",
}


class _Top(NamedTuple):
    """A path that was named: where it is, and the file or folder that it stands for."""

    place: str
    content: str
    is_folder: bool


class _Found(NamedTuple):
    """A file or a link: its name in the collection, and where it is."""

    name: str
    path: str
    is_link: bool
    origin: str


def kind_of(mode: int) -> str:
    """What people call something with these mode bits."""
    return _KINDS.get(stat.S_IFMT(mode), "file")


def capture_files(
    store: ObjectStore,
    paths: Sequence[Path],
    *,
    root: Path,
    progress: Progress | None = None,
    notice: Callable[[str], None] | None = None,
) -> Manifest:
    """Store files and folders; their manifest becomes an object, too.

    Parameters:
        paths: files and folders; a relative one is taken from the current folder.
        root: the project's folder.
        progress: told the bytes that were done, as they are.
        notice: told what was left out; without it, something that cannot be kept is an error.

    Raises:
        FilesError: a path is missing, cannot be read or kept, or changes while it is read.
    """
    special: list[str] = []
    found = sorted(_find(paths, Path(os.path.realpath(root)), special))
    if special:
        named = ", ".join(map(repr, special[:5])) + (" ..." if len(special) > 5 else "")
        if notice is None:
            raise FilesError(f"FIFOs, sockets and devices cannot be kept: {named}")
        notice(f"{len(special)} left out, being neither file, folder nor link: {named}")
    files = [one for one in found if not one.is_link]
    with store.batch() as batch:
        stored = batch.add_files([SourceFile(one.path) for one in files], progress)
        entries = [
            FileEntry(one.name, kept.object, kept.size, kept.mode & 0o777, one.origin)
            for one, kept in zip(files, stored, strict=True)
        ]
        for one in found:
            if one.is_link:
                text = path_bytes(os.readlink(one.path))
                entries.append(FileEntry(one.name, batch.add(text), len(text), LINK, one.origin))
        manifest = Manifest(entries)
        batch.add(manifest.to_bytes())
    return manifest


def restore_files(store: ObjectStore, manifest: Manifest, to: Path, *, progress: Progress | None = None) -> list[Path]:
    """Write the files of a collection into a folder, each beside its place and then renamed to it.

    Files and links in the way are replaced; folders are made. Nothing is written through a link inside
    the folder.

    Returns:
        the paths that were written.

    Raises:
        FilesError: a link or a file is where a folder must be, or something cannot be written.
        ObjectError: an object is missing or damaged.
    """
    to.mkdir(parents=True, exist_ok=True)
    with _Folders(to) as folders:
        for entry in manifest.entries:
            parent, _, name = entry.path.rpartition("/")
            with _restoring(entry.path):
                folder = folders.open(parent)
                if entry.mode == LINK:
                    _put_link(store.read(entry.object), name, folder)
                else:
                    store.restore(entry.object, name, entry.mode, folder=folder, progress=progress)
    return [to / entry.path for entry in manifest.entries]


def _find(paths: Sequence[Path], root: Path, special: list[str]) -> Iterator[_Found]:
    """Every file and link, named; each once, whatever the order and however often it was given."""
    tops = {top.place: top for top in map(_top, paths)}
    inside = {place: top for place, top in tops.items() if Path(place).is_relative_to(root)}
    project: list[_Found] = []
    for place, top in _uncovered(inside).items():
        relative = Path(place).relative_to(root)
        if any(part.lower() in OWN_FOLDERS for part in relative.parts):
            raise FilesError(f"{place!r} is not the user's own: .git and .datmo are never captured")
        name = "" if relative == Path() else relative.as_posix()
        project.extend(_walk(top, name, "project", special))
    yield from project
    outside = _uncovered({place: top for place, top in tops.items() if place not in inside})
    names = name_outside(outside, [one.name for one in project]) if outside else {}
    for place, top in outside.items():
        yield from _walk(top, names[place], "outside", special)


def _top(given: Path) -> _Top:
    absolute = os.path.abspath(given)
    folder, name = os.path.split(absolute)
    if not name:
        raise FilesError("the root of the file system cannot be captured")
    # The name is that of the link where a link was named, and the content what it points to.
    place = os.path.join(os.path.realpath(folder), name)
    content = os.path.realpath(place)
    try:
        mode = os.stat(content).st_mode
    except OSError as error:
        missing = "does not exist" if isinstance(error, FileNotFoundError) else error.strerror
        raise FilesError(f"{os.fspath(given)!r}: {missing}") from error
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise FilesError(f"{os.fspath(given)!r} is a {kind_of(mode)}; files, folders and links can be kept")
    return _Top(place, content, stat.S_ISDIR(mode))


def _uncovered(tops: dict[str, _Top]) -> dict[str, _Top]:
    """Those that do not lie in another one's folder."""
    folders = {Path(place) for place, top in tops.items() if top.is_folder}
    return {place: top for place, top in tops.items() if not folders & set(Path(place).parents)}


def _walk(top: _Top, name: str, origin: str, special: list[str]) -> Iterator[_Found]:
    if not top.is_folder:
        yield _Found(name, top.content, False, origin)
        return
    waiting = [(name, top.content)]
    while waiting:
        name, folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                listed = list(entries)
        except OSError as error:
            raise FilesError(f"{folder!r} cannot be read: {error.strerror}") from error
        for entry in listed:
            path = f"{name}/{entry.name}" if name else entry.name
            if entry.name in OWN_FOLDERS:
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append((path, entry.path))
            elif entry.is_symlink() or entry.is_file(follow_symlinks=False):
                yield _Found(path, entry.path, entry.is_symlink(), origin)
            else:
                special.append(entry.path)


class _Folders:
    """Opens folders below one, never through a link, making those that are not there."""

    def __init__(self, top: Path) -> None:
        self._top = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._last: tuple[str, int] = ("", os.dup(self._top))

    def __enter__(self) -> _Folders:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._last[1])
        os.close(self._top)

    def open(self, path: str) -> int:
        """The folder's descriptor, good until the next call."""
        if self._last[0] != path:
            opened = self._descend(path)
            os.close(self._last[1])
            self._last = (path, opened)
        return self._last[1]

    def _descend(self, path: str) -> int:
        current = os.dup(self._top)
        for part in path.split("/") if path else ():
            try:
                below = _make_and_open(part, current)
            finally:
                os.close(current)
            current = below
        return current


def _make_and_open(name: str, folder: int) -> int:
    try:
        return os.open(name, _OPEN_FOLDER, dir_fd=folder)
    except FileNotFoundError:
        os.mkdir(name, dir_fd=folder)
        return os.open(name, _OPEN_FOLDER, dir_fd=folder)


def _put_link(text: bytes, name: str, folder: int) -> None:
    beside = f".datmo-{os.urandom(8).hex()}"
    try:
        os.symlink(text, os.fsencode(beside), dir_fd=folder)
    except ValueError as error:
        raise FilesError(f"{name!r} cannot be a link to {text!r}: {error}") from error
    try:
        os.replace(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(beside, dir_fd=folder)
        raise


@contextmanager
def _restoring(path: str) -> Iterator[None]:
    """Name the file by its whole path where something is in the way."""
    try:
        yield
    except (NotADirectoryError, FileExistsError) as error:
        raise FilesError(
            f"{path!r} cannot be restored: a link or a file is where a folder must be",
            hint="move it away, or restore into another folder",
        ) from error
    except OSError as error:
        raise FilesError(f"{path!r} cannot be restored: {error.strerror}") from error
    except FilesError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        raise FilesError(f"{path!r} cannot be restored: {error.__cause__.strerror}") from error
