"""The archive in which snapshots travel from one project to another: one ZIP file, format 1.

==================  ==================================================================================================
``datmo.json``      what is in it: see below; always the first entry
``events.jsonl``    the history of the snapshots, one event a line, as the event log encodes data
``objects/<id>``    an object: a file, a definition of an environment, a list of files; the id is its BLAKE3-256
``git/<oid>``       a tree or a file of the code as git has it, without git's header; the id is its SHA-1 with it
==================  ==================================================================================================

``datmo.json`` is one JSON object::

    format          1; a reader refuses what is higher
    project         id of the project that it comes from
    snapshots       their ids
    environments    id: data of `environment.created`
    code            id: data of `code.captured`; the commit itself is made again from its tree and large files
    files           id: data of `files.stored`
    objects         id: size in bytes
    git             oid: "tree" or "blob"
    events          BLAKE3-256 of events.jsonl

A line of ``events.jsonl`` has `stream`, `type`, `schema`, `data`, and where it was written: `position`, `id`,
`recorded_us`, `actor`. Entries have plain names, no attributes of files and a fixed time; the same selection gives the
same bytes. Nothing in an archive is believed: `ArchiveReader` refuses every entry that is not one of these.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from blake3 import blake3

from datmo.errors import ArchiveError, ObjectDamaged
from datmo.eventlog.codec import decode, encode
from datmo.objects.layout import sync_folder

__all__ = ["FORMAT", "ArchiveReader", "ArchiveWriter"]

FORMAT = 1
_CONTENTS, _EVENTS = "datmo.json", "events.jsonl"
_NAME = re.compile(r"datmo\.json|events\.jsonl|objects/[0-9a-f]{64}|git/[0-9a-f]{40}")
_LARGEST_TEXT = 512 << 20
_MOST_ENTRIES = 5_000_000
_MOST_GROWTH = 1100
"""Deflate makes no more than 1032 bytes of one."""
_CHUNK = 1 << 20
_SAMPLE = 1 << 16
_TIME = (1980, 1, 1, 0, 0, 0)


class ArchiveWriter:
    """Writes an archive beside its place, and puts it there when it is whole and durable.

    A context manager; leaving it by an error leaves nothing.

    Parameters:
        path: where it goes; nothing is there yet.

    Raises:
        ArchiveError: something is there, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if os.path.lexists(path):
            raise ArchiveError(f"{path} exists already", hint="give another name, or move it away")
        self._beside = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
        with _written(path):
            self._zip = zipfile.ZipFile(self._beside, "x", allowZip64=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with _written(self._path):
                self._zip.close()
                if kind is None:
                    with self._beside.open("rb") as file:
                        os.fsync(file.fileno())
                    self._beside.rename(self._path)
                    sync_folder(self._path.parent)
        finally:
            self._beside.unlink(missing_ok=True)

    def contents(self, contents: dict[str, Any], events: bytes) -> None:
        """Write what is in it, and the history; comes first."""
        self._text(_CONTENTS, encode({"format": FORMAT, **contents}, sort_keys=True))
        self._text(_EVENTS, events)

    def object(self, object_id: str, source: IO[bytes], size: int, progress: Callable[[int], None] | None) -> None:
        """Write an object from an open file.

        Raises:
            ObjectDamaged: its bytes are not those that it was stored with.
        """
        if self._stream(f"objects/{object_id}", source, size, progress) != object_id:
            raise ObjectDamaged(
                f"object {object_id} is damaged: its bytes do not have that hash",
                hint="`datmo snapshot verify` names what needs it",
            )

    def git(self, oid: str, data: bytes) -> None:
        """Write a git object."""
        self._text(f"git/{oid}", data)

    def _text(self, name: str, data: bytes) -> None:
        with _written(self._path):
            self._zip.writestr(_entry(name, data[:_SAMPLE]), data)

    def _stream(self, name: str, source: IO[bytes], size: int, progress: Callable[[int], None] | None) -> str:
        chunk, hasher = source.read(_CHUNK), blake3()
        info = _entry(name, chunk[:_SAMPLE])
        info.file_size = size  # tells whether the entry needs 64-bit sizes
        with _written(self._path), self._zip.open(info, "w") as target:
            while chunk:
                target.write(chunk)
                hasher.update(chunk)
                if progress is not None:
                    progress(len(chunk))
                chunk = source.read(_CHUNK)
        return hasher.hexdigest()


def _entry(name: str, sample: bytes) -> zipfile.ZipInfo:
    """Return an entry, compressed where that is worth it: weights mostly are not."""
    info = zipfile.ZipInfo(name, _TIME)
    worth = len(zlib.compress(sample, 1)) < 0.9 * len(sample)
    info.compress_type = zipfile.ZIP_DEFLATED if worth else zipfile.ZIP_STORED
    info._compresslevel = 6 if len(sample) < _SAMPLE else 1  # type: ignore[attr-defined]  # public only since 3.13
    info.external_attr = 0
    return info


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArchiveError(f"{path} cannot be written: {error.strerror}") from error


class ArchiveReader:
    """Reads an archive that anybody may have made. A context manager.

    Parameters:
        path: the archive.
        room: a folder on the disk that it is going to be unpacked to.

    Attributes:
        contents: what `datmo.json` says, in its outer form; `datmo.capture.archive_check` looks at the rest.

    Raises:
        ArchiveError: it is none, is too new, or has an entry that none has; the message says which.
    """

    def __init__(self, path: Path, room: Path) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is cut short, or none"
            raise ArchiveError(f"{path} cannot be read as an archive: {reason}") from error
        try:
            self._entries = self._named()
            self.contents: dict[str, Any] = self._contents()
            self._check_entries(room)
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    @property
    def names(self) -> set[str]:
        """The names of all entries."""
        return set(self._entries)

    def size(self, name: str) -> int:
        """The size that an entry is declared to have."""
        return self._info(name).file_size

    def events(self) -> bytes:
        """The bytes of the history."""
        return self.read(_EVENTS)

    def read(self, name: str) -> bytes:
        """The bytes of an entry, which is small."""
        size = self.size(name)
        if size > _LARGEST_TEXT:
            raise ArchiveError(f"{self._path}: {name} is larger than any can be: {size} bytes")
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of an entry, piece by piece: as many as were declared, or an error.

        Raises:
            ArchiveError: it is damaged, or has another size than it was declared to have.
        """
        left = self.size(name)
        try:
            with self._zip.open(self._info(name)) as file:
                while chunk := file.read(_CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        break
                    yield chunk
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
            raise ArchiveError(f"{self._path}: {name} is damaged: {error}") from error
        if left:
            raise ArchiveError(f"{self._path}: {name} has another size than the archive says")

    def _info(self, name: str) -> zipfile.ZipInfo:
        try:
            return self._entries[name]
        except KeyError:
            raise ArchiveError(f"{self._path}: {name} is missing") from None

    def _named(self) -> dict[str, zipfile.ZipInfo]:
        named: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            if named.setdefault(info.filename, info) is not info:
                raise ArchiveError(f"{self._path}: the entry {info.orig_filename!r} is there twice")
        return named

    def _contents(self) -> dict[str, Any]:
        first = next(iter(self._zip.infolist()), None)
        if first is None or first.filename != _CONTENTS:
            raise ArchiveError(f"{self._path} is no archive of snapshots: it does not begin with {_CONTENTS}")
        if first.file_size > _MOST_GROWTH * (first.compress_size + 1):
            raise ArchiveError(f"{self._path}: {_CONTENTS} cannot be as large as the archive says")
        try:
            contents = decode(self.read(_CONTENTS))
        except (ValueError, RecursionError) as error:
            raise ArchiveError(f"{self._path}: {_CONTENTS} cannot be read: {error}") from error
        found = contents.get("format") if isinstance(contents, dict) else None
        if type(found) is not int or found < 1:
            raise ArchiveError(f"{self._path}: {_CONTENTS} does not say which format the archive has")
        if found > FORMAT:
            raise ArchiveError(
                f"{self._path} has format {found}, this Datmo reads archives up to format {FORMAT}",
                hint="upgrade datmo: pip install --upgrade datmo",
            )
        checked: dict[str, Any] = contents
        return checked

    def _check_entries(self, room: Path) -> None:
        infos = self._zip.infolist()
        if len(infos) > _MOST_ENTRIES:
            raise ArchiveError(f"{self._path} has {len(infos)} entries, more than {_MOST_ENTRIES}")
        for info in infos:
            if problem := _problem(info):
                raise ArchiveError(f"{self._path}: the entry {info.orig_filename!r} {problem}")
        stored = sum(info.compress_size for info in infos)
        if stored > self._path.stat().st_size:
            raise ArchiveError(f"{self._path}: entries lie one over the other")
        declared, free = sum(info.file_size for info in infos), shutil.disk_usage(room).free
        if declared > free:
            raise ArchiveError(
                f"{self._path} needs {declared} bytes, {free} are free", hint="make room on the project's disk"
            )


def _problem(info: zipfile.ZipInfo) -> str | None:
    """What makes an entry one that no archive of ours has."""
    name, kind = info.orig_filename, stat.S_IFMT(info.external_attr >> 16)
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if ".." in re.split(r"[/\\]", name):
        return "leads out of the archive"
    if kind == stat.S_IFLNK:
        return "is a link"
    if kind not in (0, stat.S_IFREG):
        return "is no regular file"
    if not _NAME.fullmatch(name) or name != info.filename:
        return "does not belong there"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed in a way that none is"
    if info.file_size > _MOST_GROWTH * (info.compress_size + 1):
        return "cannot be as large as the archive says"
    return None
