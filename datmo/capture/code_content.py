"""Turning what a scan found into git objects, objects of the store, and notices."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import pygit2

from datmo.capture.code_cache import Cache
from datmo.capture.code_convert import Conversions, attribute_places, clean_by_program
from datmo.capture.code_ignore import NAME, IgnoreRules
from datmo.capture.code_index import IndexFacts
from datmo.capture.code_repository import Repository, git_errors
from datmo.capture.code_scan import Scan
from datmo.capture.code_tree import EXECUTABLE, FOLDER, LINK, PLAIN, SUBMODULE, Leaf, find, walk
from datmo.capture.manifest import FileEntry
from datmo.errors import CodeError, FilesError
from datmo.objects.hashing import Progress
from datmo.objects.source import FileState, SourceFile
from datmo.objects.store import ObjectStore

__all__ = ["Adder", "Content", "Work", "collect"]

_NAMED = 3
_TRIES = 3
_EXCHANGED = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EINVAL}
"""What opening a file gives, or reading a link, where it was one when it was looked at."""


class Adder(Protocol):
    """What takes new git objects."""

    def add(self, kind: str, data: bytes) -> bytes:
        """Take an object and return its id."""
        ...


class Work(NamedTuple):
    """What a capture works with."""

    repository: Repository
    base: bytes | None
    """The project's tree in HEAD."""
    writer: Adder
    cache: Cache
    size_limit: int
    scratch: Path
    look: bool = False
    """Whether nothing is to be stored: the capture is for comparing."""


class Content(NamedTuple):
    """What the project holds otherwise than HEAD: changes to its tree, and files kept in the store."""

    changes: dict[str, Leaf | None]
    large: tuple[FileEntry, ...]
    notices: tuple[str, ...]


def collect(work: Work, scan: Scan, facts: IndexFacts, store: ObjectStore, progress: Progress | None = None) -> Content:
    """Look at everything that a scan found; told are the bytes of files that are too large for git."""
    return _Collector(work, scan, facts).collect(store, progress)


