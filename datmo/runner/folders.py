"""Folders of tasks, made and removed."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datmo.errors import RunnerError

if TYPE_CHECKING:
    from datmo.runner.witness import FileLock

__all__ = ["claim", "claim_again", "open_up", "remove_tree"]


def claim(folder: Path) -> FileLock:
    """Make a task's folder and take its lock; nobody else knows this folder yet.

    Raises:
        RunnerError: the folder cannot be made.
    """
    from datmo.runner.witness import FileLock

    try:
        folder.mkdir(parents=True)
        lock = FileLock(folder / "lock")
        lock.try_acquire()
    except OSError as error:
        raise RunnerError(f"the task's folder {str(folder)!r} cannot be made: {error.strerror}") from error
    return lock


def claim_again(folder: Path) -> FileLock | None:
    """Take the lock of a task's folder, making the folder where it is gone; None where somebody else has it."""
    from datmo.runner.witness import FileLock

    lock = FileLock(folder / "lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return lock if lock.try_acquire() else None
    except (FileExistsError, FileNotFoundError):
        return None  # it went between two of these steps: whoever removes it has finished the task


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

    if sys.version_info >= (3, 12):
        shutil.rmtree(folder, onexc=retry)
    else:
        shutil.rmtree(folder, onerror=retry)
