"""Folders of tasks, made and removed."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from datmo.errors import RunnerError
from datmo.runner.witness import FileLock, guarded

__all__ = ["claim", "claim_again", "claim_leftover", "discard", "open_up", "remove_tree"]

_LOCK = "lock"
_PATIENCE = 2.0
"""Seconds for which somebody else may go on to write into what is removed."""
_AGAIN = 0.002


def claim(folder: Path) -> FileLock:
    """Make a task's folder and take its lock; nobody else knows this folder yet.

    Raises:
        RunnerError: the folder cannot be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with guarded(folder.parent):
            folder.mkdir()
            lock = FileLock(folder / _LOCK)
            lock.try_acquire()
    except OSError as error:
        raise RunnerError(f"the task's folder {str(folder)!r} cannot be made: {error.strerror}") from error
    return lock


def claim_again(folder: Path) -> FileLock | None:
    """Take the lock of a task's folder, making the folder where it is gone; None where somebody else has it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with guarded(folder.parent):
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / _LOCK)
        return lock if lock.try_acquire() else None


def claim_leftover(folder: Path) -> FileLock | None:
    """Take the lock of a folder that may be garbage; None where somebody else has it, or has removed the folder."""
    with guarded(folder.parent):
        # Folder and lock come and go under the guard: one without a lock was left so by a process that was killed.
        lock = FileLock(folder / _LOCK)
        return lock if folder.is_dir() and lock.try_acquire() else None


def discard(folder: Path) -> None:
    """Remove a task's folder, whose lock the caller holds and releases after it. Done twice, it does nothing.

    Raises:
        OSError: something in it belongs to somebody else.
    """
    with suppress(FileNotFoundError):
        with os.scandir(folder) as entries:
            inside = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        for path in inside:
            remove_tree(Path(path))
        # The lock goes last and with its folder, or another one could take it anew in a folder that is half gone.
        with guarded(folder.parent):
            remove_tree(folder)


def open_up(folder: Path, *inside: Path) -> None:
    """Let any user, such as an image's, work below some folders; of this machine's others none gets that far.

    Parameters:
        folder: a task's folder, from now on for its owner alone: what is mounted in a container is reached without.
        inside: folders in it.
    """
    folder.chmod(0o700)
    for top in inside:
        for place, _, names, handle in os.fwalk(top):
            os.fchmod(handle, 0o777)
            for name in names:
                state = os.stat(name, dir_fd=handle, follow_symlinks=False)
                if stat.S_ISREG(state.st_mode):
                    opened = 0o777 if state.st_mode & 0o100 else 0o666
                    os.chmod(os.path.join(place, name), stat.S_IMODE(state.st_mode) | opened)


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it, read-only folders too. Done twice, it does nothing.

    It may be written to meanwhile: by the helper of one who was killed, which ends only when it is done.

    Raises:
        OSError: something in it belongs to somebody else.
    """

    def retry(function: Callable[[str], object], path: str, error: Any) -> None:
        cause = error if isinstance(error, BaseException) else error[1]
        if isinstance(cause, FileNotFoundError):
            return
        if not isinstance(cause, PermissionError):
            raise cause
        os.chmod(os.path.dirname(path), 0o700)  # a program took the right to write to it from us
        if function in (os.rmdir, os.unlink):
            function(path)
        else:
            os.chmod(path, 0o700)
            shutil.rmtree(path)

    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            if sys.version_info >= (3, 12):
                shutil.rmtree(folder, onexc=retry)
            else:
                shutil.rmtree(folder, onerror=retry)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY or time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN)
        else:
            return
