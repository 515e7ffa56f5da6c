"""Files that a task wants to be kept, brought into its folder."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator

__all__ = ["bring", "listed"]


def listed(path: str) -> Iterator[tuple[str, str]]:
    """Yield each file of a path, with the name that it is kept under.

    That is its path below the working folder, or from its own name on where it lies elsewhere.

    Raises:
        FileNotFoundError: there is none.
    """
    found = os.path.realpath(path)
    if not os.path.exists(found):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    shown = os.path.relpath(os.path.abspath(path))
    name = os.path.basename(found) if shown == os.curdir or shown.startswith(os.pardir) else shown
    if not os.path.isdir(found):
        yield found, name
        return
    for folder, _, files in os.walk(found):
        for file in sorted(files):
            each = os.path.join(folder, file)
            if os.path.isfile(each):
                yield each, os.path.join(name, os.path.relpath(each, found))


def bring(path: str, folder: str) -> Iterator[str]:
    """Copy each file of a path into the task's folder, and yield its name there once it is there whole."""
    folder = os.path.realpath(folder)
    for source, name in listed(path):
        if source.startswith(folder + os.sep):
            yield os.path.relpath(source, folder)
            continue
        target = os.path.join(folder, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        beside = os.path.join(os.path.dirname(target), f".datmo-{os.urandom(8).hex()}")
        try:
            shutil.copyfile(source, beside)
            shutil.copymode(source, beside)
            os.replace(beside, target)
        except BaseException:
            if os.path.lexists(beside):
                os.unlink(beside)
            raise
        yield name
