"""What git changes in a file's bytes between the work tree and its objects: line endings, `$Id$`, filters.

A capture must bring back the bytes that it saw, and must know a file as unchanged where git does. So a file is
stored in git's form where checking that out gives its bytes again, else as it is where that survives a checkout,
else whole in the object store. Filters that are programs (git-lfs, nbstripout) are run by git: what they drop is
their business.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pygit2
from pygit2.enums import FilterMode

from datmo.capture.code_program import quoted, run_git
from datmo.capture.code_repository import Repository

__all__ = ["Conversions", "attribute_places", "clean_by_program"]

_INTO_GIT = re.compile(rb"\b(?:text|crlf|eol|ident|filter|working-tree-encoding)\b")
_OUT_OF_GIT = re.compile(rb"\b(?:eol=crlf|ident|filter=|working-tree-encoding=)")
_TEXT = re.compile(rb"\b(?:text|crlf)\b")
_KEYWORDS = re.compile(rb"\bident\b")
_PROGRAMS = re.compile(rb"\b(?:filter=|working-tree-encoding=)")


class Conversions:
    """The conversions in force in one work tree.

    Parameters:
        git: a repository whose work tree holds the attribute files.
        common: where its `info/attributes` lies.
        prefix: the project's folder in it.
        attributes: the `.gitattributes` files in it, by their paths; the rest of git's are found here.
    """

    def __init__(self, git: pygit2.Repository, common: Path, prefix: str, attributes: Iterable[str]) -> None:
        self.git = git
        self._prefix = prefix
        settings = [_setting(git, name) for name in ("core.autocrlf", "core.eol")]
        files = _read_all(git, common, attributes)
        rules = b"\n".join(files.values())
        converts = settings[0] not in {"", "false", "no", "off", "0"}
        self.into_git: bool = converts or _INTO_GIT.search(rules) is not None
        """Whether anything may be converted on the way into git."""
        self.out_of_git: bool = (
            (converts and settings[0] != "input")
            or _OUT_OF_GIT.search(rules) is not None
            or (settings[1] == "crlf" and _TEXT.search(rules) is not None)
        )
        """Whether anything may be converted on the way out of git."""
        self._programs = _PROGRAMS.search(rules) is not None
        self._keywords = _KEYWORDS.search(rules) is not None
        told = repr((settings, sorted(files.items())))
        self.digest: str = hashlib.sha1(told.encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()
        """Another one where the same bytes may become other objects."""

    def needs_program(self, path: str) -> bool:
        """Whether a file goes through a program, or an encoding that only git knows."""
        if not self._programs:
            return False
        name = self._name(path)
        if isinstance(self.git.get_attr(name, "working-tree-encoding"), str):
            return True
        driver = self.git.get_attr(name, "filter")
        return isinstance(driver, str) and any(
            _setting(self.git, f"filter.{driver}.{kind}") for kind in ("clean", "smudge", "process")
        )

    def has_keywords(self, path: str, data: bytes) -> bool:
        """Whether git puts a blob's id into the file; it can do so itself only, and does as it likes with it."""
        return self._keywords and b"$Id" in data and self.git.get_attr(self._name(path), "ident") is True

    def stored_form(self, path: str, data: bytes) -> bytes | None:
        """What git stores for a file's bytes, so that a checkout gives them back; None where nothing does."""
        if not self.into_git or not data:
            return data
        name = self._name(path)
        if b"\0" in data:
            # git leaves such a file alone unless it is declared to be text.
            return None if self.git.get_attr(name, "text") is True else data
        into = self.git.load_filter_list(name, FilterMode.TO_ODB)
        if into is not None:
            # Refused where core.safecrlf forbids it.
            with suppress(pygit2.GitError):
                stored = into.apply_to_buffer(data)
                if self._as_file(name, stored) == data:
                    return stored
        return data if self._as_file(name, data) == data else None

    def as_file(self, path: str, data: bytes) -> bytes | None:
        """What a checkout writes for a blob; None where only the git program can tell."""
        if not self.out_of_git or not data:
            return data
        if self.needs_program(path) or self.has_keywords(path, data):
            return None
        name = self._name(path)
        if b"\0" in data:
            return None if self.git.get_attr(name, "text") is True else data
        return self._as_file(name, data)

    def _as_file(self, name: str, data: bytes) -> bytes:
        out = self.git.load_filter_list(name, FilterMode.TO_WORKTREE) if data else None
        return data if out is None else out.apply_to_buffer(data)

    def _name(self, path: str) -> str:
        # libgit2's Python face takes UTF-8 alone; for matching patterns a stand-in will do.
        return os.fsencode(self._prefix + path).decode(errors="replace")


def clean_by_program(repository: Repository, paths: list[str], objects: Path) -> list[str]:
    """Let git store files through their filters, as loose objects in a folder.

    Parameters:
        repository: whose filters apply.
        paths: the files, in the project.
        objects: the folder for what is new.

    Returns:
        the id of each.
    """
    asked = b"".join(quoted(repository.prefix + path) + b"\n" for path in paths)
    output = run_git(
        ["hash-object", "-w", "--stdin-paths"],
        folder=repository.folder,
        work_tree=repository.top,
        stdin=asked,
        environ={
            "GIT_OBJECT_DIRECTORY": objects,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": repository.common / "objects",
        },
        purpose=f"for the filter that .gitattributes sets for {paths[0]!r}",
    )
    return output.decode().split()


def attribute_places(prefix: str) -> list[str]:
    """Where a `.gitattributes` may lie that speaks of all of a project: in the root, and down to its folder."""
    ends = [0, *(place + 1 for place, letter in enumerate(prefix) if letter == "/")]
    return [prefix[:end] + ".gitattributes" for end in ends]


def _read_all(git: pygit2.Repository, common: Path, attributes: Iterable[str]) -> dict[str, bytes]:
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    users = _setting(git, "core.attributesfile") or os.path.join(config, "git", "attributes")
    files = {
        "info": os.path.join(common, "info", "attributes"),
        "user": users,
        "system": "/etc/gitattributes",
    }
    files |= {f"/{path}": os.path.join(git.workdir or "", path) for path in attributes}
    found = {}
    for name, path in files.items():
        try:
            with open(os.path.expanduser(path), "rb") as file:
                found[name] = file.read()
        except OSError:
            # Not there, or not for us to read: then neither for git.
            continue
    return found


def _setting(git: pygit2.Repository, name: str) -> str:
    try:
        return (git.config[name] or "").lower() if name in git.config else ""
    except (KeyError, ValueError):
        return ""
