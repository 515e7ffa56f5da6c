"""Configuration and metrics: given as dicts, or found in JSON files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from datmo.errors import InvalidArgument, InvalidArgumentType

__all__ = ["Found", "Wanted", "find_values"]


class Wanted(NamedTuple):
    """Where the config or the stats of a snapshot come from; at most one of the three may be given.

    Parameters:
        kind: `config` or `stats`.
        given: the values themselves; nothing is looked for then.
        filename: a name to look for in the root and among the snapshot's files, instead of `<kind>.json`.
        filepath: a file that must exist.
    """

    kind: str
    given: Mapping[str, Any] | None = None
    filename: str | None = None
    filepath: str | os.PathLike[str] | None = None

    @property
    def somewhere(self) -> bool:
        """Whether it was said where they come from."""
        return any(value is not None for value in (self.given, self.filename, self.filepath))


class Found(NamedTuple):
    """Values, and the file in the project that they were read from (None where they were given)."""

    values: dict[str, Any]
    path: str | None


def find_values(wanted: Wanted, home: Path, filepaths: list[Path]) -> Found:
    """Return the config or the stats of a snapshot; `{}` where nothing is found.

    Parameters:
        wanted: which, and where from.
        home: the project's root.
        filepaths: files and folders of the snapshot, looked through after the root.

    Raises:
        InvalidArgument: two sources were given, or the file cannot be read as a JSON object.
        InvalidArgumentType: the given values are not a dict.
    """
    kind, given, filename, filepath = wanted
    if sum(value is not None for value in (given, filename, filepath)) > 1:
        raise InvalidArgument(f"{kind}, {kind}_filename and {kind}_filepath exclude one another: give one of them")
    if given is not None:
        if not isinstance(given, Mapping):
            raise InvalidArgumentType(f"{kind} is a dict of names and values, not a {type(given).__name__}")
        return Found(dict(given), None)
    if filepath is not None:
        path = Path(filepath)
        if not path.is_file():
            raise InvalidArgument(f"there is no file {str(path)!r} to read the {kind} from")
        return _read(kind, path, home)
    name = filename or f"{kind}.json"
    for folder in (home, *(path if path.is_dir() else path.parent for path in filepaths)):
        candidate = folder / name
        if candidate.is_file() and (folder == home or _among(candidate, filepaths)):
            return _read(kind, candidate, home)
    return Found({}, None)


def _among(candidate: Path, filepaths: list[Path]) -> bool:
    return any(candidate == path or path in candidate.parents for path in filepaths)


def _read(kind: str, path: Path, home: Path) -> Found:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"the {kind} cannot be read from {path}: {error}") from error
    if not isinstance(values, dict):
        raise InvalidArgument(
            f"the {kind} in {path} is no JSON object",
            hint=f'write {{"name": value, ...}} there, or give the {kind} itself',
        )
    resolved = path.resolve()
    inside = resolved.is_relative_to(home.resolve())
    return Found(values, resolved.relative_to(home.resolve()).as_posix() if inside else None)
