"""Configuration and metrics: given as dicts, or found in files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from datmo.engine.value_files import ENDINGS, YamlMissing, read_values
from datmo.engine.workspace import checked_text
from datmo.errors import InvalidArgument, InvalidArgumentType

__all__ = ["Found", "Wanted", "find_values"]


class Wanted(NamedTuple):
    """Where the config or the stats of a snapshot come from; at most one of the three may be given.

    Parameters:
        kind: `config` or `stats`.
        given: the values themselves; nothing is looked for then.
        filename: a name to look for in the root and among the snapshot's files, instead of `<kind>.json`, `.yaml`,
            `.yml` and `.toml`.
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
    """Values, the file in the project that they were read from (None where they were given), and what is to be said."""

    values: dict[str, Any]
    path: str | None
    notices: tuple[str, ...] = ()


def find_values(wanted: Wanted, home: Path, filepaths: list[Path]) -> Found:
    """Return the config or the stats of a snapshot; `{}` where nothing is found.

    The root goes before the snapshot's files; in one folder JSON goes before YAML, and that before TOML. What is there
    as well and was not read is said.

    Parameters:
        wanted: which, and where from.
        home: the project's root.
        filepaths: files and folders of the snapshot, looked through after the root.

    Raises:
        InvalidArgument: two sources were given, or the file cannot be read as a mapping of names to values.
        InvalidArgumentType: the given values are not a dict.
        YamlMissing: a YAML file was named, and there is nothing to read it with.
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
    names = [filename] if filename is not None else [kind + ending for ending in ENDINGS]
    for folder in (home, *(path if path.is_dir() else path.parent for path in filepaths)):
        there = list(_there(folder, names, home, filepaths))
        if not there:
            continue
        first, *others = there
        try:
            found = _read(kind, first, home)
        except YamlMissing as error:
            if filename is not None:
                raise
            # Nobody asked for it: it may well be something else's.
            return Found({}, None, (f"{first.name} was not read as the {kind}: {error.message} ({error.hint})",))
        said = [f"{first.name} is the {kind}; {each.name} is there as well, and was not read" for each in others]
        return found._replace(notices=tuple(said))
    return Found({}, None)


def _there(folder: Path, names: list[str], home: Path, filepaths: list[Path]) -> Iterator[Path]:
    for name in names:
        candidate = folder / name
        if candidate.is_file() and (folder == home or _among(candidate, filepaths)):
            yield candidate


def _among(candidate: Path, filepaths: list[Path]) -> bool:
    return any(candidate == path or path in candidate.parents for path in filepaths)


def _read(kind: str, path: Path, home: Path) -> Found:
    values = read_values(kind, path)
    resolved = path.resolve()
    if not resolved.is_relative_to(home.resolve()):
        return Found(values, None)
    return Found(values, checked_text(f"the path of the {kind}", resolved.relative_to(home.resolve()).as_posix()))
