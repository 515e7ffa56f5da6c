"""How two captured codes differ, file by file, and what of the tree another code would ignore."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pygit2

from datmo.capture.code import CodeRepository
from datmo.capture.code_changes import Changes, Side, code_changes, large_leaves
from datmo.capture.code_checkout import Code
from datmo.capture.code_ignore import NAME, match_rules
from datmo.capture.code_repository import git_errors
from datmo.capture.code_tree import FOLDER, LINK, SUBMODULE, Leaf, find, walk
from datmo.capture.manifest import FileEntry
from datmo.errors import Refused
from datmo.objects.hashing import object_id
from datmo.objects.store import ObjectStore

__all__ = [
    "BLOCKED",
    "claimed",
    "contested_in",
    "displaced",
    "ignored_by",
    "lost_leaves",
    "refuse_under_way",
    "unclaimed",
]

BLOCKED = Leaf(FOLDER, b"")
"""What a code says of a path at which it has a folder, or on the way to which it has a file."""

_RULES = (".gitignore", NAME)
_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "BISECT_LOG": "a bisect",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "sequencer": "a cherry-pick or revert",
}


def refuse_under_way(code: CodeRepository) -> None:
    """Refuse to change the tree in the middle of something that git does with it.

    Raises:
        Refused: a merge, rebase, bisect, cherry-pick or revert is under way.
    """
    folder = code.current().folder
    for name, what in _UNDER_WAY.items():
        if os.path.lexists(folder / name):
            raise Refused(
                f"{what} is under way in the repository: a checkout now would end up in it",
                hint="finish or abort it first; `git status` says how",
            )


def claimed(code: Code, path: str) -> Leaf | None:
    """What a code says of a path: its leaf, `BLOCKED`, or nothing."""
    large = large_leaves(code.large)
    if path in large:
        return large[path]
    found = find(code.repository.read_tree, code.tree, path)
    if found is not None and found.mode != FOLDER:
        return found
    parts = path.split("/")
    for above in ("/".join(parts[:depth]) for depth in range(1, len(parts))):
        leaf = find(code.repository.read_tree, code.tree, above)
        if above in large or (leaf is not None and leaf.mode != FOLDER):
            return BLOCKED
    if found is not None or any(each.startswith(f"{path}/") for each in large):
        return BLOCKED
    return None


def ignored_by(
    now: Code, code: Code, changes: Changes, paths: Iterable[str], *, store: ObjectStore, scratch: Path
) -> set[str]:
    """Which paths another code's rules would ignore: they are not captured then, and so not part of it.

    Parameters:
        now: today's code.
        code: the code whose `.gitignore` and `.datmoignore` files count.
        changes: what differs between the two.
        paths: paths in the tree that today's rules do not ignore.
        store: where those of these files are that git would change.
        scratch: an empty folder for our use.
    """
    # The same rules would say the same.
    if not any(os.path.basename(path) in _RULES for path in changes):
        return set()
    asked = list(paths)
    if not asked:
        return set()
    rules = _rules_in(code, store)
    ours = match_rules(rules[NAME], asked, scratch / "datmoignore")
    theirs = match_rules(rules[".gitignore"], asked, scratch / "gitignore")
    return ours | {path for path in theirs if not _is_tracked(now, path)}


def _rules_in(code: Code, store: ObjectStore) -> dict[str, dict[str, bytes]]:
    """The files of both kinds of rules in a code, by their paths."""
    found: dict[str, dict[str, bytes]] = {name: {} for name in _RULES}
    for raw, leaf in walk(code.repository.read_tree, code.tree):
        path = os.fsdecode(raw)
        if (name := os.path.basename(path)) in found and leaf.mode not in {LINK, SUBMODULE}:
            found[name][path] = code.repository.read(leaf.oid)[1]
    for entry in code.large:
        if (name := os.path.basename(entry.path)) in found:
            found[name][entry.path] = store.read(entry.object)
    return found


def _is_tracked(code: Code, path: str) -> bool:
    """Whether the user's index has a path: git ignores nothing that it tracks."""
    if code.repository.own:
        return False
    with git_errors("the index cannot be read"):
        try:
            return code.repository.prefix + path in code.repository.git.index
        except (UnicodeEncodeError, pygit2.GitError):  # a name, or an index, that libgit2 does not read
            return False


def lost_leaves(code: CodeRepository, now: str, *known: str) -> bool:
    """Whether the tree's code has a file that none of these codes has like this.

    Parameters:
        code: the project's code.
        now: the tree's code, captured just now.
        known: other codes.
    """
    sides = [code_changes(Side.of(code.load(each)), Side.of(code.load(now))) for each in known]
    first, *others = sides or [{}]
    return any(new is not None and all(path in side for side in others) for path, (_, new) in first.items())


def unclaimed(code: CodeRepository, code_id: str, places: Mapping[str, FileEntry]) -> dict[str, FileEntry]:
    """Which files in a tree are no part of its code.

    Parameters:
        code: the project's code.
        code_id: the code that is in the tree.
        places: the files.
    """
    found = code.load(code_id)
    return {path: entry for path, entry in places.items() if claimed(found, path) is None}


def displaced(
    code: CodeRepository, code_id: str, files: Mapping[str, FileEntry], places: Mapping[str, FileEntry]
) -> set[str]:
    """Which files of a collection are not in the tree because the code has others in their places.

    Parameters:
        code: the project's code.
        code_id: the code that is in the tree.
        files: the collection's files.
        places: what lies in the tree.
    """
    found = None
    over = set()
    for path, entry in files.items():
        place = places.get(path)
        if place is None or place.object != entry.object:
            found = found or code.load(code_id)
            if claimed(found, path) is not None:
                over.add(path)
    return over


def contested_in(
    code: CodeRepository, store: ObjectStore, code_id: str, files: Mapping[str, FileEntry]
) -> tuple[list[FileEntry], list[FileEntry]]:
    """Sort a collection's files by whether the code has others in their places.

    Parameters:
        code: the project's code.
        store: where files are.
        code_id: the code.
        files: the collection's files.

    Returns:
        those that the code takes the places of, and the others.
    """
    found = code.load(code_id)
    lost: list[FileEntry] = []
    free: list[FileEntry] = []
    for path, entry in files.items():
        leaf = claimed(found, path)
        if leaf is None:
            free.append(entry)
            continue
        data = None if leaf == BLOCKED else code.read_file(code_id, path, store)
        same = data is not None and object_id(data) == entry.object and (leaf.mode == LINK) == (entry.mode == LINK)
        (free if same else lost).append(entry)
    return lost, free
