"""Data of the project's own that a task finds where its code looks for it: at the same path in its checkout.

`data/` is ignored by git as a rule, so that the checkout has no such folder, and yet `train.py` reads it.
"""

from __future__ import annotations

import os
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
        if os.path.lexists(place) or not _lead_there(code, path):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if links:
            place.symlink_to(source.absolute())
        elif source.is_dir():
            place.mkdir()
        else:
            place.touch()


def mount_points(code: Path, data: Mapping[str, Path]) -> dict[str, Path]:
    """Return which data is to be mounted in a checkout, by its path there: what `lay_in` made room for."""
    return {path: source for path, source in sorted(data.items()) if _is_empty(code / path) and _lead_there(code, path)}


def _lead_there(code: Path, path: str) -> bool:
    """Say whether folders lead to a path, as far as there is anything: a link might lead out of the checkout."""
    above = [code / parent for parent in Path(path).parents]
    return all(place.is_dir() and not place.is_symlink() for place in above if os.path.lexists(place))


def _is_empty(place: Path) -> bool:
    if place.is_symlink() or not place.exists():
        return False
    return not any(place.iterdir()) if place.is_dir() else place.stat().st_size == 0
