"""Data that tasks read where it lies: found, and recorded well enough to see later whether it is still the same."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datmo.errors import InvalidArgument

__all__ = ["look_at", "paths", "paths_in_code"]


def look_at(data: Mapping[str, str], home: Path) -> dict[str, dict[str, Any]]:
    """Return for each name where the data lies, how many files and bytes it is, and when it last changed.

    Paths are taken from the working folder, and recorded relative to the project's root where they lie in it.

    Raises:
        InvalidArgument: there is nothing at a path, or something that is neither file nor folder.
    """
    return {name: {"path": _relative(path, home), **_extent(path)} for name, path in data.items()}


def paths(recorded: Mapping[str, Mapping[str, Any]], home: Path) -> dict[str, Path]:
    """Return where data lies that `look_at` recorded."""
    return {name: home / each["path"] for name, each in recorded.items()}


def paths_in_code(recorded: Mapping[str, Mapping[str, Any]], home: Path) -> dict[str, Path]:
    """Return where data lies that is in the project, by its path there; what lies in other data comes with that."""
    within = {each["path"] for each in recorded.values() if not os.path.isabs(each["path"])}
    return {
        path: home / path
        for path in within
        if path.split("/")[0] not in (".", ".datmo", ".git") and within.isdisjoint(map(str, Path(path).parents))
    }


def _relative(path: str, home: Path) -> str:
    absolute = Path(os.path.abspath(path))
    return str(absolute.relative_to(home) if absolute.is_relative_to(home) else absolute)


def _extent(path: str) -> dict[str, int]:
    if not os.path.isdir(path) and not os.path.isfile(path):
        raise InvalidArgument(f"there is no file or folder {path!r} for data", hint="paths are from the working folder")
    count = size = newest = 0
    pending = [path]
    while pending:
        each = pending.pop()
        try:
            status = os.stat(each)
            if os.path.isdir(each) and (each == path or not os.path.islink(each)):
                pending += [entry.path for entry in os.scandir(each)]
            else:
                count, size = count + 1, size + status.st_size
        except OSError:  # gone meanwhile, or a link to nothing: the task will see as much
            continue
        newest = max(newest, status.st_mtime_ns)
    return {"files": count, "size": size, "modified_us": newest // 1000}
