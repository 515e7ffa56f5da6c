"""`.datmoignore`: files that captures leave out, tracked or not, in the words of `.gitignore`, at any level.

libgit2 does the matching. It is given a work tree of its own in which each `.datmoignore` is a `.gitignore`, and
which knows of no other rule. Where it reads a rule otherwise than git does, it gets one that it reads like git.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pygit2

from datmo.capture.code_repository import git_errors, set_work_tree

__all__ = ["NAME", "IgnoreRules", "match_rules", "misread", "read_again"]

NAME = ".datmoignore"

# A negation of slashes alone matches nothing, but libgit2 1.9 reads beyond its end and dies; slashes alone match all.
_NO_PATTERN = re.compile(rb"^(!+[/\\\s]+|//+\s*)$", re.MULTILINE)
# Any folder: libgit2 takes the asterisk at its end for any file, too.
_ANY_FOLDER = re.compile(rb"^(!?/?(?:\*\*/)*)\*+/([ \t\r]*)$", re.MULTILINE)
# What takes back: libgit2 drops it where the same file holds no rule that it takes back, though one above may.
_TAKES_BACK = re.compile(rb"^!([^!#\n].*)$", re.MULTILINE)


class IgnoreRules:
    """The rules of all `.datmoignore` files of a project.

    Parameters:
        root: the project's folder.
        paths: where such files may be, relative to it.
        scratch: an empty folder, used while these rules are.
    """

    def __init__(self, root: Path, paths: Iterable[str], scratch: Path) -> None:
        self._git: pygit2.Repository | None = None
        found = {}
        for path in sorted(paths):
            try:
                found[path] = (root / path).read_bytes()
            except OSError:
                continue  # the paths are places where such a file may be; most have none
        self.digest: str = hashlib.sha1(repr(found).encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()
        """Another one for other rules."""
        self.any: bool = any(rules.strip() for rules in found.values())
        """Whether there is any rule."""
        if self.any:
            self._git = _work_tree(found, scratch)

    def match(self, path: str) -> bool:
        """Whether a path is left out, by itself or with a folder above it."""
        return self._git is not None and self._git.path_is_ignored(os.fsencode(path).decode(errors="replace"))


def match_rules(rules: dict[str, bytes], paths: Iterable[str], scratch: Path) -> set[str]:
    """Which paths are ignored by rules that need not lie in any work tree.

    Parameters:
        rules: the rules by the paths of their files.
        paths: the paths.
        scratch: a folder for our use, not there yet.
    """
    if not any(text.strip() for text in rules.values()):
        return set()
    git = _work_tree(rules, scratch)
    return {path for path in paths if git.path_is_ignored(os.fsencode(path).decode(errors="replace"))}


def misread(rules: Mapping[str, bytes]) -> bool:
    """Whether libgit2 reads some rules for any folder as rules for any file, too, or drops some that take back.

    Parameters:
        rules: the rules by the paths of their files.
    """
    return any(_ANY_FOLDER.search(text) or _TAKES_BACK.search(text) for text in rules.values())


def read_again(
    git: pygit2.Repository, rules: Mapping[str, bytes], paths: Sequence[str], scratch: Path
) -> dict[str, bool]:
    """Say which files and links git ignores, none of them tracked. libgit2 takes a link to a folder for a folder.

    Parameters:
        git: the repository, with its work tree.
        rules: the rules in its `.gitignore` files, by their paths in the work tree.
        paths: the files and links.
        scratch: a folder for our use, not there yet.
    """
    if not paths:
        return {}
    # In a tree without the links they are plain files to it; the repository's other rules apply as well.
    scratch.mkdir(parents=True)
    _write_rules(scratch, rules)
    beside = pygit2.Repository(git.path)
    set_work_tree(beside, scratch)
    return {path: beside.path_is_ignored(os.fsencode(path).decode(errors="replace")) for path in paths}


def _write_rules(tree: Path, rules: Mapping[str, bytes]) -> None:
    for path, text in rules.items():
        place = (tree / path).with_name(".gitignore")
        place.parent.mkdir(parents=True, exist_ok=True)
        plain = _ANY_FOLDER.sub(rb"\1?*/\2", _NO_PATTERN.sub(b"", text))
        # Before a rule that takes back one that takes the same changes nothing, but that libgit2 keeps both.
        place.write_bytes(_TAKES_BACK.sub(rb"\1\n!\1", plain))


def _work_tree(rules: dict[str, bytes], scratch: Path) -> pygit2.Repository:
    tree, git = scratch / "tree", scratch / "git"
    for folder in (tree, git / "objects", git / "refs"):
        folder.mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/none\n")
    (git / "config").write_text("[core]\n\texcludesFile = /dev/null\n")
    _write_rules(tree, rules)
    with git_errors(f"the {NAME} files cannot be used"):
        repository = pygit2.Repository(os.fspath(git))
        set_work_tree(repository, tree)
        return repository
