"""What has changed in the folder since a snapshot: code, files, configuration, environment. Nothing is stored for it.

Code is compared by its tree and its large files, never by the id of a commit. Files from outside the project, a task's
files and a configuration that was given are not in the folder, and so not compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datmo.core.differences import (
    Difference,
    FileChange,
    PathChange,
    TextChange,
    TreeChanges,
    ValueChange,
    file_changes,
    kind_of_change,
    package_changes,
    text_change,
    value_changes,
)
from datmo.engine.differing import LARGEST_TEXT, definition_changes
from datmo.engine.workspace import Workspace
from datmo.errors import DatmoError, EnvironmentInvalid, InvalidArgument
from datmo.projections.content import ENVIRONMENTS
from datmo.projections.projection import Row

if TYPE_CHECKING:
    from datmo.capture.code_capture import CodeLook
    from datmo.capture.environment import EnvironmentCapture
    from datmo.capture.manifest import FileEntry

__all__ = ["changes_since", "compare_with_tree"]

_OBJECT = 32
_SUBMODULE = 0o160000


async def changes_since(workspace: Workspace, row: Row) -> TreeChanges:
    """Return what has changed since the snapshot of a row; what cannot be compared is said in its notices."""
    look = _Look(workspace, row, await _environment_row(workspace, row))
    return await workspace.in_thread(look.changes)


async def compare_with_tree(workspace: Workspace, row: Row) -> Difference:
    """Return what differs between the snapshot of a row and the folder as it is."""
    look = _Look(workspace, row, await _environment_row(workspace, row))
    return await workspace.in_thread(look.difference)


async def _environment_row(workspace: Workspace, row: Row) -> Row | None:
    return await workspace.query(lambda connection: ENVIRONMENTS.load(connection, row["environment_id"]))


class _Unstored:
    """Tells the ids that objects have, and keeps their bytes for a while."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_many(self, blobs: Iterable[bytes]) -> list[str]:
        from datmo.objects.hashing import object_id

        found = [(object_id(data), data) for data in blobs]
        self.objects.update(found)
        return [each for each, _ in found]


class _Look:
    """One look at the folder, blocking."""

    def __init__(self, workspace: Workspace, row: Row, environment: Row | None) -> None:
        self._workspace = workspace
        self._row = row
        self._environment = environment
        self._unstored = _Unstored()

    def changes(self) -> TreeChanges:
        """Say what has changed; each part that cannot be looked at is named."""
        notices: list[str] = []
        code: tuple[PathChange, ...] = ()
        files: tuple[FileChange, ...] = ()
        environment = None
        try:
            look = self._code()
            code = tuple(PathChange(path, kind) for path, kind in _kinds(look))
            notices += look.notices
        except DatmoError as error:
            notices.append(f"the code cannot be compared: {error}")
        try:
            files = self._files()
        except DatmoError as error:
            notices.append(f"the files cannot be compared: {error}")
        try:
            found = self._in_force()
            if found is not None and found.environment_id != self._row["environment_id"]:
                environment = (self._row["environment_id"], found.environment_id)
        except EnvironmentInvalid as error:
            notices.append(f"the environment cannot be compared: {error}")
        return TreeChanges(code, files, self._config(), environment, tuple(notices))

    def difference(self) -> Difference:
        """Say what differs, with the contents."""
        code = self._code()
        found = self._in_force()
        before = self._environment or {"files": {}, "packages": ()}
        differs = found is not None and found.environment_id != self._row["environment_id"]
        after = found if found is not None and differs else None
        unstored = self._unstored.objects
        return Difference(
            first=self._row["id"],
            second=None,
            config=self._config(),
            stats=(),
            files=self._files(),
            code=tuple(self._text(path, kind, code) for path, kind in _kinds(code)),
            environment=(self._row["environment_id"], after.environment_id) if after else None,
            definitions=definition_changes(self._workspace, before["files"], after.files, unstored) if after else (),
            packages=package_changes(before["packages"], after.packages) if after else (),
        )

    def _code(self) -> CodeLook:
        return self._workspace.code.compare(self._row["code_id"], self._workspace.store)

    def _text(self, path: str, kind: str, look: CodeLook) -> TextChange:
        old, new = look.changes[path]
        workspace = self._workspace
        before = after = None
        if old is not None and len(old.oid) != _OBJECT:
            before = workspace.code.read_file(self._row["code_id"], path, workspace.store)
        if new is not None and len(new.oid) != _OBJECT and new.mode != _SUBMODULE:
            after = _read(workspace.home / path)
        sides = [None if data is None or len(data) > LARGEST_TEXT else data for data in (before, after)]
        return text_change(path, kind, *sides)

    def _files(self) -> tuple[FileChange, ...]:
        from datmo.capture.code_difference import contested_in
        from datmo.capture.manifest import Manifest
        from datmo.capture.tree import identify_places

        workspace, row = self._workspace, self._row
        manifest = Manifest.from_bytes(workspace.store.read(row["file_collection_id"]))
        wanted = {entry.path: entry for entry in manifest.entries if entry.origin == "project"}
        places = identify_places(workspace.store, workspace.home, wanted)
        differing = {path: entry for path, entry in wanted.items() if _told(places.get(path)) != _told(entry)}
        if differing:  # what the code took the place of is not there, and has not changed
            _, free = contested_in(workspace.code, workspace.store, row["code_id"], differing)
            differing = {entry.path: entry for entry in free}
        return file_changes(
            {path: _told(entry) for path, entry in differing.items()},
            {path: _told(places[path]) for path in differing if path in places},
        )

    def _config(self) -> tuple[ValueChange, ...]:
        from datmo.engine.value_files import read_values
        from datmo.engine.values import Wanted, find_values

        path, before = self._row["config_path"], self._row["config"]
        if path is None and before:
            return ()
        after: dict[str, Any] = {}
        try:
            if path is None:
                after = find_values(Wanted("config"), self._workspace.home, []).values
            elif (self._workspace.home / path).is_file():
                after = read_values("config", self._workspace.home / path)
        except InvalidArgument:  # it says nothing that can be read
            after = {}
        return value_changes(before, after)

    def _in_force(self) -> EnvironmentCapture | None:
        """Return the environment that the folder defines; None where the snapshot's was defined elsewhere."""
        from datmo.capture.environment import capture_environment, definitions

        workspace, row = self._workspace, self._environment
        if row is None:
            return None
        name, usual = row["definition"], workspace.settings["environment"]
        given = Path(usual) if usual and (workspace.home / usual).exists() else None
        if row["kind"] != "interpreter" and name not in definitions(workspace.home):
            if (workspace.home / name).is_file():
                given = Path(name)
            elif workspace.code.read_file(self._row["code_id"], name, workspace.store) is None:
                return None
        return capture_environment(self._unstored, workspace.home, given)


def _kinds(look: CodeLook) -> list[tuple[str, str]]:
    return [
        (path, kind_of_change(old, new, same_content=old is not None and new is not None and old.oid == new.oid))
        for path, (old, new) in sorted(look.changes.items())
    ]


def _told(entry: FileEntry | None) -> tuple[str, int, int]:
    return ("", 0, 0) if entry is None else (entry.object, entry.mode, entry.size)


def _read(path: Path) -> bytes | None:
    """Return a file's bytes, or a link's text."""
    import os

    try:
        return os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes()
    except OSError:
        return None
