"""The key that an image is known by, and the context that it is built from.

Both are made from the captured code, never from the live tree, so editing files while an image is built
changes nothing. The key covers the environment and the files that the Dockerfile names: a change to any other
file leaves the image as it is.
"""

from __future__ import annotations

import io
import json
import posixpath
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import BinaryIO, NamedTuple

from blake3 import blake3

from datmo.capture.dockerfile import copied_sources
from datmo.capture.dockerignore import DockerIgnore, pattern_regex
from datmo.errors import CodeError

__all__ = ["BuildContext", "CodeFile", "OpenFile", "build_context", "image_key"]

CodeFile = tuple[str, int, bytes]
"""A file of the captured code: its path, its git mode, and the id of its content, a blob's or an object's."""

OpenFile = Callable[[str], BinaryIO]
"""Opens a file of the captured code, by its path; for a link, its target as bytes. Seekable."""

_LINK, _SUBMODULE = 0o120000, 0o160000
_OWN_NAME = ".datmo.dockerfile"
_CHUNK = 1 << 20
# Not 1970: zip archives, wheels among them, refuse times before 1980, in any time zone.
_MTIME = 315_619_200


class BuildContext(NamedTuple):
    """A build context: the path of the Dockerfile in it, and a tar archive, piece by piece."""

    dockerfile: str
    chunks: Iterator[bytes]


class _Entry(NamedTuple):
    mode: int
    open: Callable[[], BinaryIO]


def image_key(environment_id: str, dockerfile: bytes, dockerignore: bytes | None, files: Iterable[CodeFile]) -> str:
    """Return the key of the image that a Dockerfile makes of captured code: 64 hexadecimal digits.

    Parameters:
        environment_id: the id of the environment that the Dockerfile belongs to.
        dockerfile: its bytes.
        dockerignore: the bytes of the .dockerignore in force, or None.
        files: the captured code, in any order.

    Raises:
        EnvironmentInvalid: a pattern in one of the two cannot be read.
    """
    ignore = DockerIgnore(dockerignore)
    sent = sorted(file for file in files if not ignore.excludes(file[0]))
    named = _named(sent, copied_sources(dockerfile))
    listed = [[path, mode, content.hex()] for path, mode, content in named]
    return blake3(json.dumps([environment_id, listed], separators=(",", ":")).encode()).hexdigest()


def _named(files: list[CodeFile], sources: tuple[str, ...] | None) -> list[CodeFile]:
    """Return the files that the sources name; all of them where a link may lead a source anywhere."""
    if sources is None:
        return files
    links = [path for path, mode, _ in files if mode == _LINK]
    for source in sources:
        parts = source.split("/")
        for depth in range(1, len(parts) + 1):
            leading = pattern_regex("/".join(parts[:depth]), whose="the Dockerfile")
            if any(leading.fullmatch(link) for link in links):
                return files
    patterns = [pattern_regex(source, whose="the Dockerfile") for source in sources]
    return [file for file in files if any(pattern.match(file[0]) for pattern in patterns)]


def build_context(
    definition: str,
    dockerfile: bytes,
    dockerignore: bytes | None,
    files: Iterable[CodeFile],
    open_file: OpenFile,
) -> BuildContext:
    """Return the context for a build: the captured code after .dockerignore, as a tar that never varies.

    The Dockerfile and .dockerignore always go with it. Where the code holds another file under the path of
    the Dockerfile, the Dockerfile goes under a name of its own that the image does not get to see.

    Parameters:
        definition: the Dockerfile's path in the project, or its bare name where it lies outside.
        dockerfile: its bytes, as the environment was captured.
        dockerignore: the bytes of the .dockerignore in force, or None.
        files: the captured code, in any order.
        open_file: opens one of them; called when its turn in the archive comes, one open at a time.

    Raises:
        EnvironmentInvalid: a pattern in .dockerignore cannot be read.
    """
    ignore = DockerIgnore(dockerignore)
    code = {path: mode for path, mode, _ in files}
    sent = {path: mode for path, mode in code.items() if not ignore.excludes(path)}
    entries = {path: _Entry(mode, partial(open_file, path)) for path, mode in sent.items()}
    name = definition
    if definition in code and not _same(open_file, definition, dockerfile):
        name = _OWN_NAME
        # As the docker program does it: the build reads the file, then leaves it out of what COPY sees.
        rules = b".dockerignore" if dockerignore is None else dockerignore
        dockerignore = rules + f"\n{name}\n".encode()
    entries[name] = _Entry(code.get(name, 0o100644), partial(io.BytesIO, dockerfile))
    if dockerignore is not None:
        entries[".dockerignore"] = _Entry(0o100644, partial(io.BytesIO, dockerignore))
    return BuildContext(name, _archive(entries))


def _same(open_file: OpenFile, path: str, content: bytes) -> bool:
    with open_file(path) as file:
        return file.read(len(content) + 1) == content


def _archive(entries: dict[str, _Entry]) -> Iterator[bytes]:
    for name in sorted(entries.keys() | _folders(entries)):
        entry = entries.get(name)
        if entry is None or entry.mode == _SUBMODULE:
            yield _header(name, tarfile.DIRTYPE, 0o755)
            continue
        with entry.open() as file:
            if entry.mode == _LINK:
                yield _header(name, tarfile.SYMTYPE, 0o777, link=file.read())
            else:
                yield from _regular(name, entry.mode, file)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _folders(names: Iterable[str]) -> set[str]:
    folders: set[str] = set()
    for name in names:
        folder = posixpath.dirname(name)
        while folder and folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    return folders


def _regular(name: str, mode: int, file: BinaryIO) -> Iterator[bytes]:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    yield _header(name, tarfile.REGTYPE, 0o755 if mode & stat.S_IXUSR else 0o644, size=size)
    left = size
    while left:
        chunk = file.read(min(_CHUNK, left))
        if not chunk:
            raise CodeError(f"{name!r} became shorter while the build context was made of it")
        left -= len(chunk)
        yield chunk
    if size % tarfile.BLOCKSIZE:
        yield b"\0" * (tarfile.BLOCKSIZE - size % tarfile.BLOCKSIZE)


def _header(name: str, kind: bytes, mode: int, *, size: int = 0, link: bytes = b"") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.mtime = kind, mode, size, _MTIME
    info.linkname = link.decode("utf-8", "surrogateescape")
    # GNU's format carries names that are not UTF-8 as the bytes they are.
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
