"""The names that captured files get in their collection.

A file of the project keeps its path in the project. One from elsewhere is known by its base name, a folder's
files by the folder's name and their path in it; where that would be the name of something else, as many
parent folders are put before it as it takes, on both sides, so that the order of the paths plays no part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from datmo.errors import FilesError

__all__ = ["name_outside"]

_TOP = "outside"


def name_outside(places: Iterable[str], project: Iterable[str]) -> dict[str, str]:
    """Choose the names of files and folders from outside the project.

    Parameters:
        places: their absolute paths; none lies in another.
        project: the names that the project's own files have.

    Returns:
        the name of each place.

    Raises:
        FilesError: two cannot be told apart by their folders.
    """
    parts = {place: (_TOP, *place.strip("/").split("/")) for place in places}
    depths = dict.fromkeys(parts, 1)
    files = set(project)
    folders = {folder for path in files for folder in _folders(path)}
    while True:
        names = {place: "/".join(parts[place][-depths[place] :]) for place in parts}
        clashing = list(_clashing(names, files, folders))
        deeper = [place for place in clashing if depths[place] < len(parts[place])]
        if not clashing:
            return names
        if not deeper:
            raise FilesError(
                f"{clashing[0]!r} cannot be kept apart from another file by its folders",
                hint="capture them in two collections, or rename one",
            )
        for place in deeper:
            depths[place] += 1


def _clashing(names: dict[str, str], files: set[str], folders: set[str]) -> Iterator[str]:
    """Places whose name is another's too, or a folder of another's name, or the other way round.

    Parameters:
        files: names that are taken already.
        folders: the folders in those.
    """
    times = Counter(names.values())
    folders = folders | {folder for name in names.values() for folder in _folders(name)}
    for place, name in names.items():
        lies_in_a_file = any(folder in times or folder in files for folder in _folders(name))
        if times[name] > 1 or name in files or name in folders or lies_in_a_file:
            yield place


def _folders(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
