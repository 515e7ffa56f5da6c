"""What may come next in an expression that somebody is typing: a key, a comparison, a value, or `and` and `or`."""

from __future__ import annotations

import re
from typing import NamedTuple

from datmo.core import expression

__all__ = ["Expected", "expected", "order_expected"]

_PARENTHESIS = re.compile(r"[()]")
_NOT = re.compile(r"not(?![\w.-])")
_JOINT = re.compile(r"(?:and|or)(?![\w.-])")
_VALUE = re.compile(rf"(?P<text>{expression.TEXT_PATTERN})|[^\s()\"']+", re.DOTALL)


class Expected(NamedTuple):
    """What may come next.

    Attributes:
        what: `key`, `comparison`, `value`, `joint` (and, or), or `direction` (asc, desc).
        typed: what is typed of it already; the end of the text.
        key: the key that a value is compared with.
    """

    what: str
    typed: str
    key: str = ""


def expected(text: str) -> Expected:
    """Return what may come next in an expression; what is wrong in it is not looked at."""
    what, key, at = "key", "", 0
    while True:
        at = _behind_blanks(text, at)
        if what in ("key", "joint") and (mark := _PARENTHESIS.match(text, at)):
            at = mark.end()
            continue
        found = _pattern(what, text, at).match(text, at)
        if found is None or (found.end() == len(text) and not found.groupdict().get("text")):
            return Expected(what, text[at:], key)
        if what == "key" and _goes_on(text, found.end()):
            return Expected(what, text[at:])
        at = found.end()
        if what == "key" and not _NOT.fullmatch(found[0]):
            what, key = "comparison", found[0]
        elif what != "key":
            what = {"comparison": "value", "value": "joint", "joint": "key"}[what]


def order_expected(text: str) -> Expected:
    """Return what may come next in what a list is sorted by."""
    found = expression.KEY_PATTERN.match(text)
    if found is None or found.end() == len(text) or _goes_on(text, found.end()):
        return Expected("key", text)
    return Expected("direction", text[_behind_blanks(text, found.end()) :])


def _goes_on(text: str, end: int) -> bool:
    """Say whether a key has a further part, of which the beginning is typed."""
    return text[_behind_blanks(text, end) :].startswith(".")


def _pattern(what: str, text: str, at: int) -> re.Pattern[str]:
    if what == "key":
        return _NOT if _NOT.match(text, at) else expression.KEY_PATTERN
    return {"comparison": expression.OPERATOR_PATTERN, "value": _VALUE, "joint": _JOINT}[what]


def _behind_blanks(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at
