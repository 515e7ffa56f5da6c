"""Writing captured code into a new folder, and reading single files of it.

The attributes that decide on line endings and filters are those of the captured tree, not of the work tree of
today: libgit2 and git are shown a work tree that holds these files alone. Folders are gone into by descriptor and
never through a link, so nothing in a tree, however it was made, can lead a write elsewhere.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pygit2

from datmo.capture.code_commit import parse
from datmo.capture.code_convert import Conversions, attribute_places
from datmo.capture.code_program import run_git
from datmo.capture.code_repository import Repository, set_work_tree
from datmo.capture.code_tree import FOLDER, LINK, SUBMODULE, Leaf, entries, find, walk
from datmo.capture.manifest import FileEntry
from datmo.errors import CodeError
from datmo.objects.store import ObjectStore

__all__ = ["Code", "CodeWriter", "check_name", "content_of", "load", "write_code"]

_ATTRIBUTES = b".gitattributes"
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Code(NamedTuple):
    """Captured code, found in a repository."""

    repository: Repository
    code_id: str
    tree: bytes
    """The tree of the project's folder."""
    large: tuple[FileEntry, ...]
    ours: bool
    """Whether the commit is one of Datmo's, which hold the project's folder alone."""


def load(repository: Repository, code_id: str) -> Code:
    """Read a commit.

    Raises:
        CodeError: it is not there, or holds no such folder as the project's.
    """
    tree = repository.tree_of(code_id)
    ours = parse(repository.read(bytes.fromhex(code_id))[1])
    if ours is not None:
        return Code(repository, code_id, tree, ours.large, ours=True)
    inside = repository.project_tree(code_id)
    if inside is None:
        raise CodeError(f"the commit {code_id[:12]} has no folder {repository.prefix!r}")
    return Code(repository, code_id, inside, (), ours=False)


def write_code(code: Code, to: Path, store: ObjectStore, scratch: Path) -> tuple[str, ...]:
    """Write code into a new folder, which goes again if that fails.

    Parameters:
        code: what to write.
        to: the folder; not there yet, or empty.
        store: where large files are.
        scratch: a folder for our use.

    Returns:
        notices, a line each.
    """
    try:
        to.mkdir(parents=True, exist_ok=True)
        if any(to.iterdir()):
            raise CodeError(f"{os.fspath(to)!r} is not empty", hint="code is checked out into a new folder")
    except OSError as error:
        raise CodeError(f"{os.fspath(to)!r} cannot be made: {error.strerror}") from error
    try:
        writer = CodeWriter(code, store, scratch)
        handle = os.open(to, _OPEN_FOLDER)
        try:
            writer.write(handle)
            _restore_large(code, handle, to, store)
        finally:
            os.close(handle)
    except BaseException as error:
        shutil.rmtree(to, ignore_errors=True)
        if isinstance(error, OSError):
            raise CodeError(f"the code cannot be written to {os.fspath(to)!r}: {error}") from error
        raise
    return tuple(writer.notices)


def content_of(code: Code, path: str, leaf: Leaf, store: ObjectStore | None, scratch: Path) -> bytes:
    """What a checkout writes for one file of the code."""
    folders = os.fsencode(path).split(b"/")[:-1]
    places = {os.fsdecode(b"/".join([*folders[:depth], _ATTRIBUTES])) for depth in range(len(folders) + 1)}
    attributes = {place: found for place in places if (found := find(code.repository.read_tree, code.tree, place))}
    writer = CodeWriter(code, store, scratch, attributes)
    return writer.content(os.fsencode(path), leaf)


