"""Finding what in a work tree is not as in HEAD.

git is asked where it is installed. It knows best what it ignores: libgit2 1.9 takes a link to a folder for a folder,
so that the rule `data/` hides it, and the rule `*/` for one of every file, and what they hide would be missing in a
capture without a word. git also looks at files with several threads. It gets an index of ours, a copy of the user's:
in it, it notes which files it found unchanged, so that it reads them once. Where no git can say it, libgit2 is asked,
and what it may have read wrongly is looked at again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pygit2
from pygit2.enums import DeltaStatus, DiffOption, FileMode

from datmo.capture.code_cache import Cache
from datmo.capture.code_ignore import misread, read_again
from datmo.capture.code_index import NOTHING, IndexFacts, index_key, read_index
from datmo.capture.code_program import git_program, run_git
from datmo.capture.code_repository import Repository, git_errors
from datmo.capture.code_tree import Leaf
from datmo.errors import CodeError

__all__ = ["Scan", "index_facts", "scan"]

_UNUSED_S = 3600.0
_OWN_FOLDER = ".datmo"
_NOT_OF_THE_TREE = (".git", _OWN_FOLDER)


class Scan(NamedTuple):
    """What differs from HEAD; paths are relative to the project.

    Parameters:
        staged: what the index holds otherwise than HEAD; None for what it does not.
        looked: paths at which the work tree differs from the index, or git keeps silent.
        nested: folders with a repository of their own that nothing tracks.
    """

    staged: dict[str, Leaf | None]
    looked: set[str]
    nested: set[str]


def index_facts(repository: Repository, cache: Cache) -> IndexFacts:
    """What the user's index holds, with paths relative to the project."""
    path = repository.folder / "index"
    key = index_key(path)
    if key is None or repository.own:
        return NOTHING
    facts = cache.facts(key)
    if facts is None:
        facts = read_index(path)
        if not facts.plain and git_program() is not None:
            facts = read_index(_index_copy(repository, cache, key, plain=True))._replace(plain=False)
        cache.keep_facts(key, facts)
    prefix = repository.prefix
    return facts._replace(
        unseen={name: skipped for path, skipped in facts.unseen.items() if (name := _inside(path, prefix))},
        submodules={name: oid for path, oid in facts.submodules.items() if (name := _inside(path, prefix))},
    )


def scan(repository: Repository, facts: IndexFacts, cache: Cache, scratch: Path) -> Scan:
    """Compare HEAD, index and work tree of the project.

    Parameters:
        repository: where it is.
        facts: what its index holds.
        cache: what was learnt last time.
        scratch: a folder for our use, not there yet.
    """
    found = _scan_with_git(repository, facts, cache) or _scan_with_libgit2(repository, scratch)
    prefix = repository.prefix
    return Scan(
        {name: leaf for path, leaf in found.staged.items() if (name := _inside(path, prefix))},
        {name for path in found.looked if (name := _inside(path, prefix))} | set(facts.unseen),
        {name for path in found.nested if (name := _inside(path, prefix))},
    )


def _inside(path: str, prefix: str) -> str | None:
    """A path's name in the project, or None for what is not in it, or is Datmo's own."""
    if not path.startswith(prefix):
        return None
    name = path[len(prefix) :]
    return None if name == _OWN_FOLDER or name.startswith(f"{_OWN_FOLDER}/") else name


def _scan_with_libgit2(repository: Repository, scratch: Path) -> Scan:
    with git_errors("the work tree cannot be compared with git's index"):
        git = repository.git
        index = git.index
        head = repository.head()
        looked: set[str] = set()
        for entries in index.conflicts or ():
            looked.update(os.fsdecode(entry.path) for entry in entries if entry is not None)
        if head is None:
            staged: dict[str, Leaf | None] = {
                os.fsdecode(entry.path): Leaf(int(entry.mode), bytes(entry.id.raw)) for entry in index
            }
        else:
            tree = git[head].peel(pygit2.Tree)
            staged = dict(_of_index(index.diff_to_tree(tree)))
        found = index.diff_to_workdir(
            flags=DiffOption.INCLUDE_UNTRACKED
            | DiffOption.RECURSE_UNTRACKED_DIRS
            | DiffOption.INCLUDE_IGNORED
            | DiffOption.INCLUDE_TYPECHANGE
            | DiffOption.IGNORE_SUBMODULES
            | DiffOption.SKIP_BINARY_CHECK
        )
        paths: list[str] = []
        links: list[str] = []
        ignored: dict[str, bool] = {}
        for delta in found.deltas:
            path = os.fsdecode(delta.new_file.raw_path)
            if delta.status not in (DeltaStatus.UNTRACKED, DeltaStatus.IGNORED):
                paths.append(path)
                continue
            ignored[path] = delta.status == DeltaStatus.IGNORED
            if delta.new_file.mode == FileMode.LINK:
                links.append(path)
        rules, files = _walk(repository.top, {path[:-1] for path in ignored if path.endswith("/")})
        again = sorted({*files} - {os.fsdecode(entry.path) for entry in index}) if misread(rules) else links
        ignored |= read_again(git, rules, again, scratch)
        paths += [path for path, left_out in ignored.items() if not left_out]
        return Scan(staged, *_sorted_out(paths, looked))


