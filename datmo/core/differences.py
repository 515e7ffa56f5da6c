"""What differs between two snapshots, as plain values."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

__all__ = [
    "Difference",
    "FileChange",
    "PathChange",
    "TextChange",
    "TreeChanges",
    "ValueChange",
    "file_changes",
    "kind_of_change",
    "package_changes",
    "text_change",
    "value_changes",
]

_BINARY_LOOK = 8000
"""Bytes at the start of a file in which a zero says that it is no text, as git has it."""


class ValueChange(NamedTuple):
    """A key of the configuration, a metric, or a package, that differs.

    Attributes:
        key: its name.
        kind: `added`, `removed` or `changed`.
        before, after: its values; None where it is not there.
    """

    key: str
    kind: str
    before: Any
    after: Any

    @property
    def delta(self) -> float | None:
        """By how much it grew, where both are numbers."""
        if any(isinstance(each, bool) or not isinstance(each, int | float) for each in (self.before, self.after)):
            return None
        grown: float = self.after - self.before
        return grown


class FileChange(NamedTuple):
    """A file of the collections that differs.

    Attributes:
        path: its path.
        kind: `added`, `removed`, `changed`, or `mode` where only its permissions differ.
        size_before, size_after: in bytes; None where it is not there.
    """

    path: str
    kind: str
    size_before: int | None
    size_after: int | None


class TextChange(NamedTuple):
    """A file of the code, or of the environment's definition, that differs.

    Attributes:
        path: its path.
        kind: `added`, `removed`, `changed`, or `mode` where only its mode differs.
        added, removed: how many lines; None where it is no text, or kept apart as it is large.
        patch: the lines themselves in unified form; empty where it is no text.
    """

    path: str
    kind: str
    added: int | None
    removed: int | None
    patch: str


class Difference(NamedTuple):
    """What differs between two snapshots; of what is alike nothing is said.

    Attributes:
        first, second: their ids; the second is None where it is the folder as it is.
        config, stats: keys that differ.
        files: files of the collections that differ.
        code: files of the code that differ.
        environment: the ids of both environments, where they differ.
        definitions: files of the environment's definition that differ.
        packages: packages that differ, as far as they are known.
    """

    first: str
    second: str | None
    config: tuple[ValueChange, ...]
    stats: tuple[ValueChange, ...]
    files: tuple[FileChange, ...]
    code: tuple[TextChange, ...]
    environment: tuple[str, str] | None
    definitions: tuple[TextChange, ...]
    packages: tuple[ValueChange, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs but the words."""
        return not any(self[2:])

    def _repr_html_(self) -> str:
        from datmo.core.html import difference_html

        return difference_html(self)


class PathChange(NamedTuple):
    """A file of the code that differs.

    Attributes:
        path: its path.
        kind: `added`, `removed`, `changed`, or `mode` where only its mode differs.
    """

    path: str
    kind: str


class TreeChanges(NamedTuple):
    """What has changed in the folder since a snapshot; of what has not nothing is said.

    Attributes:
        code: files of the code.
        files: files of its collection that came from the project.
        config: keys of the configuration, where it was read from a file.
        environment: the ids of the snapshot's environment and of the one in force, where they differ.
        notices: what could not be compared, a line each.
    """

    code: tuple[PathChange, ...]
    files: tuple[FileChange, ...]
    config: tuple[ValueChange, ...]
    environment: tuple[str, str] | None
    notices: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether nothing has changed."""
        return not any(self[:4])


def kind_of_change(before: Any, after: Any, *, same_content: bool) -> str:
    """Return what happened to something: `added`, `removed`, `changed` or `mode`.

    Parameters:
        before, after: what it was and is; None where it is not there.
        same_content: whether only something else than its content differs.
    """
    if before is None or after is None:
        return "added" if before is None else "removed"
    return "mode" if same_content else "changed"


def value_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[ValueChange, ...]:
    """Return the keys whose values differ, sorted; 1 differs from True, and NaN does not from itself."""
    changes = []
    for key in sorted({*before, *after}):
        if key not in before:
            changes.append(ValueChange(key, "added", None, after[key]))
        elif key not in after:
            changes.append(ValueChange(key, "removed", before[key], None))
        elif repr(before[key]) != repr(after[key]):
            changes.append(ValueChange(key, "changed", before[key], after[key]))
    return tuple(changes)


def package_changes(before: Iterable[str], after: Iterable[str]) -> tuple[ValueChange, ...]:
    """Return the packages that differ between two lists of `name==version`; none where nothing is known of one."""
    first, second = _versions(before), _versions(after)
    return value_changes(first, second) if first and second else ()


def _versions(packages: Iterable[str]) -> dict[str, str]:
    return {name.lower(): version for name, _, version in (each.partition("==") for each in packages)}


def file_changes(
    before: Mapping[str, tuple[str, int, int]], after: Mapping[str, tuple[str, int, int]]
) -> tuple[FileChange, ...]:
    """Return the files that differ between two collections.

    Parameters:
        before, after: path to object id, mode and size.
    """
    changes = []
    for path in sorted({*before, *after}):
        one, other = before.get(path), after.get(path)
        if one != other:
            changes.append(FileChange(path, _kind(one, other), one and one[2], other and other[2]))
    return tuple(changes)


def _kind(one: tuple[str, int, int] | None, other: tuple[str, int, int] | None) -> str:
    return kind_of_change(one, other, same_content=one is not None and other is not None and one[0] == other[0])


def text_change(path: str, kind: str, before: bytes | None, after: bytes | None) -> TextChange:
    """Return how a file changed.

    Parameters:
        path: its path.
        kind: as `TextChange` has it.
        before, after: its bytes; None where it is not there, or not looked at.
    """
    if kind == "mode":
        return TextChange(path, kind, 0, 0, "")
    unseen = (before is None and kind != "added") or (after is None and kind != "removed")
    if unseen or any(b"\0" in (data or b"")[:_BINARY_LOOK] for data in (before, after)):
        return TextChange(path, kind, None, None, "")
    names = ("/dev/null" if kind == "added" else f"a/{path}", "/dev/null" if kind == "removed" else f"b/{path}")
    lines = list(difflib.unified_diff(_lines(before), _lines(after), *names))
    body = lines[2:]
    return TextChange(
        path,
        kind,
        sum(line.startswith("+") for line in body),
        sum(line.startswith("-") for line in body),
        "".join(_ended(line) for line in lines),
    )


def _lines(data: bytes | None) -> list[str]:
    # By line feeds alone: what else Python takes for the end of a line is text to others.
    return [line + "\n" for line in _text(data)[:-1]] + [line for line in _text(data)[-1:] if line]


def _text(data: bytes | None) -> list[str]:
    return (data or b"").decode("utf-8", "replace").split("\n")


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
