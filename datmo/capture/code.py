"""The project's code: captured as a commit, checked out again, read.

A clean tree is known by HEAD's commit. Any other is a commit of ours, without parents and with a fixed author
and time, so that the same content always has the same id; `code_commit` says what is in it. Whether two captures
are the same is a matter of their trees and of the files kept outside git, never of the commit.

In a folder inside a larger repository only that folder is captured: its clean code id is still HEAD's commit, of
which a checkout writes that folder.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pygit2

from datmo.capture.code_capture import CodeCapture, CodeLook
from datmo.capture.code_changes import Side, code_changes
from datmo.capture.code_checkout import Code, content_of, load, write_code
from datmo.capture.code_commit import compose
from datmo.capture.code_content import Adder
from datmo.capture.code_gather import Gathered, Unwritten, gather
from datmo.capture.code_pack import ObjectWriter
from datmo.capture.code_refs import keep, kept_refs, move_head, read_head, remove_refs
from datmo.capture.code_repository import Repository, git_errors, open_own, open_users
from datmo.capture.code_travel import bring, objects_below
from datmo.capture.code_tree import FOLDER, SUBMODULE, find, walk
from datmo.errors import CodeError
from datmo.objects.hashing import Progress
from datmo.objects.store import ObjectStore

__all__ = ["SIZE_LIMIT", "CodeCapture", "CodeGarbage", "CodeRepository"]

SIZE_LIMIT = 50 << 20
"""Files above this size go to the object store unless HEAD has them."""

_HASH = re.compile(r"[0-9a-f]{40}")


class CodeGarbage(NamedTuple):
    """Code that is not needed: how many refs keep it, and about how many bytes of it are ours to free."""

    refs: int
    size: int


class CodeRepository:
    """The code of one project. Keeps nothing open, so it may be used from several threads.

    Parameters:
        root: the project's folder.
        datmo_dir: its `.datmo` folder.
        project_id: the project's id, under which refs are kept.
        size_limit: the size in bytes above which a file that HEAD does not have goes to the object store.
    """

    def __init__(self, root: Path, datmo_dir: Path, project_id: str, *, size_limit: int = SIZE_LIMIT) -> None:
        self._root = root.absolute()
        self._datmo_dir = datmo_dir.absolute()
        self._project_id = project_id
        self._size_limit = size_limit

    def capture(self, store: ObjectStore, progress: Progress | None = None) -> CodeCapture:
        """Capture the code as the work tree has it; nothing is written where nothing is new.

        Parameters:
            store: where files go that are too large for git.
            progress: told the bytes of these that were done, as they are.

        Raises:
            CodeError: the repository cannot be used, or a file cannot be read.
        """
        repository = self.current()
        with (
            git_errors("the code cannot be captured"),
            self.scratch() as scratch,
            ObjectWriter(repository) as writer,
        ):
            found = self._gather(repository, writer, store, scratch, progress=progress)
            content = found.content
            if found.head is not None and found.tree == found.base and not content.large:
                code_id = found.head
            else:
                code_id = writer.add("commit", compose(found.tree, content.large)).hex()
            writer.finish()
            keep(repository, self._project_id, code_id)
        return CodeCapture(code_id, found.tree.hex(), found.head, content.large, repository.own, content.notices)

    def compare(self, code_id: str, store: ObjectStore) -> CodeLook:
        """Compare the work tree with captured code; nothing is stored.

        Parameters:
            code_id: the code.
            store: what knows files that are too large for git.

        Raises:
            CodeError: the repository cannot be used, a file cannot be read, or the code is not there.
        """
        repository = self.current()
        with git_errors("the code cannot be compared"), self.scratch() as scratch:
            unwritten = Unwritten(repository)
            found = self._gather(repository, unwritten, store, scratch, look=True)
            after = Side(unwritten.read, found.tree, found.content.large)
            return CodeLook(code_changes(Side.of(self.load(code_id)), after), found.content.notices)

    def _gather(
        self,
        repository: Repository,
        adder: Adder,
        store: ObjectStore,
        scratch: Path,
        *,
        look: bool = False,
        progress: Progress | None = None,
    ) -> Gathered:
        return gather(
            repository,
            adder,
            store,
            cache_folder=self._datmo_dir / "cache" / "code",
            scratch=scratch,
            size_limit=self._size_limit,
            look=look,
            progress=progress,
        )

    def resolve(self, commit: str) -> CodeCapture:
        """Find a commit that the user names, and keep it by a ref.

        Parameters:
            commit: a hash, in full or its beginning, or any other name that git gives to a commit.

        Raises:
            CodeError: there is no such commit, several have that name, or it lacks the project's folder.
        """
        for repository in self._repositories():
            try:
                found = repository.git.revparse_single(commit).peel(pygit2.Commit)
            except pygit2.AmbiguousError as error:
                raise CodeError(f"{commit!r} is too little to tell one commit", hint="give more of the hash") from error
            except (KeyError, ValueError, pygit2.GitError):
                continue  # not in this repository: the next one may have it, and else the error below names it
            code_id = str(found.id)
            code = load(repository, code_id)
            keep(repository, self._project_id, code_id)
            base = None if code.ours else code_id
            return CodeCapture(code_id, code.tree.hex(), base, code.large, repository.own, ())
        raise CodeError(f"there is no commit {commit!r}", hint="`git log` lists the commits")

    def checkout(self, code_id: str, to: Path, store: ObjectStore) -> tuple[str, ...]:
        """Write captured code into a new folder.

        Parameters:
            code_id: the code, as `capture` or `resolve` gave it.
            to: the folder; not there yet, or empty.
            store: where its large files are.

        Returns:
            notices, a line each: what could not be brought back because it is not in the repository.

        Raises:
            CodeError: it is no longer there, or the folder cannot be written.
        """
        code = self.load(code_id)
        with self.scratch() as scratch:
            return write_code(code, to, store, scratch)

    def files(self, code_id: str) -> Iterator[tuple[str, int, bytes]]:
        """List captured code, ordered by the bytes of the paths.

        Parameters:
            code_id: the code.

        Returns:
            for each file its path, git's mode, and the id of its blob (20 bytes) or, for a large file, of its
            object (32 bytes); for a submodule that of its commit.
        """
        code = self.load(code_id)
        listed = [(path, leaf.mode, leaf.oid) for path, leaf in walk(code.repository.read_tree, code.tree)]
        listed += [
            (os.fsencode(entry.path), 0o100000 | entry.mode, bytes.fromhex(entry.object)) for entry in code.large
        ]
        for path, mode, oid in sorted(listed):
            if not path.startswith(b".datmo/"):
                yield os.fsdecode(path), mode, oid

    def read_file(self, code_id: str, path: str, store: ObjectStore | None = None) -> bytes | None:
        """The bytes of one file of captured code, as a checkout writes them; of a link, its target.

        Parameters:
            code_id: the code.
            path: the file's path in the project.
            store: where to look for it if it is too large for git.

        Returns:
            its bytes, or None where there is no file with that path.
        """
        code = self.load(code_id)
        for entry in code.large:
            if entry.path == path and store is not None:
                return store.read(entry.object)
        found = find(code.repository.read_tree, code.tree, path)
        if found is None or found.mode in {FOLDER, SUBMODULE}:
            return None
        with self.scratch() as scratch:
            return content_of(code, path, found, store, scratch)

    def open_file(self, code_id: str, path: str, store: ObjectStore) -> BinaryIO:
        """Open one file of captured code for reading; of a link, its target.

        Parameters:
            code_id: the code.
            path: the file's path in the project.
            store: where to look for it if it is too large for git.

        Raises:
            CodeError: there is no such file in it.
        """
        for entry in self.load(code_id).large:
            if entry.path == path:
                return store.open(entry.object)
        data = self.read_file(code_id, path, store)
        if data is None:
            raise CodeError(f"the code {code_id[:12]} has no file {path!r}")
        return io.BytesIO(data)

    def put_head(self, position: int, digest: str) -> None:
        """Note how far the log has come, under `refs/datmo/<project id>/head`; never backwards."""
        move_head(self.current(), self._project_id, position, digest)

    def head(self) -> tuple[int, str] | None:
        """The furthest position of the log that was noted, and its hash; None where none was."""
        heads = (read_head(repository, self._project_id) for repository in self._repositories())
        return max((head for head in heads if head is not None), default=None)

    def missing(self, code_ids: Iterable[str]) -> list[str]:
        """Which of these codes git no longer has in full, in the order given."""
        repositories = self._repositories()
        whole: set[bytes] = set()
        return [code_id for code_id in code_ids if not any(_is_whole(git, code_id, whole) for git in repositories)]

    def objects(self, code_id: str) -> Iterator[tuple[bytes, str, bytes]]:
        """Yield the trees and files that captured code consists of in git: id, `tree` or `blob`, and bytes."""
        code = self.load(code_id)
        yield from objects_below(code.repository, code.tree)

    def bring(
        self,
        codes: Mapping[str, CodeCapture],
        named: Collection[str],
        read: Callable[[bytes], tuple[str, bytes] | None],
    ) -> dict[str, str]:
        """Take over code from another project, and keep it by refs.

        Parameters:
            codes: by its id there, what it consists of.
            named: the ids of the git objects that were given.
            read: gives kind and bytes of a git object by its id; nothing of it is believed.

        Returns:
            for each id there the one here, which differs where it was a commit that is not here.

        Raises:
            CodeError: an object is missing, not what its id says, or belongs to nothing; nothing was written then.
        """
        ids: dict[str, str] = {}
        objects: set[bytes] = set()
        repository = self.current()
        with git_errors("the code cannot be brought in"), ObjectWriter(repository) as writer:
            for there, code in codes.items():
                objects |= bring(repository, writer, bytes.fromhex(code.tree), read)
                commit = compose(bytes.fromhex(code.tree), code.large)
                ids[there] = there if self._is_same(there, code) else writer.add("commit", commit).hex()
            if more := sorted(set(named) - {oid.hex() for oid in objects}):
                raise CodeError(f"the git object {more[0]} belongs to nothing")
            writer.finish()
            for code_id in ids.values():
                holder = next(each for each in self._repositories() if each.has(bytes.fromhex(code_id)))
                keep(holder, self._project_id, code_id)
        return ids

    def _is_same(self, code_id: str, code: CodeCapture) -> bool:
        """Whether a commit is here and has that tree and those large files."""
        try:
            found = self.load(code_id)
        except CodeError:
            return False
        return found.tree.hex() == code.tree and tuple(found.large) == tuple(code.large)

    def garbage(self, needed: Collection[str]) -> CodeGarbage:
        """What code is kept that is not needed.

        Parameters:
            needed: the ids of the code that is needed.
        """
        from datmo.capture.code_collect import garbage_size, unneeded_refs

        refs, size = 0, 0
        for repository in self._repositories():
            names = unneeded_refs(repository, self._project_id, needed)
            refs += len(names)
            size += garbage_size(repository, names) if self._is_datmos(repository) else 0
        return CodeGarbage(refs, size)

    def collect(self, needed: Collection[str]) -> CodeGarbage:
        """Give up all code but what is needed: its refs, and what of it lies in the repository in `.datmo/`."""
        from datmo.capture.code_collect import collect_objects, collect_refs, unneeded_refs

        refs, size = 0, 0
        for repository in self._repositories():
            names = unneeded_refs(repository, self._project_id, needed)
            collect_refs(repository, names)
            refs += len(names)
            size += collect_objects(repository) if self._is_datmos(repository) else 0
        return CodeGarbage(refs, size)

    def _is_datmos(self, repository: Repository) -> bool:
        return repository.folder.resolve().is_relative_to(self._datmo_dir.resolve())

    def refs(self) -> list[str]:
        """The refs of this project in the user's repository, sorted."""
        repository = open_users(self._root)
        return [] if repository is None else kept_refs(repository, self._project_id)

    def remove_refs(self) -> None:
        """Remove them all; the code that only they kept is git's to collect then."""
        repository = open_users(self._root)
        if repository is not None:
            remove_refs(repository, self._project_id)

    def current(self) -> Repository:
        """The repository that captures go to: the user's, or the one in `.datmo/`."""
        repository = open_users(self._root) or open_own(self._root, self._datmo_dir, create=True)
        if repository is None:
            raise CodeError(f"{os.fspath(self._root)!r} has no repository")
        return repository

    def _repositories(self) -> list[Repository]:
        """All that may hold captured code: a project may have got its git, or lost it, later on."""
        found = (open_users(self._root), open_own(self._root, self._datmo_dir, create=False))
        return [repository for repository in found if repository is not None]

    def load(self, code_id: str) -> Code:
        """Find captured code in whichever repository has it.

        Raises:
            CodeError: none has.
        """
        if _HASH.fullmatch(code_id):
            for repository in self._repositories():
                if repository.has(bytes.fromhex(code_id)):
                    return load(repository, code_id)
        raise CodeError(
            f"the code {code_id!r} is not in the repository", hint="was it fetched? `git fetch` may bring it"
        )

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for a while."""
        folder = self._datmo_dir / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="code-", dir=folder, ignore_cleanup_errors=True) as name:
            yield Path(name)


def _is_whole(repository: Repository, code_id: str, whole: set[bytes]) -> bool:
    """Whether a repository has a commit, its trees and their files; `whole` holds what is known to be there."""
    if not _HASH.fullmatch(code_id) or not repository.has(bytes.fromhex(code_id)):
        return False
    try:
        tree = load(repository, code_id).tree
        if tree not in whole:
            for _, leaf in walk(repository.read_tree, tree):
                if leaf.mode != SUBMODULE and leaf.oid not in whole and not repository.has(leaf.oid):
                    return False
                whole.add(leaf.oid)
            whole.add(tree)
    except CodeError:
        return False
    return True
