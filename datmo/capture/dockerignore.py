"""Which files a .dockerignore leaves out, by Docker's rules; and the pattern language it shares with COPY.

A file takes the verdict of the last rule that matches it or a folder above it; `!` brings back what an
earlier rule left out.
"""

from __future__ import annotations

import posixpath
import re

from datmo.errors import EnvironmentInvalid

__all__ = ["DockerIgnore", "pattern_regex"]


class DockerIgnore:
    """The rules of one .dockerignore.

    Parameters:
        content: the file's bytes, or None where there is none.

    Raises:
        EnvironmentInvalid: a line is no pattern.
    """

    def __init__(self, content: bytes | None) -> None:
        # Last rule first: the first that matches decides.
        self._rules = list(reversed([_rule(line) for line in _patterns(content or b"")]))

    def excludes(self, path: str) -> bool:
        """Whether a file, by its path in the context, is left out."""
        for regex, left_out in self._rules:
            if regex.match(path):
                return left_out
        return False


def _patterns(content: bytes) -> list[str]:
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    lines = [line for line in text.split("\n") if not line.startswith("#")]
    return [line.strip() for line in lines if line.strip()]


def _rule(line: str) -> tuple[re.Pattern[str], bool]:
    brings_back = line.startswith("!")
    pattern = line[1:].strip() if brings_back else line
    if not pattern:
        raise EnvironmentInvalid(".dockerignore has a line that holds only '!'", hint="give a pattern after it")
    # Docker takes off one leading slash, after cleaning: `/x` and `x` both mean x in the context's root.
    pattern = re.sub("^/+", "", posixpath.normpath(pattern))
    return pattern_regex(pattern, whose=".dockerignore"), not brings_back


def pattern_regex(pattern: str, *, whose: str) -> re.Pattern[str]:
    """Turn a pattern of Docker's into an expression that matches a path, and all paths under it.

    `*` and `?` stay within one folder, `**` does not, `[a-z]` and `[^a-z]` are classes, a backslash takes the
    next character as it is.

    Parameters:
        pattern: the pattern, cleaned, without a leading slash.
        whose: the file it stands in, for the error.

    Raises:
        EnvironmentInvalid: a class is not closed, or is empty.
    """
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        piece, at = _translate(pattern, at)
        parts.append(piece)
    try:
        return re.compile(f"(?:{''.join(parts)})(?:/|\\Z)", re.DOTALL)
    except re.error as error:
        raise EnvironmentInvalid(f"{whose} has a pattern that cannot be read: {pattern!r} ({error.msg})") from error


def _translate(pattern: str, at: int) -> tuple[str, int]:
    """Return the expression for what stands at `at`, and where to go on."""
    if pattern.startswith("**", at):
        after = at + 3 if pattern.startswith("/", at + 2) else at + 2
        return (".*" if after >= len(pattern) else "(?:.*/)?"), after
    character = pattern[at]
    if character == "*":
        return "[^/]*", at + 1
    if character == "?":
        return "[^/]", at + 1
    if character == "\\" and at + 1 < len(pattern):
        return re.escape(pattern[at + 1]), at + 2
    if character == "[":
        return _character_class(pattern, at)
    return re.escape(character), at + 1


def _character_class(pattern: str, at: int) -> tuple[str, int]:
    start = at + 2 if pattern.startswith("^", at + 1) else at + 1
    end = start
    inside: list[str] = []
    while end < len(pattern) and pattern[end] != "]":
        if pattern[end] == "\\" and end + 1 < len(pattern):
            end += 1
            inside.append(re.escape(pattern[end]))
        else:
            # A dash is a range; all else that Python's classes treat as special is taken as it is.
            inside.append("-" if pattern[end] == "-" else re.escape(pattern[end]))
        end += 1
    if end >= len(pattern) or not inside:
        raise EnvironmentInvalid(f"a pattern has a [ that nothing closes: {pattern!r}")
    negation = "^/" if start == at + 2 else ""
    return f"[{negation}{''.join(inside)}]", end + 1
