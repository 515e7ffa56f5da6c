"""Bringing a project's tree to the state of a snapshot: what has to be done.

The plan is made from what the tree holds, was captured, and is safe. What a capture leaves out (ignored files) is not
gone into, and stays.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from datmo.capture.code import CodeRepository
from datmo.capture.code_changes import Changes, Side, code_changes
from datmo.capture.code_checkout import Code, CodeWriter, check_name
from datmo.capture.code_difference import BLOCKED, claimed, ignored_by
from datmo.capture.code_tree import EXECUTABLE, LINK, SUBMODULE, Leaf, walk
from datmo.capture.manifest import FileEntry
from datmo.capture.tree import Tree
from datmo.errors import Refused
from datmo.objects.hashing import object_id
from datmo.objects.source import FileState
from datmo.objects.store import ObjectStore

__all__ = ["Plan", "Wanted", "Write", "make_plan"]

_OBJECT = 32
_NAMED = 5
_LARGEST_READ = 64 << 20


class Write(NamedTuple):
    """A file or a link that is to be written."""

    path: str
    source: Leaf | FileEntry
    """A file of the code (of git, or large), or one of a file collection."""
    mode: int | None
    """Permission bits; None for those that new files have here."""


class Wanted(NamedTuple):
    """The files of a collection that shall be in a tree."""

    files: Mapping[str, FileEntry]
    """By their paths."""
    places: Mapping[str, FileEntry]
    """What lies at their paths, and at those of `leaving`, now."""
    leaving: Iterable[str]
    """Files that go unless they are part of the target."""
    made: Iterable[str]
    """Files of the code that the last checkout made where nothing was: they go even where the target ignores them."""


class Plan(NamedTuple):
    """What has to be done in the tree."""

    writes: tuple[Write, ...]
    modes: tuple[tuple[str, int], ...]
    """Files of which only the permissions differ."""
    removals: tuple[str, ...]
    contested: tuple[FileEntry, ...]
    """Files of the collection whose place the code takes."""
    in_the_way: tuple[str, ...]
    """Files and links in the tree that no capture has, and that would be replaced."""
    made: tuple[str, ...]
    """Files that are written where nothing is, and that the code of today would ignore."""
    unusual: tuple[str, ...]
    """Files in the tree that would be replaced or removed, and whose permissions code does not keep."""
    lossy: tuple[str, ...]
    """Of those that would be replaced or removed, what git's filters (nbstripout) do not give back as it is."""
    notices: tuple[str, ...]
    states: Mapping[str, FileState | None]
    """What lies at each path that is touched, as of the plan."""

    @property
    def does_nothing(self) -> bool:
        """Whether the tree is so already."""
        return not (self.writes or self.modes or self.removals)


