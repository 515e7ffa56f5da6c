"""Object ids, and the one loop that hashes and copies a file at the same time.

An object id is the BLAKE3-256 of the object's bytes, as 64 lower-case hexadecimal digits.

Copying is the slow half (a third of the speed of hashing), and waiting for the disk comes on top. So three
things overlap: the calling thread copies piece by piece inside the kernel (`copy_file_range`, which shares
the blocks where the file system can), and a second thread goes behind it, hashes what has arrived *in the
copy*, and starts it on its way to the disk. As the copy is what is hashed, the id is always that of the
bytes that were kept, whatever happens to the source meanwhile.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from blake3 import blake3

from datmo.errors import InvalidArgument

__all__ = ["Progress", "copy_hashed", "digest_of", "hash_file", "object_id", "parse_id"]

Progress = Callable[[int], None]
"""Called with the number of bytes that were done since the last call."""

_ID = re.compile("[0-9a-f]{64}")
_STEP = 64 << 20
_BUFFER = 1 << 20
_NO_RANGE_COPY = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}
_sync = getattr(os, "fdatasync", os.fsync)


def object_id(data: bytes) -> str:
    """The id that these bytes have as an object."""
    return digest_of(data).hex()


def digest_of(data: bytes) -> bytes:
    """The id as 32 bytes."""
    return blake3(data).digest()


def parse_id(given: str) -> bytes:
    """An object id as 32 bytes.

    Raises:
        InvalidArgument: it is not 64 lower-case hexadecimal digits.
    """
    if _ID.fullmatch(given):
        return bytes.fromhex(given)
    raise InvalidArgument(f"{given!r} is not an object id", hint="an object id has 64 hexadecimal digits")


def hash_file(file: int, *, start: int = 0, end: int | None = None) -> bytes:
    """The digest of an open file's bytes from start to end, read with all cores and little memory."""
    hasher = blake3(max_threads=blake3.AUTO)
    size = (os.fstat(file).st_size if end is None else end) - start
    buffer = memoryview(bytearray(max(1, min(size, 4 * _BUFFER))))
    for piece in _read(file, buffer, start, end):
        hasher.update(piece)
    return hasher.digest()


def copy_hashed(
    source: int, target: int, size: int, *, flush: bool, progress: Progress | None = None
) -> tuple[bytes, int]:
    """Copy `size` bytes (or what there is, where that is less) and hash the copy.

    Parameters:
        source: an open file, read from its beginning.
        target: an open, empty file, readable and writable.
        flush: the bytes go to the disk meanwhile, so that the caller's fsync has little left to wait for.

    Returns:
        the digest of what was copied, and how many bytes that is.
    """
    arrived: SimpleQueue[int | None] = SimpleQueue()
    with ThreadPoolExecutor(1, "datmo-hash") as pool:
        following = pool.submit(_hash_behind, target, arrived, flush)
        copied = 0
        try:
            for count in _copy(source, target, size):
                copied += count
                arrived.put(copied)
                if progress is not None:
                    progress(count)
        finally:
            arrived.put(None)
        return following.result(), copied


def _copy(source: int, target: int, size: int) -> Iterator[int]:
    """Copy in steps, each yielded once it is in the target."""
    done = 0
    while done < size and (count := _copy_range(source, target, done, min(_STEP, size - done))):
        done += count
        yield count
    # Whatever the kernel could not copy by itself: all of it on some file systems, nothing on most.
    buffer = memoryview(bytearray(_BUFFER if done < size else 0))
    for piece in _read(source, buffer, done, size):
        _write(target, piece, done)
        done += len(piece)
        yield len(piece)


def _copy_range(source: int, target: int, position: int, count: int) -> int:
    copy = getattr(os, "copy_file_range", None)
    if copy is None:
        return 0
    try:
        copied: int = copy(source, target, count, position, position)
    except OSError as error:
        if error.errno in _NO_RANGE_COPY:
            return 0
        raise
    return copied


def _write(target: int, piece: memoryview, position: int) -> None:
    while piece:
        count = os.pwrite(target, piece, position)
        piece, position = piece[count:], position + count


def _read(file: int, buffer: memoryview, start: int, end: int | None) -> Iterator[memoryview]:
    """The file's bytes, each piece in the same buffer."""
    position = start
    while end is None or position < end:
        room = len(buffer) if end is None else min(len(buffer), end - position)
        count = os.preadv(file, [buffer[:room]], position)
        if not count:
            return
        yield buffer[:count]
        position += count


def _hash_behind(target: int, arrived: SimpleQueue[int | None], flush: bool) -> bytes:
    # One thread: the copying beside it is slower than that, so more would only take its core.
    hasher = blake3(max_threads=1)
    buffer = memoryview(bytearray(_BUFFER))
    position = synced = 0
    while (upto := arrived.get()) is not None:
        for piece in _read(target, buffer, position, upto):
            hasher.update(piece)
        position = upto
        if flush and position - synced >= _STEP:
            _sync(target)
            synced = position
    return hasher.digest()
