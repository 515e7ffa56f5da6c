"""Files on the user's disk: how they are opened, read as of one moment, and told apart without reading.

A change of a file shows in its change time, which nobody can set, but only as finely as the file system's
clock ticks. So a file that was written within the last tick is given a moment to settle before it is read;
after that, the same state before and after means that it did not change while it was read.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from datmo.errors import DatmoError, FilesError, ObjectError

__all__ = [
    "PAUSE_S",
    "Changed",
    "FileState",
    "SourceFile",
    "StoredFile",
    "look_at",
    "not_stored",
    "opened",
    "read_all",
    "require_unchanged",
    "settle",
    "settled",
]

PAUSE_S = 0.02
"""Longer than a tick of a file system's clock."""

_TICK_NS = 20_000_000
_COARSE_TICK_NS = 2_000_000_000
_SETTLE_TRIES = 12
# Never through a link, never waiting for the other end of a FIFO.
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# Of an error while copying, what cannot be the source's doing.
_STORES_FAULT = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class SourceFile(NamedTuple):
    """A regular file to be stored.

    Parameters:
        path: where it is; a link there is refused, not followed.
        folder: an open folder that the path is relative to, or None.
        trusted: whether the stat cache may answer for it, so that it is not read again.
        largest: a file with more bytes is refused.
        still: nobody writes to it any more, so it is not given the moment to settle.
    """

    path: Path | str
    folder: int | None = None
    trusted: bool = True
    largest: int | None = None
    still: bool = False


class StoredFile(NamedTuple):
    """What became of it: its object, its size, and all its mode bits."""

    object: str
    size: int
    mode: int


class Changed(Exception):
    """The file was written to while it was read."""


class FileState(NamedTuple):
    """What tells one state of a file from another without reading it."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> FileState:
        """The state that a stat result describes."""
        # SQLite's integers are signed; some file systems use the highest bit of an inode's number.
        return cls(
            _signed(stat.st_dev),
            _signed(stat.st_ino),
            stat.st_size,
            _signed(stat.st_mtime_ns),
            _signed(stat.st_ctime_ns),
        )


def settled(state: FileState, now_ns: int) -> bool:
    """Whether a change from now on would show in the file's change time (which nobody can set)."""
    return state.changed_ns + (_COARSE_TICK_NS if _is_coarse(state) else _TICK_NS) <= now_ns


def _is_coarse(state: FileState) -> bool:
    """Whether the file lies where times are kept in whole seconds, as far as can be told."""
    return state.changed_ns % 1_000_000_000 == 0


@contextmanager
def opened(file: SourceFile) -> Iterator[int]:
    """The file, open for reading."""
    handle = os.open(file.path, _OPEN, dir_fd=file.folder)
    try:
        yield handle
    finally:
        os.close(handle)


def look_at(file: SourceFile) -> os.stat_result:
    """What the file is now, a link not followed."""
    try:
        return os.stat(file.path, dir_fd=file.folder, follow_symlinks=False)
    except OSError as error:
        raise not_stored(file.path, error) from error


def read_all(handle: int, most: int) -> bytes:
    """An open file's bytes from its beginning, up to so many."""
    data = os.read(handle, most)
    while len(data) < most and (more := os.read(handle, most - len(data))):
        data += more
    return data


def require_unchanged(handle: int, before: os.stat_result, count: int) -> None:
    """Check that the file is as it was before, and that all its bytes were read.

    Raises:
        Changed: it is not.
    """
    after = os.fstat(handle)
    if (
        count != before.st_size
        or after.st_size != before.st_size
        or after.st_mtime_ns != before.st_mtime_ns
        or after.st_ctime_ns != before.st_ctime_ns
    ):
        raise Changed


def settle(handle: int, *, still: bool = False) -> tuple[os.stat_result, FileState]:
    """Wait until any further change would show: a moment, once, for files that were written just now.

    Parameters:
        handle: the open file.
        still: nobody writes to it any more: there is no change to wait for.

    Raises:
        Changed: something goes on writing to it.
    """
    for _ in range(_SETTLE_TRIES):
        before, now = os.fstat(handle), time.time_ns()
        state = FileState.of(before)
        # A coarse clock would take seconds, one that is ahead of ours for ever: those are not remembered.
        if still or settled(state, now) or _is_coarse(state) or state.changed_ns > now:
            return before, state
        time.sleep(PAUSE_S / 4)
    raise Changed


def not_stored(path: Path | str, error: OSError) -> DatmoError:
    """The error to raise where a file could not be read and stored."""
    kind = ObjectError if error.errno in _STORES_FAULT else FilesError
    return kind(f"{os.fspath(path)!r} cannot be stored: {error.strerror}")


def _signed(number: int) -> int:
    if -(1 << 63) <= number < 1 << 63:
        return number
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)