def _walk(top: Path, closed: Collection[str]) -> tuple[dict[str, bytes], list[str]]:
    """Look through a work tree, not into repositories in it: what its `.gitignore` files hold, and all files and links.

    Parameters:
        top: its folder.
        closed: folders that are not looked into, by their paths in it.
    """
    rules: dict[str, bytes] = {}
    files: list[str] = []
    for folder, below, names in os.walk(top):
        place = folder[len(os.path.join(top, "")) :]
        if place:
            if ".git" in names or ".git" in below:
                below.clear()
                continue
            place += "/"
        links = [name for name in below if os.path.islink(os.path.join(folder, name))]
        files += [place + name for name in (*names, *links) if name not in _NOT_OF_THE_TREE]
        below[:] = [name for name in below if name not in _NOT_OF_THE_TREE and place + name not in closed]
        if ".gitignore" in names:
            with suppress(OSError):
                rules[f"{place}.gitignore"] = Path(folder, ".gitignore").read_bytes()
    return rules, files


def _of_index(diff: pygit2.Diff) -> Iterable[tuple[str, Leaf | None]]:
    for delta in diff.deltas:
        path = os.fsdecode(delta.new_file.raw_path)
        if delta.status == DeltaStatus.DELETED:
            yield path, None
        elif delta.status != DeltaStatus.CONFLICTED:
            yield path, Leaf(int(delta.new_file.mode), bytes(delta.new_file.id.raw))


def _scan_with_git(repository: Repository, facts: IndexFacts, cache: Cache) -> Scan | None:
    if git_program() is None:
        return None
    try:
        return _read_status(_status(repository, facts, cache))
    except CodeError:
        # An old git knows the words no more than one that stands in for none (macOS has such a one); a power loss may
        # have torn our copy of the index. Only split and sparse ones are beyond libgit2.
        if not facts.plain:
            raise
        return None


def _status(repository: Repository, facts: IndexFacts, cache: Cache) -> bytes:
    key = index_key(repository.folder / "index")
    index = cache.folder / "index-none" if key is None else _index_copy(repository, cache, key, plain=not facts.plain)
    arguments = [
        "status",
        "--porcelain=v2",
        "-z",
        "--untracked-files=all",
        "--no-renames",
        "--no-ahead-behind",
    ]
    arguments += ["--ignore-submodules=dirty"]
    if repository.prefix:
        arguments += ["--", f":(top,literal){repository.prefix}"]
    return run_git(
        arguments,
        folder=repository.folder,
        work_tree=repository.top,
        environ={"GIT_INDEX_FILE": index},
        purpose="to find what has changed",
    )


def _read_status(output: bytes) -> Scan:
    staged: dict[str, Leaf | None] = {}
    paths: list[str] = []
    for line in os.fsdecode(output).split("\0"):
        if line.startswith("1 "):
            # 1 XY submodule mode-of-HEAD -of-index -of-work-tree id-in-HEAD -in-index path
            _, states, _, _, mode, _, _, oid, path = line.split(" ", 8)
            if states[0] != ".":
                staged[path] = Leaf(int(mode, 8), bytes.fromhex(oid)) if int(mode, 8) else None
            if states[1] != ".":
                paths.append(path)
        elif line.startswith("u "):
            paths.append(line.split(" ", 10)[10])
        elif line.startswith("? "):
            paths.append(line[2:])
    return Scan(staged, *_sorted_out(paths, set()))


def _sorted_out(paths: Iterable[str], looked: set[str]) -> tuple[set[str], set[str]]:
    nested = set()
    for path in paths:
        if path.endswith("/"):
            nested.add(path[:-1])
        else:
            looked.add(path)
    return looked, nested


def _index_copy(repository: Repository, cache: Cache, key: str, *, plain: bool) -> Path:
    """Our copy of the user's index in that state, made if it is not there."""
    path = cache.folder / f"index-{key}"
    with suppress(FileNotFoundError):
        with suppress(PermissionError):  # another user of this project made it
            path.chmod(0o644)  # which says that it is in use: see below
        path.stat()
        return path
    cache.folder.mkdir(parents=True, exist_ok=True)
    for old in cache.folder.glob("*-*"):  # copies, and what killed captures left half-made
        with suppress(FileNotFoundError):  # a capture beside us has renamed or removed it
            # Not one that it may be about to use: git takes a missing index for an empty one.
            if old.lstat().st_ctime < time.time() - _UNUSED_S:
                old.unlink()
    handle, name = tempfile.mkstemp(prefix="copy-", dir=cache.folder)
    os.close(handle)
    beside = Path(name)
    try:
        # With its time: a file as young as the index may have changed unseen.
        shutil.copy2(repository.folder / "index", beside)
        if plain:
            run_git(
                ["update-index", "--force-write-index"],
                folder=repository.folder,
                work_tree=repository.top,
                environ={"GIT_INDEX_FILE": beside},
                purpose="to read a split or sparse index",
            )
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
