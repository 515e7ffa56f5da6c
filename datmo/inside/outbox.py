"""The outbox file: opened once for each process, appended to by one write a line."""

from __future__ import annotations

import errno
import os
import threading
import weakref

__all__ = ["Outbox"]

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_CLOSED = -1

_outboxes: weakref.WeakSet[Outbox] = weakref.WeakSet()


class Outbox:
    """Appends lines to a file; from any thread, and in forked children, too.

    Parameters:
        path: the file; made by the first line where it is not there.

    Attributes:
        descriptor: of the open file, or -1. Whoever cannot afford a call more writes to it, and calls `write` where
            that fails.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.descriptor: int = _CLOSED
        self._ended = False
        self._torn = False
        self._opening = threading.Lock()
        _outboxes.add(self)

    def write(self, line: bytes) -> None:
        """Append one line; it is kept when this returns.

        Raises:
            OSError: it could not be written: the disk is full, or the file's folder is gone.
            RuntimeError: the outbox was closed.
        """
        with self._opening:
            if self._ended:
                raise RuntimeError("the task has ended: nothing more can be logged to it")
            if self.descriptor == _CLOSED:
                self._open()
            descriptor = self.descriptor
        self.finish(line, os.write(descriptor, line))

    def finish(self, line: bytes, written: int) -> None:
        """Do nothing where a line was written whole, else raise what hinders the rest of it.

        Raises:
            OSError: the disk is full.
        """
        if written < len(line):
            with self._opening:
                self._torn = True
                self._close()  # so that the next line comes by `write`, which mends this
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)

    def open(self) -> None:
        """Open the file before the first line does."""
        with self._opening:
            if self.descriptor == _CLOSED and not self._ended:
                self._open()

    def close(self) -> None:
        """Take no more lines."""
        with self._opening:
            self._ended = True
            self._close()

    def _open(self) -> None:
        descriptor = os.open(self.path, _FLAGS, 0o666)
        try:
            if self._torn:
                # What a full disk has left of a line is ended: it shall not spoil the next one.
                os.write(descriptor, b"\n")
        except OSError:
            os.close(descriptor)
            raise
        self._torn = False
        self.descriptor = descriptor

    def _close(self) -> None:
        descriptor, self.descriptor = self.descriptor, _CLOSED
        if descriptor != _CLOSED:
            os.close(descriptor)

    def reopen(self) -> None:
        """Forget the parent's descriptor, in a forked child: the parent may close it, and the number be another's."""
        self._opening = threading.Lock()
        self._close()


def _reopen_all() -> None:
    for outbox in list(_outboxes):
        outbox.reopen()


os.register_at_fork(after_in_child=_reopen_all)
