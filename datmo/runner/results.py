"""A task's results: the lines `key: value` of its output.

A line is a result when it has exactly one colon with something on both sides of it. Both sides are trimmed; the last
line of a key wins. A value that is a number (`0.97`, `-3`, `1e-4`, `nan`, `inf`) becomes one, `true` and `false` (also
as Python prints them) become booleans, all else stays text. Of a line that rewrites itself with carriage returns, a
progress bar, what is seen last counts; colours are left out. What Python shows of an exception is none, though it
ends in `ValueError: why`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from datmo.core.frames import split_frames

__all__ = ["ResultLines", "parse_results", "parse_value"]

LINE_LIMIT = 1 << 14
"""Bytes of the longest line that is looked at."""

KEY_LIMIT = 200
"""Characters of the longest key."""

COUNT_LIMIT = 10_000
"""Keys that are kept of one task; a program that prints more is printing a table."""

_TRACEBACK = b"Traceback (most recent call last):"
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_INTEGER = re.compile(r"[+-]?[0-9]{1,300}")
_FLOAT = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf|infinity)", re.IGNORECASE)
_WORDS = {"true": True, "True": True, "false": False, "False": False}


def parse_value(text: str) -> int | float | bool | str:
    """Return what a word means: a number, a boolean, or itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def parse_results(lines: Iterable[str]) -> dict[str, int | float | bool | str]:
    """Return the results among some lines.

    Parameters:
        lines: each with or without its line end.
    """
    taken = ResultLines()
    for line in lines:
        taken.feed_lines(line.rstrip("\n").encode("utf-8", "surrogateescape") + b"\n")
    return taken.results()


class ResultLines:
    """Gathers results from output as it comes; memory is bounded, whatever the task prints.

    Attributes:
        left_out: how many results were too many to keep.
    """

    def __init__(self) -> None:
        self.left_out: int = 0
        self._found: dict[bytes, bytes] = {}
        self._unfinished: dict[int, bytes] = {}
        self._overlong: set[int] = set()
        self._excepting: set[int] = set()

    def feed(self, frames: bytes) -> None:
        """Take some whole frames. A line may begin in one and end in a later one of the same stream."""
        for stream, data in split_frames(frames):
            whole, newline, rest = data.rpartition(b"\n")
            if newline:
                whole = self._unfinished.pop(stream, b"") + whole
                if stream in self._overlong:
                    self._overlong.discard(stream)
                    whole = whole.partition(b"\n")[2]
                self.feed_lines(whole, stream)
            else:
                rest = self._unfinished.pop(stream, b"") + rest
            if len(rest) > LINE_LIMIT:
                self._overlong.add(stream)
            self._unfinished[stream] = b"" if stream in self._overlong else rest

    def feed_lines(self, lines: bytes, stream: int = 0) -> None:
        """Take some whole lines of a stream."""
        if stream in self._excepting or _TRACEBACK in lines:
            lines = self._without_exceptions(lines, stream)
        if b":" not in lines:
            return
        for line in lines.split(b"\n"):
            if b":" not in line:  # most lines: a chatty task prints millions
                continue
            key, colon, value = line.rstrip(b"\r").rpartition(b"\r")[2].partition(b":")
            if not colon or b":" in value or len(line) > LINE_LIMIT:
                continue
            if len(self._found) >= COUNT_LIMIT and key not in self._found:
                self.left_out += 1
                continue
            self._found.pop(key, None)  # so that the last one comes last, and wins over other spellings
            self._found[key] = value

    def _without_exceptions(self, lines: bytes, stream: int) -> bytes:
        """Leave out the lines that show an exception, also where they began, or end, in another part."""
        kept = []
        for line in lines.split(b"\n"):
            if stream not in self._excepting:
                if line.startswith(_TRACEBACK):
                    self._excepting.add(stream)
                else:
                    kept.append(line)
            elif line.strip() and not line.startswith((b" ", b"\t")):
                self._excepting.discard(stream)  # the exception itself, behind its indented frames
        return b"\n".join(kept)

    def results(self) -> dict[str, int | float | bool | str]:
        """Return what has been found so far, the lines included that have no end yet."""
        last = ResultLines()
        for stream, rest in self._unfinished.items():
            if stream not in self._overlong | self._excepting:
                last.feed_lines(rest)
        results = {}
        for raw, value in {**self._found, **last._found}.items():
            key, text = _clean(raw), _clean(value)
            if text and 0 < len(key) <= KEY_LIMIT and key.isprintable():
                results[key] = parse_value(text)
        return results


def _clean(raw: bytes) -> str:
    return _COLOUR.sub("", raw.decode("utf-8", "replace")).strip()
