"""Where things lie in the store's folder, and the few ways in which they are put there.

::

    objects/
      packs/<digest of its index>      small objects, see `datmo.objects.pack`
      large/<aa>/<rest of the id>      an object of its own, read-only
      index.db                         where each object lies; made again from the two above when lost
      tmp/                             files being written; each locked by who writes it
      hold.lock                        shared by those who store, taken alone by who collects garbage

A file gets its place by a rename, after its bytes were synced, and counts from when its folder was synced
too. What a crash leaves behind lies in `tmp/`, or is a whole object that nobody has heard of yet.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Layout", "sync_folder"]

_NAME = re.compile("[0-9a-f]{64}")
_UNTOUCHED_S = 60.0


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Layout:
    """The store's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.packs: Path = root / "packs"
        self.large: Path = root / "large"
        self.scratch: Path = root / "tmp"
        self.index: Path = root / "index.db"
        self.index_lock: Path = root / "index.lock"
        self.hold: Path = root / "hold.lock"

    def exists(self) -> bool:
        """Whether anything was ever written here."""
        return self.packs.is_dir()

    def make(self) -> None:
        """Make the folders that are not there yet."""
        if self.exists():
            return
        self.root.mkdir(parents=True, exist_ok=True)
        # packs/ comes last: it says that the others are there.
        for folder in (self.scratch, self.large, self.packs):
            folder.mkdir(exist_ok=True)
        sync_folder(self.root)
        sync_folder(self.root.parent)

    def pack_path(self, name: str) -> Path:
        """Where the pack of that name lies."""
        return self.packs / name

    def large_path(self, digest: bytes) -> Path:
        """Where an object of its own lies, or would."""
        name = digest.hex()
        return self.large / name[:2] / name[2:]

    def pack_names(self) -> set[str]:
        """The packs that are there."""
        return {name for name in os.listdir(self.packs) if _is_digest(name)}

    def large_objects(self) -> Iterator[tuple[bytes, int]]:
        """The objects of their own that are there: digest and size."""
        for folder in sorted(self.large.iterdir()):
            if not folder.is_dir():
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not _is_digest(folder.name + entry.name):
                        continue
                    try:
                        size = entry.stat().st_size
                    except FileNotFoundError:
                        continue  # it was garbage, and is collected just now
                    yield bytes.fromhex(folder.name + entry.name), size

    def open_scratch(self) -> tuple[int, Path]:
        """A new file to write to, locked, so that `sweep` can tell it from one left by a crash."""
        path = self.scratch / os.urandom(12).hex()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        handle = os.open(path, flags, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return handle, path

    def sweep(self) -> int:
        """Remove what dead writers left in `tmp/`.

        Returns:
            how many bytes that freed.
        """
        freed = 0
        for path in self.scratch.iterdir() if self.exists() else ():
            try:
                handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            except FileNotFoundError:
                continue  # its writer has just put it in its place
            try:
                freed += self._sweep_one(handle, path)
            finally:
                os.close(handle)
        return freed

    def _sweep_one(self, handle: int, path: Path) -> int:
        state = os.fstat(handle)
        # A moment lies between making a file and locking it: leave the newest alone.
        if time.time() - state.st_mtime < _UNTOUCHED_S:
            return 0
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        path.unlink(missing_ok=True)
        return state.st_size


def _is_digest(name: str) -> bool:
    return _NAME.fullmatch(name) is not None