class _Planner:
    def __init__(
        self,
        store: ObjectStore,
        sides: tuple[Code, Code],
        wanted: Wanted,
        scratch: Path,
    ) -> None:
        self._now, self._target = sides
        self._files, self._places, self._leaving, self._made = wanted
        self._store = store
        self._scratch = scratch
        for name in ("now", "target"):
            (scratch / name).mkdir()
        self._writer = CodeWriter(self._target, store, scratch / "target")
        self._before = CodeWriter(self._now, store, scratch / "now")
        self._changes: Changes = code_changes(Side.of(self._now), Side.of(self._target))
        self._notices: list[str] = []

    def plan(self, root: Path) -> Plan:
        """Make the plan; see `make_plan`."""
        writes = {
            path: Write(path, new, None)
            for path, (_, new) in self._changes.items()
            if new is not None and new.mode != SUBMODULE
        }
        removals = {
            path
            for path, (old, new) in self._changes.items()
            if old is not None and new is None and old.mode != SUBMODULE and path not in self._files
        }
        removals -= self._ignored(self._target, removals.difference(self._made))
        modes: dict[str, int] = {}
        contested = self._add_files(writes, modes)
        for path in self._leaving:
            if path in self._places and path not in self._files and claimed(self._target, path) in {None, BLOCKED}:
                removals.add(path)
        self._check(writes)
        with Tree(root) as tree:
            self._submodules()
            self._add_converted(tree, writes)
            in_the_way = self._obstacles(tree, writes, removals)
            looks = {path: tree.look(path) for path in {*writes, *modes, *removals}}
            lossy = self._lossy(tree, {*writes, *removals})
        made = self._ignored(self._now, [path for path in writes if looks[path] is None])
        usual = {mode & ~_umask() for mode in (0o666, 0o777)}
        files = {path: found for path, found in looks.items() if found is not None and stat.S_ISREG(found.st_mode)}
        return Plan(
            tuple(writes[path] for path in sorted(writes)),
            tuple(sorted(modes.items())),
            tuple(sorted(removals)),
            tuple(contested),
            tuple(in_the_way),
            tuple(sorted(made)),
            tuple(sorted(path for path, found in files.items() if found.st_mode & 0o777 not in usual)),
            tuple(lossy),
            tuple(self._notices),
            {path: _state(found) for path, found in looks.items()},
        )

    def _ignored(self, code: Code, paths: Iterable[str]) -> set[str]:
        scratch = self._scratch / f"ignored by {code.code_id}"
        scratch.mkdir(exist_ok=True)
        return ignored_by(self._now, code, self._changes, paths, store=self._store, scratch=scratch)

    def _add_files(self, writes: dict[str, Write], modes: dict[str, int]) -> list[FileEntry]:
        """Add the collection's files, of which the code may claim some; returns those that lost."""
        contested = []
        for path, entry in self._files.items():
            leaf = claimed(self._target, path)
            if leaf is None:
                self._add_file(entry, writes, modes)
            elif leaf == BLOCKED or not self._same(path, leaf, entry):
                contested.append(entry)
            elif entry.mode == LINK or bool(entry.mode & 0o100) != bool(leaf.mode & 0o100):
                continue
            elif path in writes:
                writes[path] = writes[path]._replace(mode=entry.mode)
            elif path in self._places and self._places[path].mode != entry.mode:
                modes[path] = entry.mode
        return contested

    def _add_file(self, entry: FileEntry, writes: dict[str, Write], modes: dict[str, int]) -> None:
        place = self._places.get(entry.path)
        if place is None or place.object != entry.object or (place.mode == LINK) != (entry.mode == LINK):
            writes[entry.path] = Write(entry.path, entry, entry.mode)
        elif place.mode != entry.mode:
            modes[entry.path] = entry.mode

    def _same(self, path: str, leaf: Leaf, entry: FileEntry) -> bool:
        """Whether the code's file has the same bytes as the collection's."""
        if (leaf.mode == LINK) != (entry.mode == LINK):
            return False
        if len(leaf.oid) == _OBJECT:
            return leaf.oid.hex() == entry.object
        place = self._places.get(path)
        if path not in self._changes and place is not None and place.object == entry.object:
            return True
        return object_id(self._writer.content(os.fsencode(path), leaf)) == entry.object

    def _lossy(self, tree: Tree, paths: Iterable[str]) -> list[str]:
        found = []
        for path in sorted(paths):
            old = self._changes.get(path, (None, None))[0]
            state = tree.look(path)
            if old is None or state is None or not self._before.by_program(path) or state.st_size > _LARGEST_READ:
                continue
            if tree.read(path) != self._before.content(os.fsencode(path), old):
                found.append(path)
        return found

    def _add_converted(self, tree: Tree, writes: dict[str, Write]) -> None:
        """Add files that git keeps alike but the attributes of the target write otherwise."""
        if not any(os.path.basename(path) == ".gitattributes" for path in self._changes):
            return
        if not (self._writer.converts or self._before.converts):
            return
        for raw, leaf in walk(self._target.repository.read_tree, self._target.tree):
            path = os.fsdecode(raw)
            if path in writes or path in self._changes or leaf.mode in {LINK, SUBMODULE} or tree.look(path) is None:
                continue
            if tree.read(path) != self._writer.content(raw, leaf):
                writes[path] = Write(path, leaf, None)

    def _check(self, writes: Mapping[str, Write]) -> None:
        """Check, before anything is touched, that all can be written, and is there to be.

        Raises:
            CodeError, ObjectMissing: a name is not safe, or something is gone.
        """
        objects = set()
        for path, write in writes.items():
            for depth, name in enumerate(parts := os.fsencode(path).split(b"/")):
                check_name(name, b"/".join(parts[:depth]))
            if isinstance(write.source, FileEntry):
                objects.add(write.source.object)
            elif len(write.source.oid) == _OBJECT:
                objects.add(write.source.oid.hex())
            elif not self._target.repository.has(write.source.oid):
                self._target.repository.read(write.source.oid, what=f"file {path!r},")
        for missing in sorted(objects - self._store.has(objects)):
            self._store.size(missing)

    def _submodules(self) -> None:
        """Say what is left to git: a repository inside the project has a state of its own."""
        for path, (old, new) in sorted(self._changes.items()):
            if new is not None and new.mode == SUBMODULE:
                commit = new.oid.hex()[:12]
                self._notices.append(f"{path}: a repository of its own, left as it is; the snapshot has {commit} there")
            elif old is not None and old.mode == SUBMODULE:
                self._notices.append(f"{path}: a repository of its own that the snapshot does not have, left as it is")

    def _is_so(self, tree: Tree, path: str, found: os.stat_result, source: Leaf | FileEntry) -> bool:
        """Whether what lies in the tree uncaptured is the file of the code that would be written."""
        if isinstance(source, FileEntry) or len(source.oid) == _OBJECT or found.st_size > _LARGEST_READ:
            return False
        if stat.S_ISLNK(found.st_mode) or source.mode == LINK:
            return (
                stat.S_ISLNK(found.st_mode) and source.mode == LINK and tree.link(path) == self._content(path, source)
            )
        executable = bool(found.st_mode & 0o100)
        return executable == (source.mode == EXECUTABLE) and tree.read(path) == self._content(path, source)

    def _content(self, path: str, leaf: Leaf) -> bytes:
        return self._writer.content(os.fsencode(path), leaf)

    def _obstacles(self, tree: Tree, writes: dict[str, Write], removals: set[str]) -> list[str]:
        """Return what is in the way and can be replaced once it is kept.

        Raises:
            Refused: something else is.
        """
        in_the_way: list[str] = []
        same: list[str] = []
        refused: set[str] = set()
        for path, write in writes.items():
            above = tree.blocked(path)
            if above is not None:
                if above not in removals:
                    refused.add(above)
                continue
            found = tree.look(path)
            if found is None:
                continue
            if stat.S_ISDIR(found.st_mode):
                refused.update(place for place in tree.below(path) if place not in removals)
            elif not stat.S_ISREG(found.st_mode) and not stat.S_ISLNK(found.st_mode):
                refused.add(path)
            elif path not in self._places and self._changes.get(path, (None, None))[0] is None:
                if self._is_so(tree, path, found, write.source):
                    same.append(path)
                else:
                    in_the_way.append(path)
        for path in same:
            del writes[path]
        if refused:
            named = sorted(refused)
            more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
            raise Refused(
                f"in the way of the snapshot's files, and no part of a capture: {', '.join(named[:_NAMED])}{more}",
                hint="move them away, or check out into another folder: --to DIR",
            )
        return in_the_way


def _state(found: os.stat_result | None) -> FileState | None:
    """What tells the state of a file or a link; nothing where there is none, or a folder."""
    return None if found is None or stat.S_ISDIR(found.st_mode) else FileState.of(found)


def _umask() -> int:
    """The permissions that new files do not get; asking the kernel for it would change it for a moment."""
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022


def make_plan(code: CodeRepository, store: ObjectStore, root: Path, code_ids: tuple[str, str], wanted: Wanted) -> Plan:
    """Find out what has to be done to a tree.

    Parameters:
        code: the project's code.
        store: where files are.
        root: the tree.
        code_ids: its code, captured just now, and the code that shall be there.
        wanted: the files that shall be there.

    Raises:
        Refused: something that must stay is in the way.
    """
    with code.scratch() as scratch:
        return _Planner(store, (code.load(code_ids[0]), code.load(code_ids[1])), wanted, scratch).plan(root)
