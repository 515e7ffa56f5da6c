"""The lock that makes many writing processes take turns.

SQLite's own lock is polled, and polling starves: with eight writers one waited over two seconds. An flock is a queue
in the kernel. It lies on a side file, because closing any descriptor of the database itself would drop SQLite's locks.
"""

from __future__ import annotations

import fcntl
import os
import threading
import weakref
from pathlib import Path

__all__ = ["WriteLock"]

_open: weakref.WeakSet[WriteLock] = weakref.WeakSet()


class WriteLock:
    """An flock on a side file, held (`with lock:`) for the length of one write transaction.

    It may block: never on the event loop.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        # An flock belongs to the open file, not to the thread: threads of one process need a lock of their own.
        self._threads = threading.Lock()
        _open.add(self)

    def __enter__(self) -> None:
        """Wait for the lock."""
        self._threads.acquire()
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except BaseException:
            self._threads.release()
            raise

    def __exit__(self, *_exception: object) -> None:
        """Let the next one have it."""
        try:
            if self._descriptor is not None:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def close(self) -> None:
        """Give the descriptor back."""
        with self._threads:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def drop_after_fork(self) -> None:
        """Let go of the parent's lock in a forked child, which would keep it as long as the child lives."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._threads = threading.Lock()


def _drop_all() -> None:
    for lock in list(_open):
        lock.drop_after_fork()


os.register_at_fork(after_in_child=_drop_all)
