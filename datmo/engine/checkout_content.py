"""What a snapshot holds beside its code: what has a place in the tree, and what has not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from datmo.core.ids import new_id
from datmo.engine.checkout import FOLDER
from datmo.engine.config_file import config_entry
from datmo.engine.workspace import Workspace
from datmo.projections.projection import Row
from datmo.runner.folders import remove_tree

if TYPE_CHECKING:
    from datmo.capture.manifest import FileEntry

__all__ = ["Content", "content_of", "put_beside", "write_beside"]


class Content(NamedTuple):
    """What a snapshot holds beside its code.

    Attributes:
        tree: files that have a place in the tree, by their paths; the configuration's is among them.
        beside: files that have none: they came from elsewhere, or from a task.
        config: the configuration, where it was given and no file holds it; else empty.
        environment: the files of the environment's definition, where that came from elsewhere; else empty.
    """

    tree: dict[str, FileEntry]
    beside: tuple[FileEntry, ...]
    config: dict[str, object]
    environment: tuple[FileEntry, ...]


def content_of(workspace: Workspace, row: Row, environment: Row | None = None) -> Content:
    """Return what the snapshot of a row holds beside its code.

    Parameters:
        workspace: the project.
        row: the snapshot.
        environment: its environment, where that is of interest.
    """
    from datmo.capture.manifest import Manifest

    manifest = Manifest.from_bytes(workspace.store.read(row["file_collection_id"]))
    tree = {entry.path: entry for entry in manifest.entries if entry.origin == "project"}
    beside = tuple(entry for entry in manifest.entries if entry.origin != "project")
    entry = config_entry(workspace, row)
    if entry is not None:
        tree.setdefault(entry.path, entry)
    in_a_file = entry is not None or _in_code(workspace, row)
    config = {} if in_a_file else row["config"]
    return Content(tree, beside, config, () if environment is None else _definition(workspace, row, environment))


def _definition(workspace: Workspace, row: Row, environment: Row) -> tuple[FileEntry, ...]:
    """Return the files of a definition that the code does not have so; the packages of an interpreter are none."""
    from datmo.capture.manifest import FileEntry
    from datmo.objects.hashing import object_id

    def in_code(name: str, wanted: str) -> bool:
        data = workspace.code.read_file(row["code_id"], name, workspace.store)
        return data is not None and object_id(data) == wanted

    files: dict[str, str] = environment["files"]
    if environment["kind"] == "interpreter" or all(in_code(*each) for each in files.items()):
        return ()
    return tuple(
        FileEntry(name, each, workspace.store.size(each), 0o644, "outside") for name, each in sorted(files.items())
    )


def _in_code(workspace: Workspace, row: Row) -> bool:
    path = row["config_path"]
    return path is not None and workspace.code.read_file(row["code_id"], path, workspace.store) is not None


def put_beside(workspace: Workspace, row: Row, content: Content, contested: Iterable[FileEntry]) -> Path | None:
    """Put what has no place in the tree into `.datmo/checkout/<id>/`; returns that folder, or None where it is empty.

    Parameters:
        workspace: the project.
        row: the snapshot.
        content: what it holds.
        contested: files whose place in the tree the code has taken.
    """
    folder: Path = workspace.folder / FOLDER / row["id"]
    for left in folder.parent.glob(f"{row['id']}.*"):  # by one that was killed
        remove_tree(left)
    beside = folder.with_name(f"{row['id']}.{new_id()}")
    try:
        if not write_beside(workspace, content, contested, beside):
            return None
        if folder.exists():
            remove_tree(folder)
        beside.rename(folder)
    finally:
        if beside.exists():
            remove_tree(beside)
    return folder


def write_beside(workspace: Workspace, content: Content, contested: Iterable[FileEntry], folder: Path) -> bool:
    """Write what has no place in the tree into a folder, and name what the code has taken the place of."""
    from datmo.capture.files import restore_files
    from datmo.capture.manifest import Manifest

    lost = tuple(contested)
    for entry in lost:
        workspace.notice(f"{entry.path}: both the code and the files have it; the code's is in the tree")
    taken = {entry.path for entry in content.beside}
    files = [*content.beside, *(entry for entry in lost if entry.path not in taken)]
    if not files and not content.config and not content.environment:
        return False
    folder.mkdir(parents=True)
    for name, entries in (("files", files), ("environment", content.environment)):
        if entries:
            restore_files(workspace.store, Manifest(entries), folder / name)
    if content.config:
        (folder / "config.json").write_text(json.dumps(content.config, indent=2) + "\n", encoding="utf-8")
    return True
