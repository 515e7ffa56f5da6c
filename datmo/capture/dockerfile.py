"""Which files of its context a Dockerfile names.

This decides what an image is rebuilt for, so every doubt falls on the safe side: where a source cannot be
known, the answer is the whole context. An `ENV` of the Dockerfile is certain. An `ARG` is not: a variable of
the base image overrules it (`ARG PYTHON_VERSION` on a Python image is that image's own version).
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Instruction", "copied_sources", "instructions", "is_dockerfile"]

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*\Z")
_HEREDOC = re.compile(r"\d*<<(-?)([^<]+)\Z")
_REMOTE = re.compile(r"(?:https?|ftp|git|ssh)://|git@", re.IGNORECASE)
_FROM = re.compile(r"(?:--\S+\s+)*\S+(?:\s+AS\s+\S+)?\s*\Z", re.IGNORECASE)
_MORE_THAN_A_NAME = re.compile(r"\$\{(\w+)(:?[-+])(.*)\}\Z", re.DOTALL)


class Instruction(NamedTuple):
    """One instruction: its name in capitals, its flags, and the rest of its line."""

    name: str
    flags: tuple[str, ...]
    rest: str


class _Unknown(Exception):
    """A source cannot be known from the Dockerfile alone."""


def is_dockerfile(content: bytes) -> bool:
    """Whether a file of any name reads as a Dockerfile: its first instruction, but for ARG, is a FROM."""
    if b"\0" in content:
        return False
    for instruction in instructions(content):
        if instruction.name != "ARG":
            return instruction.name == "FROM" and _FROM.match(instruction.rest) is not None
    return False


def copied_sources(dockerfile: bytes) -> tuple[str, ...] | None:
    """Return the patterns that COPY, ADD and bind mounts name, relative to the context's root, sorted.

    What comes from another stage or from the network is not among them.

    Returns:
        The patterns; None where they are the whole context, or cannot be known.
    """
    sources: set[str] = set()
    stages: dict[str, dict[str, str]] = {}
    variables: dict[str, str] = {}
    escape = _escape(_text(dockerfile))
    try:
        for instruction in instructions(dockerfile):
            if instruction.name == "FROM":
                variables = _stage(instruction.rest, stages)
            elif instruction.name == "ENV":
                _set_variables(instruction.rest, variables, escape)
            else:
                for word in _named(instruction):
                    sources.add(_clean(_expand(word, variables, escape)))
    except _Unknown:
        return None
    return None if "" in sources else tuple(sorted(sources))


def instructions(dockerfile: bytes) -> Iterator[Instruction]:
    """Yield a Dockerfile's instructions: comments and heredoc bodies left out, continued lines joined.

    An `ONBUILD` is given as the instruction that it holds: a later stage may be the build that it is for.
    """
    text = _text(dockerfile)
    escape = _escape(text)
    continued = re.compile(rf"(?<!{re.escape(escape)}){re.escape(escape)}[ \t]*\Z")
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        joined = ""
        while at < len(lines):
            line = lines[at]
            at += 1
            if line.lstrip().startswith("#") or (joined and not line.strip()):
                continue
            joined += continued.sub("", line)
            if not continued.search(line):
                break
        if joined.strip():
            instruction = _instruction(joined.strip())
            if instruction.name in ("RUN", "COPY", "ADD"):
                at = _after_heredocs(instruction.rest, lines, at)
            yield instruction


def _text(dockerfile: bytes) -> str:
    return dockerfile.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def _escape(text: str) -> str:
    """Return the escape character: a backslash, unless a directive at the very top says a backtick."""
    for line in text.split("\n"):
        directive = _DIRECTIVE.match(line.strip())
        if directive is None:
            break
        if directive[1].lower() == "escape" and directive[2] in ("\\", "`"):
            return directive[2]
    return "\\"


def _instruction(line: str) -> Instruction:
    name, _, rest = re.sub(r"\s+", " ", line, count=1).partition(" ")
    flags: list[str] = []
    rest = rest.lstrip()
    if name.upper() == "ONBUILD" and rest:
        return _instruction(rest)
    while (flag := re.match(r"--\S*(?:\s+|\Z)", rest)) is not None:
        flags.append(flag[0].strip())
        rest = rest[flag.end() :]
    return Instruction(name.upper(), tuple(flags), rest)


def _after_heredocs(rest: str, lines: list[str], at: int) -> int:
    """Return the line after the heredoc bodies that begin at `at`, if any do.

    What looks like one but is never ended is none: swallowing the lines after it would hide their sources.
    """
    for word in rest.split():
        heredoc = _HEREDOC.match(word)
        if heredoc is None:
            continue
        name = heredoc[2].strip("\"'")
        for end in range(at, len(lines)):
            if (lines[end].lstrip("\t") if heredoc[1] else lines[end]) == name:
                at = end + 1
                break
    return at


def _stage(rest: str, stages: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return the variables that a stage begins with: those of the stage it is built on."""
    words = [word for word in rest.split() if not word.startswith("--")]
    base = words[0].lower() if words else ""
    if "onbuild" in base:
        raise _Unknown  # such an image brings COPY instructions of its own
    variables = dict(stages.get(base, {}))
    if len(words) >= 3 and words[1].upper() == "AS":
        stages[words[2].lower()] = variables
    return variables


