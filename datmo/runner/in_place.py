"""Data of the project's own that a task finds where its code looks for it: at the same path in its checkout.

`data/` is ignored by git as a rule, so that the checkout has no such folder, and yet `train.py` reads it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

__all__ = ["lay_in", "mount_points"]


def lay_in(code: Path, data: Mapping[str, Path], *, links: bool) -> None:
    """Put data into a checkout, where the code itself has nothing in its place. Blocks.

    Parameters:
        code: the checkout.
        data: where the data lies, by its path in the code.
        links: put links to it; else what something can be mounted on.
    """
    for path, source in sorted(data.items()):
        place = code / path
        if not _lead_there(code, path):
            continue
        if os.path.lexists(place):
            if not links or not place.is_dir() or not _has_nothing(place, source):
                continue
            shutil.rmtree(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        if links:
            place.symlink_to(source.absolute())
        elif source.is_dir():
            place.mkdir()
        else:
            place.touch()


def mount_points(code: Path, data: Mapping[str, Path]) -> dict[str, Path]:
    """Return which data is to be mounted in a checkout, by its path there: what `lay_in` made room for."""
    return {
        path: source
        for path, source in sorted(data.items())
        if _has_nothing(code / path, source) and _lead_there(code, path)
    }


def _lead_there(code: Path, path: str) -> bool:
    """Say whether folders lead to a path, as far as there is anything: a link might lead out of the checkout."""
    above = [code / parent for parent in Path(path).parents]
    return all(place.is_dir() and not place.is_symlink() for place in above if os.path.lexists(place))


def _has_nothing(place: Path, source: Path) -> bool:
    """Say whether in the place of some data there is something like it, with nothing in it."""
    return os.path.lexists(place) and place.is_dir() == source.is_dir() and _is_empty(place)


def _is_empty(place: Path) -> bool:
    """Say whether there is nothing in a file or folder. `.gitkeep`, which keeps a folder in git, is itself empty."""
    if place.is_symlink():
        return False
    return all(map(_is_empty, place.iterdir())) if place.is_dir() else place.stat().st_size == 0
