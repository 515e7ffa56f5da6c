"""Which git repository a project's code belongs to, and reading its objects.

The project's folder may be the root of a work tree (linked ones included) or a folder inside one; a folder that its
repository ignores, or that has none, gets a bare repository of its own in `.datmo/`, and no `.git` is put into it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType

from datmo.capture.code_tree import FOLDER, find
from datmo.errors import CodeError

__all__ = ["Repository", "git_errors", "open_own", "open_users", "set_work_tree"]

_KINDS = {
    ObjectType.COMMIT: "commit",
    ObjectType.TREE: "tree",
    ObjectType.BLOB: "blob",
    ObjectType.TAG: "tag",
}


class Repository:
    """An open repository, as the project sees it. Not to be shared between threads: open one for each call.

    Parameters:
        git: the repository itself.
        root: the project's folder.
        own: whether it belongs to the folder alone: the bare one in `.datmo/`, or that of a submodule.
    """

    def __init__(self, git: pygit2.Repository, root: Path, *, own: bool) -> None:
        self.git = git
        self.root = root
        self.own = own
        self.folder: Path = Path(git.path)
        """The repository's own folder: `.git`, or that of a linked work tree."""
        self.common: Path = _common(self.folder)
        """Where objects and refs lie, for linked work trees in common."""
        self.top: Path = (root if own or not git.workdir else Path(git.workdir)).resolve()
        """The root of the work tree."""
        inside = root.resolve().relative_to(self.top).as_posix()
        self.prefix: str = "" if inside == "." else inside + "/"
        """The project's folder below that: empty, or with a slash at its end."""

    def has(self, oid: bytes) -> bool:
        """Whether an object is there."""
        return pygit2.Oid(raw=oid) in self.git.odb

    def read(self, oid: bytes, *, what: str = "object") -> tuple[str, bytes]:
        """The kind and the bytes of an object.

        Raises:
            CodeError: it is not there, or damaged.
        """
        try:
            kind, data = self.git.odb.read(pygit2.Oid(raw=oid))
        except (KeyError, pygit2.GitError) as error:
            raise CodeError(
                f"the {what} {oid.hex()} is not in the repository at {os.fspath(self.folder)!r}",
                hint="`git fsck` says more; in a partial or shallow clone `git fetch` may bring it",
            ) from error
        return _KINDS[ObjectType(kind)], data

    def read_tree(self, oid: bytes) -> bytes:
        """The bytes of a tree."""
        return self.read(oid, what="tree")[1]

    def size(self, oid: bytes) -> int:
        """The size of an object, without reading it."""
        with git_errors(f"the object {oid.hex()} cannot be read"):
            return self.git.odb.read_header(pygit2.Oid(raw=oid))[1]

    def head(self) -> str | None:
        """The commit that is checked out, or None where there is none yet."""
        if self.own:
            return None
        with git_errors("HEAD cannot be read"):
            return None if self.git.head_is_unborn else str(self.git.head.peel(pygit2.Commit).id)

    def tree_of(self, commit: str) -> bytes:
        """The id of a commit's whole tree."""
        kind, data = self.read(bytes.fromhex(commit), what="commit")
        if kind != "commit" or not data.startswith(b"tree "):
            raise CodeError(f"{commit} is a {kind}, not a commit")
        return bytes.fromhex(data[5:45].decode())

    def project_tree(self, commit: str) -> bytes | None:
        """The id of the project's tree in a commit of the user's, or None where it has no such folder."""
        found = find(self.read_tree, self.tree_of(commit), self.prefix.rstrip("/"))
        return found.oid if found is not None and found.mode == FOLDER else None


@contextmanager
def git_errors(what: str) -> Iterator[None]:
    """Turn what libgit2 raises into a CodeError that begins with `what`."""
    try:
        yield
    except (pygit2.GitError, KeyError, OSError) as error:
        text = str(error)
        hint = None
        if "not owned by current user" in text:
            hint = "if you trust it: git config --global --add safe.directory <its folder>"
        elif "extension" in text:
            hint = "install the git program, or ask git for a plain index: git update-index --no-split-index"
        raise CodeError(f"{what}: {text}", hint=hint) from error


def open_users(root: Path) -> Repository | None:
    """The user's repository that a project belongs to; None where there is none, or it ignores it."""
    with git_errors(f"the git repository of {os.fspath(root)!r} cannot be used"):
        found = pygit2.discover_repository(os.fspath(root))
        if found is None:
            return None
        git = pygit2.Repository(found)
        if git.is_bare or not root.resolve().is_relative_to(Path(git.workdir or os.devnull).resolve()):
            return None
        repository = Repository(git, root, own=False)
        if repository.prefix and git.path_is_ignored(os.fsencode(repository.prefix).decode(errors="replace")):
            head = repository.head()
            if head is None or repository.project_tree(head) is None:
                return None
        return repository


def open_own(root: Path, datmo_dir: Path, *, create: bool) -> Repository | None:
    """The repository in `.datmo/`; None where there is none and none is to be made."""
    folder = datmo_dir / "code.git"
    with git_errors(f"the repository {os.fspath(folder)!r} cannot be used"):
        if not folder.is_dir():
            if not create:
                return None
            _make(folder, datmo_dir / "tmp")
        git = pygit2.Repository(os.fspath(folder))
        # In memory alone: neither the configuration nor the project's folder learns of it.
        set_work_tree(git, root)
        return Repository(git, root, own=True)


def set_work_tree(git: pygit2.Repository, folder: Path) -> None:
    """Let a repository have its work tree in a folder, as far as this object goes."""
    git.workdir = os.fsencode(folder)  # type: ignore[assignment]  # text, as its types have it, would have to be Unicode


_BY_THE_WAY = "__pycache__/\n.ipynb_checkpoints/\n"
"""What Python and notebooks leave everywhere: a folder without git seldom has a `.gitignore` that says so."""


def _make(folder: Path, scratch: Path) -> None:
    scratch.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix="code-", dir=scratch))
    try:
        pygit2.init_repository(os.fspath(beside), bare=True)
        (beside / "info").mkdir(exist_ok=True)
        (beside / "info" / "exclude").write_text(_BY_THE_WAY)
        beside.chmod(0o755)
        beside.rename(folder)
    except OSError:
        # Another process was first.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _common(folder: Path) -> Path:
    try:
        return (folder / (folder / "commondir").read_text().rstrip("\n")).resolve()
    except FileNotFoundError:
        return folder