def _named(instruction: Instruction) -> list[str]:
    """Return the words by which an instruction names files of the context, not yet expanded."""
    if instruction.name == "RUN":
        return [source for flag in instruction.flags if (source := _mounted(flag)) is not None]
    if instruction.name not in ("COPY", "ADD"):
        return []
    if any(flag.startswith("--from=") for flag in instruction.flags):
        return []
    words = _words(instruction.rest)
    # The last word is where to; when everything comes from heredocs it is the only other one.
    sources = [word for word in words[:-1] if not _HEREDOC.match(word)]
    return [word for word in sources if instruction.name == "COPY" or not _REMOTE.match(word)]


def _mounted(flag: str) -> str | None:
    """Return what a `RUN --mount=...` shows of the context, or None."""
    if not flag.startswith("--mount="):
        return None
    pairs = [pair.partition("=") for pair in flag.removeprefix("--mount=").split(",")]
    options = {key.strip().lower(): value for key, _, value in pairs}
    if options.get("type", "bind") != "bind" or "from" in options:
        return None
    return options.get("source", options.get("src", "."))


def _words(rest: str) -> list[str]:
    if rest.startswith("["):
        try:
            words = json.loads(rest)
        except ValueError:
            return rest.split()
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return words
    return rest.split()


def _clean(source: str) -> str:
    """Return a source relative to the context's root; `..` cannot lead out of it."""
    return re.sub("^/+", "", posixpath.normpath("/" + source))


def _set_variables(rest: str, variables: dict[str, str], escape: str) -> None:
    quoted = r""""(?:[^"{0}]|{0}.)*"|'[^']*'|{0}.|[^\s"'{0}]""".format(re.escape(escape))
    words = [match[0] for match in re.finditer(f"(?:{quoted})+", rest, re.DOTALL)]
    if words and "=" not in words[0]:
        name, _, value = rest.partition(" ")
        words = [f"{name}={value.strip()}"]
    known = dict(variables)  # every value sees the variables as they were before the instruction
    for word in words:
        name, _, value = word.partition("=")
        try:
            variables[name] = _expand(value, known, escape)
        except _Unknown:
            variables.pop(name, None)


def _expand(word: str, variables: dict[str, str], escape: str) -> str:
    """Return a word with quotes taken off and variables filled in, as a build does it.

    Raises:
        _Unknown: it uses a variable whose value is not certain.
    """
    token = re.compile(rf"'[^']*'|\"|{re.escape(escape)}.|\$\{{[^}}]*\}}|\$\w+|.", re.DOTALL)
    parts: list[str] = []
    quoted = False
    for piece in token.findall(word):
        if piece == '"':
            quoted = not quoted
        elif piece[0] == "'" and len(piece) > 1 and not quoted:
            parts.append(piece[1:-1])
        elif piece[0] == escape and len(piece) > 1:
            parts.append(piece[1])
        elif piece[0] == "$" and len(piece) > 1:
            parts.append(_value(piece, variables))
        else:
            if piece[0] == "'" and "$" in piece:
                raise _Unknown  # single quotes within double ones: not worth a grammar
            parts.append(piece)
    return "".join(parts)


def _value(reference: str, variables: dict[str, str]) -> str:
    """Return what `$NAME`, `${NAME}`, `${NAME:-word}` or `${NAME:+word}` stands for."""
    name = reference[1:].strip("{}")
    if name in variables:
        return variables[name]
    extended = _MORE_THAN_A_NAME.match(reference)
    if extended is None or extended[1] not in variables or "$" in extended[3]:
        raise _Unknown
    value = variables[extended[1]]
    is_set = bool(value) or ":" not in extended[2]
    if extended[2].endswith("+"):
        return extended[3] if is_set else ""
    return value if is_set else extended[3]
