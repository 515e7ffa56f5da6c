"""What a task gets on its `PYTHONPATH`: a package `datmo` made of `datmo.inside` alone, for Pythons without Datmo.

It is copied into the project, because that is what an engine is known to see. It comes last on the path, and steps
aside where the task's Python has a Datmo of its own.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import get_ident

import datmo.inside

__all__ = ["LIBRARY", "add_to_path", "make_library"]

LIBRARY = "inside"
"""The folder in `.datmo/` that is put on the path."""


def add_to_path(before: str, library: str) -> str:
    """Return a `PYTHONPATH` with the library behind what there was."""
    return f"{before}{os.pathsep}{library}" if before else library


def make_library(folder: Path) -> None:
    """Write the package into a folder, where it is not there as it should be."""
    for place in (folder, folder / "datmo", folder / "datmo" / "inside"):
        place.mkdir(parents=True, exist_ok=True)
        if place.stat().st_mode & 0o055 != 0o055:
            place.chmod(0o755)  # as the files
    for path, content in _package().items():
        target = folder / path
        with suppress(FileNotFoundError):
            if target.read_bytes() == content:
                continue
        beside = target.with_name(f".{target.name}.{os.getpid()}.{get_ident()}")  # tasks start side by side
        beside.write_bytes(content)
        beside.chmod(0o644)  # whichever user a container has
        beside.replace(target)


@cache
def _package() -> dict[str, bytes]:
    """Return its files. What stands in for `datmo` and `datmo.task` lies among the modules of `datmo.inside`."""
    source = Path(datmo.inside.__file__).parent
    files = {f"datmo/inside/{each.name}": each.read_bytes() for each in sorted(source.glob("*.py"))}
    files["datmo/__init__.py"] = files.pop("datmo/inside/stand_in.py")
    files["datmo/task.py"] = files.pop("datmo/inside/stand_in_task.py")
    return files
