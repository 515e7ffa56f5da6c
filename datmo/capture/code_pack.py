"""New git objects, written as one pack.

Objects are collected in a file beside the user's packs, under a name that git itself gives to such files and
clears away should we die. They count from when the pack has its index, after everything was synced: so a crash
leaves a capture whole or not there, and no loose object ever lies about.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import tempfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from datmo.capture.code_repository import Repository
from datmo.objects.layout import sync_folder

__all__ = ["ObjectWriter"]

_KINDS = {"commit": 1, "tree": 2, "blob": 3}
_FIRST_LARGE_OFFSET = 1 << 31
_CHUNK = 1 << 20
# git packs it anew in its own time; here the user waits.
_LEVEL = 1


class _Written(NamedTuple):
    oid: bytes
    crc: int
    offset: int


class ObjectWriter:
    """Collects the objects that a repository does not have yet.

    A context manager; leaving it without `finish` forgets them all.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._folder = repository.common / "objects" / "pack"
        self._file: BinaryIO | None = None
        self._path = Path()
        self._written: dict[bytes, _Written] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)

    def add(self, kind: str, data: bytes) -> bytes:
        """Add an object, unless the repository has it.

        Parameters:
            kind: "blob", "tree" or "commit".
            data: its bytes.

        Returns:
            its id, 20 bytes.
        """
        digest = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)), usedforsecurity=False)
        digest.update(data)
        oid = digest.digest()
        if oid not in self._written and not self._repository.has(oid):
            self._append(oid, kind, data)
        return oid

    def finish(self) -> bool:
        """Make what was added durable and part of the repository.

        Returns:
            whether anything was new.
        """
        if self._file is None:
            return False
        checksum = self._seal(self._file)
        name = self._folder / f"pack-{checksum.hex()}"
        index = self._write_index(checksum)
        # git takes notice of a pack by its index, so that comes last.
        for path, suffix in ((self._path, ".pack"), (index, ".idx")):
            path.chmod(0o444)
            path.rename(name.with_suffix(suffix))
        sync_folder(self._folder)
        self._file.close()
        self._file = None
        self._written.clear()
        return True

    def _append(self, oid: bytes, kind: str, data: bytes) -> None:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file, self._path = self._beside("tmp_pack_")
            self._file.write(b"PACK" + struct.pack(">II", 2, 0))
        record = _header(_KINDS[kind], len(data)) + zlib.compress(data, _LEVEL)
        self._written[oid] = _Written(oid, zlib.crc32(record), self._file.tell())
        self._file.write(record)

    def _beside(self, prefix: str) -> tuple[BinaryIO, Path]:
        handle, name = tempfile.mkstemp(prefix=prefix, dir=self._folder)
        return os.fdopen(handle, "w+b"), Path(name)

    def _seal(self, file: BinaryIO) -> bytes:
        """Write the number of objects into the pack's head and its checksum at the end; sync it."""
        file.seek(8)
        file.write(struct.pack(">I", len(self._written)))
        file.seek(0)
        digest = hashlib.sha1(usedforsecurity=False)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        file.write(digest.digest())
        file.flush()
        os.fsync(file.fileno())
        return digest.digest()

    def _write_index(self, checksum: bytes) -> Path:
        entries = sorted(self._written.values())
        counts = [0] * 256
        for entry in entries:
            counts[entry.oid[0]] += 1
        total = 0
        fanout = []
        for count in counts:
            total += count
            fanout.append(total)
        short: list[int] = []
        long: list[int] = []
        for entry in entries:
            if entry.offset < _FIRST_LARGE_OFFSET:
                short.append(entry.offset)
            else:
                short.append(_FIRST_LARGE_OFFSET | len(long))
                long.append(entry.offset)
        data = b"".join(
            (
                b"\xfftOc" + struct.pack(">I", 2),
                struct.pack(">256I", *fanout),
                b"".join(entry.oid for entry in entries),
                struct.pack(f">{total}I", *(entry.crc for entry in entries)),
                struct.pack(f">{total}I", *short),
                struct.pack(f">{len(long)}Q", *long),
                checksum,
            )
        )
        file, path = self._beside("tmp_idx_")
        try:
            with file:
                file.write(data + hashlib.sha1(data, usedforsecurity=False).digest())
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        return path


def _header(kind: int, size: int) -> bytes:
    """The head of an object in a pack: its kind, and its size in pieces of four, then seven bits."""
    byte = kind << 4 | size & 15
    size >>= 4
    head = bytearray()
    while size:
        head.append(byte | 0x80)
        byte = size & 0x7F
        size >>= 7
    head.append(byte)
    return bytes(head)
