"""The pack: one file that holds the small objects of one capture, written with one sync.

::

    header    magic "datmopak", format (4 bytes), reserved (4 bytes, 0)
    blobs     back to back
    index     one entry an object, sorted by digest:
              digest (32), offset (8), length in the pack (8), size of the object (8), kind (1)
    trailer   number of entries (8), BLAKE3 of the index (32), magic "datmoidx"

Integers are unsigned and big-endian. A pack's name is the digest of its index, so nothing in a pack can be
exchanged without being noticed. Kind 0 is the object as it is. Other kinds (compressed, or a list of
chunks) may come without a new format: a reader that does not know one says so for those objects alone.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from datmo.errors import ObjectError
from datmo.objects.hashing import digest_of

__all__ = ["WHOLE", "DamagedPack", "PackEntry", "PackTooNew", "PackWriter", "read_index", "size_of"]

WHOLE = 0
"""The kind of an object that is stored as it is."""

_FORMAT = 1
_HEADER = struct.Struct(">8sII")
_ENTRY = struct.Struct(">32sQQQB")
_TRAILER = struct.Struct(">Q32s8s")
_MAGIC = b"datmopak"
_END = b"datmoidx"


class DamagedPack(ObjectError):
    """A pack's index cannot be read; the message says why."""


class PackTooNew(ObjectError):
    """A pack was written by a newer Datmo."""


class PackEntry(NamedTuple):
    """Where one object lies in a pack."""

    digest: bytes
    offset: int
    length: int
    size: int
    kind: int


def size_of(entries: Collection[PackEntry]) -> int:
    """The size that a pack of these objects has, in bytes."""
    blobs = sum(entry.length for entry in entries)
    return _HEADER.size + blobs + len(entries) * _ENTRY.size + _TRAILER.size


class PackWriter:
    """Writes one pack into an open, empty file; the file is closed by `finish` or `abandon`."""

    def __init__(self, handle: int, path: Path) -> None:
        self.path = path
        self.entries: list[PackEntry] = []
        self._file = open(handle, "wb", buffering=1 << 20)  # noqa: SIM115
        self._file.write(_HEADER.pack(_MAGIC, _FORMAT, 0))
        self.size: int = _HEADER.size

    def append(self, digest: bytes, data: bytes) -> None:
        """Put an object at the end."""
        self._file.write(data)
        self.entries.append(PackEntry(digest, self.size, len(data), len(data), WHOLE))
        self.size += len(data)

    def finish(self) -> str:
        """Write the index, make everything durable, close.

        Returns:
            the name that the pack must have.
        """
        self.entries.sort()
        index = b"".join([_ENTRY.pack(*entry) for entry in self.entries])
        name = digest_of(index)
        with self._file as file:
            file.write(index)
            file.write(_TRAILER.pack(len(self.entries), name, _END))
            file.flush()
            os.fchmod(file.fileno(), 0o444)
            os.fsync(file.fileno())
        return name.hex()

    def abandon(self) -> None:
        """Close and remove what was written."""
        # Closing would write what is still buffered: the disk may be full.
        with suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)


def read_index(path: Path) -> list[PackEntry]:
    """The entries of a pack, checked against the pack's name.

    Raises:
        DamagedPack: the file is not what was written.
        PackTooNew: its format is newer than this Datmo knows.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < _HEADER.size + _TRAILER.size:
            raise DamagedPack(f"pack {path.name} is cut short: {size} bytes")
        magic, written, _ = _HEADER.unpack(file.read(_HEADER.size))
        if magic != _MAGIC:
            raise DamagedPack(f"pack {path.name} does not begin as a pack does")
        if written > _FORMAT:
            raise PackTooNew(
                f"pack {path.name} has format {written}, this Datmo reads formats up to {_FORMAT}",
                hint="upgrade datmo: pip install --upgrade datmo",
            )
        file.seek(size - _TRAILER.size)
        count, digest, end = _TRAILER.unpack(file.read(_TRAILER.size))
        start = size - _TRAILER.size - count * _ENTRY.size
        if end != _END or start < _HEADER.size:
            raise DamagedPack(f"pack {path.name} does not end as a pack does")
        file.seek(start)
        index = file.read(count * _ENTRY.size)
    if digest_of(index) != digest or digest.hex() != path.name:
        raise DamagedPack(f"the index of pack {path.name} is damaged")
    return list(_entries(index, start, path.name))


def _entries(index: bytes, end_of_blobs: int, name: str) -> Iterator[PackEntry]:
    for fields in _ENTRY.iter_unpack(index):
        entry = PackEntry(*fields)
        if entry.offset < _HEADER.size or entry.offset + entry.length > end_of_blobs:
            raise DamagedPack(f"pack {name} places object {entry.digest.hex()} outside itself")
        yield entry
