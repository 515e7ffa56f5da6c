"""The file that a snapshot's configuration was read from: kept as it is where the code does not have it so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datmo.engine.workspace import Workspace
from datmo.projections.projection import Row

if TYPE_CHECKING:
    from datmo.capture.manifest import FileEntry

__all__ = ["config_entry", "config_file"]


def config_file(workspace: Workspace, code_id: str, path: str | None) -> list[Any] | None:
    """Keep the file, unless the code has it with the same bytes.

    Parameters:
        workspace: the project.
        code_id: the snapshot's code.
        path: the file's path in the project, None where the values were given.

    Returns:
        its object and its mode, or None.
    """
    if path is None:
        return None
    place = workspace.home / path
    try:
        data, mode = place.read_bytes(), place.stat().st_mode & 0o777
    except OSError:  # gone since it was read: its values are kept
        return None
    if workspace.code.read_file(code_id, path, workspace.store) == data:
        return None
    return [workspace.store.put_bytes(data), mode]


def config_entry(workspace: Workspace, row: Row) -> FileEntry | None:
    """Return the configuration's file as a checkout writes it; None where it is no file of its own.

    Where the file was not kept, and the one in the tree says the same, that one will do.
    """
    from datmo.capture.manifest import FileEntry

    path = row["config_path"]
    if path is None:
        return None
    if row["config_file"] is not None:
        object_id, mode = row["config_file"]
        return FileEntry(path, object_id, workspace.store.size(object_id), mode, "project")
    if workspace.code.read_file(row["code_id"], path, workspace.store) is not None or not path.endswith(".json"):
        return None
    data, mode = _same_values(workspace.home / path, row["config"]) or (_written(row["config"]), 0o644)
    return FileEntry(path, workspace.store.put_bytes(data), len(data), mode, "project")


def _written(values: dict[str, Any]) -> bytes:
    return json.dumps(values, indent=2).encode() + b"\n"


def _same_values(path: Path, values: dict[str, Any]) -> tuple[bytes, int] | None:
    """Return the bytes and the mode of a file that holds these values."""
    try:
        data = path.read_bytes()
        return (data, path.stat().st_mode & 0o777) if json.loads(data) == values else None
    except (OSError, ValueError, RecursionError):
        return None
