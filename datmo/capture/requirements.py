"""What a requirements file names: the files that it pulls in, and what of it can be installed.

Only files of the project are followed. What a line installs from a folder of the project is not: a task
imports that from its own checkout, so such a line stands for the folder's dependencies.
"""

from __future__ import annotations

import codecs
import posixpath
import re
from collections.abc import Callable
from typing import NamedTuple

from datmo.capture.pyproject import project_dependencies
from datmo.errors import EnvironmentInvalid

__all__ = ["ReadFile", "Requirements", "read_requirements"]

ReadFile = Callable[[str], bytes | None]
"""Reads a file by its path relative to the project's root; None where there is none."""

_PULLS_IN = re.compile(r"(?P<option>--requirement|--constraint|-r|-c)(?:\s*=\s*|\s+|(?<=-[rc]))(?P<path>\S+)\Z")
_EDITABLE = re.compile(r"(?:--editable|-e)(?:\s*=\s*|\s+)(?P<what>.+)\Z")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_LOCAL = re.compile(r"(?P<path>[^\[;]+)(?:\[(?P<extras>[^\]]*)\])?")
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ARCHIVE = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2")


class Requirements(NamedTuple):
    """What a requirements file comes to.

    Parameters:
        kept: every file that belongs to it, itself first, as it is.
        installed: the same files as an installer gets them.
        notices: what its user should know, a line each.
    """

    kept: dict[str, bytes]
    installed: dict[str, bytes]
    notices: tuple[str, ...]


def read_requirements(name: str, read: ReadFile) -> Requirements:
    """Read a requirements file, and those that it names by `-r` and `-c`.

    Parameters:
        name: its path, relative to the project's root.
        read: reads a file of the project.

    Raises:
        EnvironmentInvalid: a file is missing or lies outside the project.
    """
    reader = _Reader(read)
    reader.follow(name, "the environment")
    return Requirements(reader.kept, reader.installed, tuple(reader.notices))


class _Reader:
    def __init__(self, read: ReadFile) -> None:
        self._read = read
        self.kept: dict[str, bytes] = {}
        self.installed: dict[str, bytes] = {}
        self.notices: list[str] = []

    def follow(self, name: str, whose: str) -> None:
        """Take in one requirements file and those that it names; each once, so that a circle ends."""
        content = self._keep(name, whose)
        if name not in self.installed:
            self.installed[name] = b""
            lines = [self._line(name, line) for line in _logical_lines(content)]
            self.installed[name] = "".join(f"{line}\n" for line in lines if line).encode(errors="surrogateescape")

    def _keep(self, name: str, whose: str) -> bytes:
        content = self._read(name)
        if content is None:
            raise EnvironmentInvalid(f"{whose} names {name}, which does not exist")
        self.kept[name] = content
        return content

    def _line(self, name: str, line: str) -> str:
        """Take in what a line names; return it as an installer gets it."""
        if (pulled := _PULLS_IN.match(line)) is not None:
            if _REMOTE.match(pulled["path"]):
                self.notices.append(f"{name} pulls in {pulled['path']}, which is not kept with the environment")
                return line
            self.follow(_inside(name, posixpath.join(posixpath.dirname(name), pulled["path"])), name)
            return line
        editable = _EDITABLE.match(line)
        what = editable["what"] if editable else line
        local = _LOCAL.match(what)
        if line.startswith("--") and not editable:
            return line
        if re.match(r"(?:\S+\s*@\s*)?file:", what):
            _refuse(name, line)
        if local is None or _REMOTE.search(what) or not (editable or _is_path(local["path"].strip())):
            return line
        path = _inside(name, local["path"].strip())
        if path.endswith(_ARCHIVE):
            self.installed[path] = self._keep(path, name)
            return line
        return self._folder(name, line, path, [extra.strip() for extra in (local["extras"] or "").split(",")])

    def _folder(self, name: str, line: str, folder: str, extras: list[str]) -> str:
        project = posixpath.normpath(posixpath.join(folder, "pyproject.toml"))
        content = self._read(project)
        if content is None:
            self.notices.append(f"{name}: `{line}` is left out: it installs a folder of the project")
            return ""
        self.kept[project] = content
        self.notices.append(f"{name}: of `{line}` only the dependencies are installed: a task runs its own code")
        return "\n".join(project_dependencies(content, [extra for extra in extras if extra]))


def _logical_lines(content: bytes) -> list[str]:
    text = re.sub(r"\\\r?\n", " ", _decode(content))
    return [line for raw in text.splitlines() if (line := _COMMENT.sub("", raw).strip())]


def _decode(content: bytes) -> str:
    # `pip freeze > requirements.txt` in PowerShell writes UTF-16.
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    return content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def _is_path(word: str) -> bool:
    return word.startswith((".", "/")) or (word.endswith(_ARCHIVE) and "@" not in word)


def _inside(name: str, path: str) -> str:
    """Return a path in the project in its plain form.

    Raises:
        EnvironmentInvalid: it leads outside.
    """
    plain = posixpath.normpath(path)
    if posixpath.isabs(plain) or plain == ".." or plain.startswith("../"):
        _refuse(name, path)
    return plain


def _refuse(name: str, what: str) -> None:
    raise EnvironmentInvalid(
        f"{name} names {what!r}, which lies outside the project",
        hint="copy it into the project, or name a package with its version",
    )
