"""Who is alive: a process as a witness, and a lock that dies with its holder.

A process number alone proves nothing, for numbers are given again. With the process's start time and the boot
that it was started in it names one process for ever. Linux only: it is read from `/proc`.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["FileLock", "Witness", "alive", "boot_id", "end_session", "guarded", "reap", "witness"]


class Witness(NamedTuple):
    """One process, for ever.

    `start_time` counts clock ticks since the boot; `boot_id` names the boot and the process namespace, for
    outside of it a number means nothing.
    """

    pid: int
    start_time: int
    boot_id: str


class _Status(NamedTuple):
    state: str
    session: int
    start_time: int


@cache
def boot_id() -> str:
    """Return what names this boot of the machine and the process namespace that we are in."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"


def witness(pid: int | None = None) -> Witness:
    """Return the witness of a process, or of this one.

    Raises:
        ProcessLookupError: there is no such process.
    """
    pid = os.getpid() if pid is None else pid
    status = _status(pid)
    if status is None:
        raise ProcessLookupError(f"no process {pid}")
    return Witness(pid, status.start_time, boot_id())


def alive(process: Witness) -> bool:
    """Say whether a process still runs; one that has ended and was not waited for does not."""
    if process.boot_id != boot_id():
        return False
    status = _status(process.pid)
    return status is not None and status.start_time == process.start_time and status.state not in "ZX"


def reap(process: Witness) -> None:
    """Wait for an ended process, where it is a child of ours, so that no zombie of it stays."""
    status = _status(process.pid)
    if status is not None and status.start_time == process.start_time and status.state == "Z":
        with suppress(ChildProcessError):  # another process's child, or another thread was quicker
            os.waitpid(process.pid, os.WNOHANG)


def end_session(leader: Witness) -> None:
    """Kill all that still lives of the session which a process began.

    The number of a session is not given again while anything is in it. So where its leader's number belongs
    to another process by now, the session was empty, and what is there is not ours.
    """
    if leader.boot_id != boot_id():
        return
    killed = True
    while killed:  # what forked while we looked is found the next time
        status = _status(leader.pid)
        if status is not None and status.start_time != leader.start_time:
            return
        killed = False
        for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
            status = _status(pid)
            if status is not None and status.session == leader.pid and status.state not in "ZX":
                killed = _kill(pid) or killed


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _status(pid: int) -> _Status | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in brackets, may hold anything; what follows the last bracket is numbers.
    fields = text[text.rindex(b")") + 2 :].split()
    return _Status(fields[0].decode("ascii"), int(fields[3]), int(fields[19]))


@contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Hold a folder for some microseconds, in which something in it comes or goes. It blocks.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # a fork in another thread may have copied the descriptor
        os.close(descriptor)


_locks: weakref.WeakSet[FileLock] = weakref.WeakSet()


class FileLock:
    """An flock on a side file, with the witness of its holder written in it.

    The lock is gone when its holder is, however that came. A forked child that keeps the descriptor would
    hold it longer: children forked by Python drop it, and against all others the witness decides. Whoever looks
    or takes does so under a lock on the file's folder, which is held for microseconds.

    Parameters:
        path: the file, in a folder that exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._threads = threading.Lock()
        _locks.add(self)

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def try_acquire(self) -> bool:
        """Take the lock, unless a living process holds it. Returns whether this object holds it now."""
        with self._threads:
            if self._descriptor is None:
                with guarded(self.path.parent):
                    self._descriptor = self._take()
            return self._descriptor is not None

    def release(self) -> None:
        """Let go of the lock; without it, do nothing."""
        with self._threads:
            if self._descriptor is not None:
                # Closing alone would leave it to a forked child that still has the descriptor.
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
                os.close(self._descriptor)
                self._descriptor = None

    def holder(self) -> Witness | None:
        """Return the living process that holds the lock, or None. A look, not a claim."""
        try:
            with guarded(self.path.parent):
                descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    return None if self._lock(descriptor) else self._living(descriptor)
                finally:
                    os.close(descriptor)
        except FileNotFoundError:
            return None

    def _take(self) -> int | None:
        descriptor = self._open()
        if not self._lock(descriptor):
            living = self._living(descriptor)
            os.close(descriptor)
            if living is not None:
                return None
            # The dead one's lock lives on in a descriptor that a child of it kept: leave that file to it.
            self.path.unlink()
            descriptor = self._open()
            if not self._lock(descriptor):  # pragma: no cover
                raise AssertionError("a lock taken under the guard was taken by someone else")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(witness()).encode(), 0)
        return descriptor

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    @staticmethod
    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @staticmethod
    def _living(descriptor: int) -> Witness | None:
        """Return the holder of a held lock, or None where it has died and only its descriptor lives."""
        written = os.pread(descriptor, 4096, 0)
        try:
            holder = Witness(*json.loads(written))
        except (ValueError, TypeError):
            # Letting go, or not ours: the lock itself says that it is held.
            return Witness(0, 0, "")
        # A process of another namespace cannot be seen from here, so the lock is believed.
        return holder if holder.boot_id != boot_id() or alive(holder) else None

    def _drop_after_fork(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._threads = threading.Lock()


def _drop_all() -> None:
    for lock in list(_locks):
        lock._drop_after_fork()


os.register_at_fork(after_in_child=_drop_all)
