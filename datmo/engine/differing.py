"""Comparing two snapshots: values, files, code and environment."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from datmo.core.differences import (
    Difference,
    TextChange,
    file_changes,
    package_changes,
    text_change,
    value_changes,
)
from datmo.engine.workspace import Workspace
from datmo.projections.content import CODE, ENVIRONMENTS
from datmo.projections.projection import Row

__all__ = ["LARGEST_TEXT", "compare", "definition_changes"]

LARGEST_TEXT = 4 << 20
"""Bytes of the largest file of the code whose lines are compared."""

_OBJECT = 32
"""Bytes of the id of a file that is kept apart from git, as it is large."""


async def compare(workspace: Workspace, first: Row, second: Row) -> Difference:
    """Return what differs between the snapshots of two rows."""
    both = (first, second)

    def load(connection: sqlite3.Connection) -> tuple[list[Row | None], list[Row | None]]:
        code = [CODE.load(connection, row["code_id"]) for row in both]
        return code, [ENVIRONMENTS.load(connection, row["environment_id"]) for row in both]

    code, environments = await workspace.query(load)
    definitions = [each["files"] if each else {} for each in environments]
    packages = [each["packages"] if each else () for each in environments]
    other_environment = first["environment_id"] != second["environment_id"]
    files = await workspace.in_thread(lambda: [_files(workspace, row) for row in both])
    return Difference(
        first=first["id"],
        second=second["id"],
        config=value_changes(first["config"], second["config"]),
        stats=value_changes(first["stats"], second["stats"]),
        files=file_changes(*files),
        code=() if _same_code(*code) else await workspace.in_thread(lambda: _code(workspace, first, second)),
        environment=(first["environment_id"], second["environment_id"]) if other_environment else None,
        definitions=await workspace.in_thread(lambda: definition_changes(workspace, *definitions)),
        packages=package_changes(*packages),
    )


def _same_code(one: Row | None, other: Row | None) -> bool:
    """Say whether code is the same: that of tree and large files, never that of the commit."""
    return one is not None and other is not None and one["tree"] == other["tree"] and one["large"] == other["large"]


def _files(workspace: Workspace, row: Row) -> dict[str, tuple[str, int, int]]:
    from datmo.capture.manifest import Manifest

    manifest = Manifest.from_bytes(workspace.store.read(row["file_collection_id"]))
    return {entry.path: (entry.object, entry.mode, entry.size) for entry in manifest.entries}


def _code(workspace: Workspace, first: Row, second: Row) -> tuple[TextChange, ...]:
    sides = [_listed(workspace, row["code_id"]) for row in (first, second)]
    before, after = sides
    changes = []
    for path in sorted({*before, *after}):
        one, other = before.get(path), after.get(path)
        if one == other:
            continue
        kind = "added" if one is None else "removed" if other is None else "mode" if one[1] == other[1] else "changed"
        read = [_read(workspace, row["code_id"], path, found) for row, found in ((first, one), (second, other))]
        changes.append(text_change(path, kind, *read))
    return tuple(changes)


def _listed(workspace: Workspace, code_id: str) -> dict[str, tuple[int, bytes]]:
    return {path: (mode, content) for path, mode, content in workspace.code.files(code_id)}


def _read(workspace: Workspace, code_id: str, path: str, found: tuple[int, bytes] | None) -> bytes | None:
    """Return the bytes of a file of the code; None where it is not there, or too large to be compared by lines."""
    if found is None or len(found[1]) == _OBJECT:
        return None
    data = workspace.code.read_file(code_id, path, workspace.store)
    return None if data is None or len(data) > LARGEST_TEXT else data


def definition_changes(
    workspace: Workspace,
    before: Mapping[str, str],
    after: Mapping[str, str],
    unstored: Mapping[str, bytes] | None = None,
) -> tuple[TextChange, ...]:
    """Return the files that differ between the definitions of two environments, given as name to object id.

    Parameters:
        workspace: the project.
        before, after: the definitions.
        unstored: objects that the store need not have.
    """
    beside = unstored or {}
    changes = []
    for path in sorted({*before, *after}):
        one, other = before.get(path), after.get(path)
        if one != other:
            kind = "added" if one is None else "removed" if other is None else "changed"
            read = [None if each is None else beside.get(each) or workspace.store.read(each) for each in (one, other)]
            changes.append(text_change(path, kind, *read))
    return tuple(changes)