class CodeWriter:
    """Writes the tree of one repository; submodules have writers of their own."""

    def __init__(
        self,
        code: Code,
        store: ObjectStore | None,
        scratch: Path,
        attributes: Mapping[str, Leaf] | None = None,
    ) -> None:
        self._code = code
        self._store = store
        self._scratch = scratch
        self._read = code.repository.read_tree
        if attributes is None:
            listed = walk(self._read, code.tree)
            attributes = {os.fsdecode(path): leaf for path, leaf in listed if _basename(path) == _ATTRIBUTES}
        self._conversions = self._in_force(attributes)
        self.notices: list[str] = []

    @property
    def converts(self) -> bool:
        """Whether any file may be written otherwise than git keeps it."""
        return self._conversions is not None

    def by_program(self, path: str) -> bool:
        """Whether git runs a program over a file, which may keep less of it than there is."""
        return self._conversions is not None and self._conversions.needs_program(path)

    def content(self, path: bytes, leaf: Leaf) -> bytes:
        """What is written for a file or a link."""
        data = self._code.repository.read(leaf.oid)[1]
        return data if leaf.mode == LINK else self.as_file(path, leaf, data)

    def write(self, handle: int) -> None:
        """Write everything into an open folder."""
        self._folder(self._code.tree, b"", handle)

    def as_file(self, path: bytes, leaf: Leaf, data: bytes) -> bytes:
        """A blob's bytes as they are in the work tree."""
        if self._conversions is None:
            return data
        converted = self._conversions.as_file(os.fsdecode(path), data)
        return self._by_program(path, leaf) if converted is None else converted

    def _folder(self, tree: bytes, above: bytes, handle: int) -> None:
        for name, leaf in entries(self._read(tree)).items():
            if not above and name == b".datmo":
                continue
            check_name(name, above)
            path = above + name
            if leaf.mode == FOLDER:
                inner = _make_folder(name, handle)
                try:
                    self._folder(leaf.oid, path + b"/", inner)
                finally:
                    os.close(inner)
            elif leaf.mode == SUBMODULE:
                self._submodule(path, name, leaf, handle)
            else:
                self._file(path, name, leaf, handle)

    def _file(self, path: bytes, name: bytes, leaf: Leaf, handle: int) -> None:
        data = self._code.repository.read(leaf.oid)[1]
        if leaf.mode == LINK:
            os.symlink(data, name, dir_fd=handle)
            return
        if self._conversions is not None:
            data = self.as_file(path, leaf, data)
        file = os.open(name, _OPEN_FILE, 0o777 if leaf.mode & 0o111 else 0o666, dir_fd=handle)
        try:
            written = os.write(file, data)
            while written < len(data):
                written += os.write(file, memoryview(data)[written:])
        finally:
            os.close(file)

    def _submodule(self, path: bytes, name: bytes, leaf: Leaf, handle: int) -> None:
        inner = _make_folder(name, handle)
        try:
            found = self._find_submodule(path, leaf)
            if found is None:
                commit = leaf.oid.hex()[:12]
                self.notices.append(f"{os.fsdecode(path)}: its commit {commit} is in no repository here, left empty")
                return
            scratch = self._scratch / path.hex()
            scratch.mkdir()
            writer = CodeWriter(found, self._store, scratch)
            writer.write(inner)
            self.notices += [f"{os.fsdecode(path)}/{notice}" for notice in writer.notices]
        finally:
            os.close(inner)

    def _find_submodule(self, path: bytes, leaf: Leaf) -> Code | None:
        """The repository of a submodule: in the project's folder, or where git puts the inactive ones."""
        place = self._code.repository.root / os.fsdecode(path)
        prefix = self._code.repository.prefix
        for folder in (
            place / ".git",
            self._code.repository.common / "modules" / (prefix + os.fsdecode(path)),
        ):
            with suppress(pygit2.GitError, KeyError, CodeError):
                repository = Repository(pygit2.Repository(os.fspath(folder)), place, own=True)
                if repository.has(leaf.oid):
                    return load(repository, leaf.oid.hex())
        return None

    def _in_force(self, attributes: Mapping[str, Leaf]) -> Conversions | None:
        """The conversions that apply to the code, or None where nothing is converted."""
        repository, prefix = self._code.repository, self._code.repository.prefix
        files = {prefix + path: repository.read(leaf.oid)[1] for path, leaf in attributes.items()}
        files |= self._attributes_above()
        for entry in self._code.large:
            if self._store is not None and _basename(os.fsencode(entry.path)) == _ATTRIBUTES:
                files[prefix + entry.path] = self._store.read(entry.object)
        if not files and not Conversions(repository.git, repository.common, prefix, ()).out_of_git:
            return None
        tree, git = self._scratch / "tree", self._scratch / "git"
        tree.mkdir()
        git.mkdir()
        (git / "HEAD").write_text("ref: refs/heads/none\n")
        (git / "commondir").write_text(f"{repository.common}\n")
        for path, text in files.items():
            place = tree / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text)
        shown = pygit2.Repository(os.fspath(git))
        set_work_tree(shown, tree)
        found = Conversions(shown, repository.common, prefix, files)
        return found if found.out_of_git else None

    def _attributes_above(self) -> dict[str, bytes]:
        """The attribute files in the folders above a project that lies inside a larger repository."""
        repository = self._code.repository
        files = {}
        for path in attribute_places(repository.prefix)[:-1]:
            if self._code.ours:
                with suppress(OSError):
                    files[path] = (repository.top / path).read_bytes()
            elif found := find(self._read, repository.tree_of(self._code.code_id), path):
                files[path] = repository.read(found.oid)[1]
        return files

    def _by_program(self, path: bytes, leaf: Leaf) -> bytes:
        name = self._code.repository.prefix + os.fsdecode(path)
        return run_git(
            ["cat-file", "--filters", f"--path={name}", leaf.oid.hex()],
            folder=self._scratch / "git",
            work_tree=self._scratch / "tree",
            purpose=f"for the filter that .gitattributes sets for {name!r}",
        )


def _restore_large(code: Code, handle: int, to: Path, store: ObjectStore) -> None:
    for entry in code.large:
        *folders, name = os.fsencode(entry.path).split(b"/")
        if entry.mode not in {0o644, 0o755}:
            raise CodeError(f"{entry.path!r} in the code has the mode {entry.mode:o}, which no file has")
        opened: list[int] = []
        try:
            for depth, folder in enumerate(folders):
                check_name(folder, b"/".join(folders[:depth]))
                opened.append(_make_folder(folder, opened[-1] if opened else handle))
            check_name(name, b"/".join(folders))
            store.restore(entry.object, to / entry.path, entry.mode)
        finally:
            for folder_handle in opened:
                os.close(folder_handle)


def _basename(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]


def _make_folder(name: bytes, handle: int) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=handle)
    return os.open(name, _OPEN_FOLDER, dir_fd=handle)


def check_name(name: bytes, above: bytes) -> None:
    """Refuse a name that must never be written into a work tree.

    Parameters:
        name: one component of a path.
        above: the path before it.

    Raises:
        CodeError: it leads elsewhere, or into a repository's own folder.
    """
    if name in {b"", b".", b".."} or b"/" in name or b"\0" in name or name.lower() == b".git":
        raise CodeError(f"the code holds a file that cannot be written safely: {os.fsdecode(above + name)!r}")
