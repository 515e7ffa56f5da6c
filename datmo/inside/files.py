"""Files that a task wants to be kept, brought into its folder."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator

__all__ = ["bring", "listed", "name_of"]


def name_of(path: str) -> str:
    """Return what a path is kept under: as it lies below the working folder, or its own name where it does not."""
    shown = os.path.relpath(path)
    return os.path.basename(os.path.abspath(path)) if shown.split(os.sep)[0] in (os.curdir, os.pardir) else shown


def listed(path: str, name: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield each file of a path, with the name that it is kept under.

    Parameters:
        path: a file or a folder.
        name: what the path itself is kept under.

    Raises:
        FileNotFoundError: there is none.
    """
    found = os.path.realpath(path)
    if not os.path.exists(found):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    name = name or name_of(path)
    if not os.path.isdir(found):
        yield found, name
        return
    for folder, _, files in os.walk(found):
        for file in sorted(files):
            each = os.path.join(folder, file)
            if os.path.isfile(each):
                yield os.path.realpath(each), os.path.join(name, os.path.relpath(each, found))


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