class _Exchanged(Exception):
    """Something is no longer what it was when it was looked at."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error


class _Collector:
    def __init__(self, work: Work, scan: Scan, facts: IndexFacts) -> None:
        self._work = work
        self._scan = scan
        self._facts = facts
        # Joined as text: a Path for each of thousands of files takes longer than looking at them.
        self._root = os.path.join(work.repository.root, "")
        self._conversions, self._rules = _rules(work, scan, facts)
        self._changes: dict[str, Leaf | None] = {}
        self._large: list[str] = []
        self._unkept: list[str] = []
        self._for_program: list[tuple[str, os.stat_result]] = []
        self._notices: list[str] = []

    def collect(self, store: ObjectStore, progress: Progress | None) -> Content:
        left_out = self._left_out()
        submodules = self._facts.submodules
        paths = self._scan.looked | self._scan.staged.keys() | submodules.keys() | self._scan.nested
        for path in sorted(paths - left_out):
            if path in submodules or path in self._scan.nested:
                self._submodule(path, submodules.get(path))
            else:
                self._look(path)
        self._changes |= dict.fromkeys(left_out) | dict.fromkeys(self._committed_by_mistake())
        self._run_programs()
        self._notice("over the size limit of git objects, kept in the object store", self._large)
        self._notice("with line endings that git would change, kept in the object store", self._unkept)
        self._notice(f"left out by {NAME}", left_out)
        return Content(self._changes, self._stored(store, progress), tuple(self._notices))

    def _left_out(self) -> set[str]:
        scan, rules, base = self._scan, self._rules, self._work.base
        if not rules.any:
            return set()
        found = {path for path in scan.looked | scan.staged.keys() | scan.nested if rules.match(path)}
        if base is None:
            return found
        key = f"{base.hex()} {rules.digest}"
        tracked = self._work.cache.left_out(key)
        if tracked is None:
            names = (os.fsdecode(path) for path, _ in walk(self._work.repository.read_tree, base))
            tracked = [path for path in names if rules.match(path)]
            self._work.cache.keep_left_out(key, tracked)
        return found.union(tracked)

    def _committed_by_mistake(self) -> list[str]:
        """Files of Datmo's own folder in HEAD."""
        read = self._work.repository.read_tree
        own = find(read, self._work.base, ".datmo")
        if own is None or own.mode != FOLDER:
            return []
        return [os.fsdecode(path) for path, _ in walk(read, own.oid, b".datmo/")]

    def _look(self, path: str) -> None:
        """Take one path as the work tree has it; it may go or be exchanged meanwhile."""
        for left in reversed(range(_TRIES)):
            try:
                self._take(path)
                return
            except _Exchanged as exchanged:
                if not left:
                    raise _unreadable(path, exchanged.error) from exchanged.error

    def _take(self, path: str) -> None:
        staged = self._scan.staged.get(path)
        try:
            state = os.lstat(self._root + path)
        except (FileNotFoundError, NotADirectoryError):
            # In a sparse checkout a file may be missing and yet be part of the code.
            if not self._facts.unseen.get(path):
                self._changes[path] = None
            elif path in self._scan.staged:
                self._changes[path] = staged
            return
        if stat.S_ISREG(state.st_mode):
            self._file(path, state, None if path in self._scan.looked else staged)
        elif stat.S_ISLNK(state.st_mode):
            with _reading(path):
                target = os.readlink(os.fsencode(self._root + path))
            self._changes[path] = Leaf(LINK, self._work.writer.add("blob", target))
        else:
            self._changes[path] = None
            if not stat.S_ISDIR(state.st_mode):
                self._notices.append(f"{path}: neither a file nor a link, left out")

    def _file(self, path: str, state: os.stat_result, known: Leaf | None) -> None:
        mode = _git_mode(state)
        if state.st_size > self._work.size_limit:
            unchanged = self._as_in_head(path, state)
            if unchanged is None:
                self._large.append(path)
                self._changes[path] = None
            else:
                self._changes[path] = Leaf(mode, unchanged)
            return
        oid = known.oid if known is not None else self._work.cache.recall(path, FileState.of(state))
        if oid is not None and (known is not None or self._work.look or self._work.repository.has(oid)):
            self._changes[path] = Leaf(mode, oid)
        elif self._conversions.needs_program(path):
            self._for_program.append((path, state))
        else:
            self._read(path, mode)

    def _read(self, path: str, mode: int) -> None:
        began, state, data = self._bytes_of(path)
        if state is not None and self._conversions.has_keywords(path, data):
            self._for_program.append((path, state))
            return
        stored = self._conversions.stored_form(path, data)
        if stored is None:
            self._unkept.append(path)
            self._changes[path] = None
            return
        oid = self._work.writer.add("blob", stored)
        self._changes[path] = Leaf(mode, oid)
        if state is not None:
            self._work.cache.keep(path, FileState.of(state), began, oid)

    def _bytes_of(self, path: str) -> tuple[int, os.stat_result | None, bytes]:
        """When reading began, the file's state (None where it went on changing), and its bytes."""
        tries = 0
        while True:
            tries += 1
            began = time.time_ns()
            with _reading(path):
                handle = os.open(self._root + path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                with open(handle, "rb") as file:
                    before = os.fstat(handle)
                    data = file.read()
                    after = os.fstat(handle)
            if FileState.of(before) == FileState.of(after) and len(data) == before.st_size:
                return began, before, data
            if tries == _TRIES:
                self._notices.append(f"{path}: changed while it was read")
                return began, None, data

    def _as_in_head(self, path: str, state: os.stat_result) -> bytes | None:
        """The blob of a large file if it is the one in HEAD."""
        base = find(self._work.repository.read_tree, self._work.base, path)
        if base is None or base.mode not in {PLAIN, EXECUTABLE}:
            return None
        if self._work.repository.size(base.oid) != state.st_size:
            return None
        oid = bytes(pygit2.hashfile(self._root + path).raw)
        return oid if oid == base.oid else None

    def _run_programs(self) -> None:
        """Let git run its filters over the files that have some, and take over what it made of them."""
        if not self._for_program:
            return
        began = time.time_ns()
        paths = [path for path, _ in self._for_program]
        with tempfile.TemporaryDirectory(prefix="filtered-", dir=self._work.scratch) as objects:
            oids = clean_by_program(self._work.repository, paths, Path(objects))
            for (path, state), text in zip(self._for_program, oids, strict=True):
                loose = Path(objects, text[:2], text[2:])
                if loose.exists():
                    self._work.writer.add("blob", zlib.decompress(loose.read_bytes()).partition(b"\0")[2])
                oid = bytes.fromhex(text)
                self._changes[path] = Leaf(_git_mode(state), oid)
                self._work.cache.keep(path, FileState.of(state), began, oid)

    def _submodule(self, path: str, recorded: str | None) -> None:
        """Take a repository inside the project by the commit that it has checked out."""
        place = self._work.repository.root / path
        oid = None if recorded is None else bytes.fromhex(recorded)
        if not place.is_dir() or place.is_symlink():
            if os.path.lexists(place):
                self._scan.looked.add(path)
                self._look(path)
            else:
                self._changes[path] = None
            return
        if (place / ".git").exists():
            with git_errors(f"the repository in {path!r} cannot be read"):
                git = pygit2.Repository(os.fspath(place / ".git"))
                if not git.head_is_unborn:
                    oid = bytes(git.head.peel(pygit2.Commit).id.raw)
                dirty = bool(git.status())
            if oid is None:
                self._notices.append(f"{path}: a repository without commits, left out")
                return
            if recorded is None:
                self._notices.append(f"{path}: a repository of its own, captured as its commit {oid.hex()[:12]} only")
            if dirty:
                self._notices.append(f"{path}: has changes that are not committed there, left out")
        self._changes[path] = None if oid is None else Leaf(SUBMODULE, oid)

    def _stored(self, store: ObjectStore, progress: Progress | None) -> tuple[FileEntry, ...]:
        paths = sorted([*self._large, *self._unkept], key=os.fsencode)
        if not paths:
            return ()
        files = [SourceFile(self._work.repository.root / path) for path in paths]
        try:
            stored = store.identify(files) if self._work.look else store.put_files(files, progress=progress)
        except FilesError:
            there = [path for path in paths if os.path.lexists(self._root + path)]
            if there == paths:
                raise
            # Some are gone since they were looked at, as what a program writes beside its place and renames then.
            self._large, self._unkept = there, []
            return self._stored(store, progress)
        return tuple(
            FileEntry(path, file.object, file.size, 0o755 if file.mode & 0o100 else 0o644, "project")
            for path, file in zip(paths, stored, strict=True)
        )

    def _notice(self, what: str, paths: Iterable[str]) -> None:
        named = sorted(paths)
        if named:
            more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
            self._notices.append(f"{', '.join(named[:_NAMED])}{more}: {what}")


def _rules(work: Work, scan: Scan, facts: IndexFacts) -> tuple[Conversions, IgnoreRules]:
    """The conversions and the ignore rules in force, from the files of both kinds in the index and beside it."""
    repository, prefix = work.repository, work.repository.prefix
    known = {*facts.special, *(prefix + path for path in scan.looked)}
    attributes = {path for path in known if os.path.basename(path) == ".gitattributes"}
    conversions = Conversions(repository.git, repository.common, prefix, attributes.union(attribute_places(prefix)))
    work.cache.expect(conversions.digest)
    ignoring = {path[len(prefix) :] for path in known if path.startswith(prefix) and os.path.basename(path) == NAME}
    return conversions, IgnoreRules(work.repository.root, ignoring | {NAME}, work.scratch)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _EXCHANGED:
            raise _Exchanged(error) from error
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> CodeError:
    return CodeError(f"{path!r} cannot be read: {error.strerror}", hint=f"make it readable, or name it in {NAME}")


def _git_mode(state: os.stat_result) -> int:
    return EXECUTABLE if state.st_mode & 0o100 else PLAIN
