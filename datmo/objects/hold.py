"""What keeps a collection of garbage and those who store something apart.

Between storing an object and appending the event that names it, an object looks like garbage; and one that is garbage
may be found there and named again. So whoever stores takes a share of one flock, from before the first look into the
store until the event is appended. A collection takes the flock alone. The kernel drops it with its holder.
"""

from __future__ import annotations

import fcntl
import os
import threading
import weakref
from pathlib import Path

__all__ = ["Hold"]

_holds: weakref.WeakSet[Hold] = weakref.WeakSet()


class Hold:
    """One share of the lock, or all of it; taken once, released once or more often.

    Parameters:
        path: the file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._threads = threading.Lock()
        _holds.add(self)

    def share(self) -> None:
        """Take a share; blocks while a collection is under way, so never on an event loop."""
        fcntl.flock(self._open(), fcntl.LOCK_SH)

    def try_alone(self) -> bool:
        """Take all of it, unless somebody has a share. Returns whether it is taken."""
        try:
            fcntl.flock(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let go; does nothing where it is not held."""
        with self._threads:
            if self._descriptor is not None:
                # Closing alone would leave it to a forked child that still has the descriptor.
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
                os.close(self._descriptor)
                self._descriptor = None

    def _open(self) -> int:
        with self._threads:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            return self._descriptor

    def _drop_after_fork(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._threads = threading.Lock()


def _drop_all() -> None:
    for hold in list(_holds):
        hold._drop_after_fork()


os.register_at_fork(after_in_child=_drop_all)
