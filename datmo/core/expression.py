"""The language of `--where`: which snapshots or tasks are meant.

::

    stats.accuracy > 0.9 and config.lr == 0.1
    not (label == "best" or message contains "draft") and created_at >= "2026-11-01"
    config."learning rate" <= 1e-3 and stats.f1 != null

- A **key** is a field (`label`, `status`, `created_at` ...) or a path into one that holds values (`config.lr`,
  `config.optimizer.beta`). A part that is no word stands in quotes.
- A **value** is a number, text in `"` or `'` (a backslash before a quote or a backslash), `true`, `false` or `null`.
  Times are text in ISO 8601, UTC where they have no zone.
- **Comparisons** are `==` `!=` `<` `<=` `>` `>=` and `contains` (or `~`), which looks for text in text and takes upper
  and lower case alike. Numbers compare with numbers and text with text; between other types `!=` holds, and nothing
  else does. NaN equals nothing, not itself either.
- **A key that is missing is no error**: every comparison with it is false, `!=` too; so `stats.f1 != null` asks whether
  it is there. A field that was not given, such as a label, is null.
- `not` turns one comparison, or what is in parentheses, into its contrary: `not stats.f1 > 0.5` finds also those
  without an `f1`. It binds closer than `and`, and that closer than `or`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from datmo.core.event import microseconds
from datmo.errors import InvalidArgument, InvalidArgumentType

__all__ = [
    "KEY_PATTERN",
    "OPERATOR_PATTERN",
    "TEXT_PATTERN",
    "AllOf",
    "AnyOf",
    "Comparison",
    "Key",
    "Node",
    "Not",
    "Order",
    "number_of",
    "parse",
    "parse_order",
]

LONGEST = 4000
DEEPEST = 50
MOST_COMPARISONS = 100

TEXT, TIME, NUMBER, VALUES = "text", "time", "number", "values"
"""What a field holds: a value of one kind, or (the last) a dict of values of any kind."""

Literal = str | int | float | bool | None
_INT64 = range(-(1 << 63), 1 << 63)
TEXT_PATTERN = r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^'\\]|\\.)*'"
KEY_PATTERN = re.compile(rf"[^\W\d][\w-]*(?:\s*\.\s*(?:[\w-]+|{TEXT_PATTERN}))*", re.DOTALL)
_PART = re.compile(rf"[\w-]+|{TEXT_PATTERN}", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_TEXT = re.compile(TEXT_PATTERN, re.DOTALL)
OPERATOR_PATTERN = re.compile(r"==|!=|<=|>=|<|>|~|contains(?![\w.-])")
_WORDS = {"true": True, "false": False, "null": None}
_KEYWORDS = {"and", "or", "not", "contains", *_WORDS}
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class Key(NamedTuple):
    """What is compared: a field, and the path into it where it holds values."""

    field: str
    kind: str
    path: tuple[str, ...] = ()


class Comparison(NamedTuple):
    """A key and a value; `~` stands for `contains`. Of a time the value is in microseconds."""

    key: Key
    operator: str
    value: Literal


class Not(NamedTuple):
    """The contrary."""

    part: Node


class AllOf(NamedTuple):
    """All of them hold."""

    parts: tuple[Node, ...]


class AnyOf(NamedTuple):
    """One of them holds, or more."""

    parts: tuple[Node, ...]


Node = Comparison | Not | AllOf | AnyOf


class Order(NamedTuple):
    """How a list is sorted: by a key, the largest first unless it is ascending."""

    key: Key
    ascending: bool


def parse(text: str, fields: Mapping[str, str]) -> Node:
    """Return what an expression says.

    Parameters:
        text: the expression.
        fields: the names of the fields, and what each holds: `text`, `time`, `number` or `values`.

    Raises:
        InvalidArgument: it cannot be read; the message names the column, and the hint marks it with `^`.
        InvalidArgumentType: it is no text.
    """
    reader = _Reader(text, fields)
    node = reader.either()
    reader.end("'and' or 'or'")
    return node


def parse_order(text: str, fields: Mapping[str, str]) -> Order:
    """Return what `KEY`, `KEY desc` or `KEY asc` says.

    Raises:
        InvalidArgument: it cannot be read, or the key is one that has no order.
        InvalidArgumentType: it is no text.
    """
    reader = _Reader(text, fields)
    key = reader.key()
    word = reader.word("asc", "desc")
    reader.end("'asc' or 'desc'")
    return Order(key, word == "asc")


class _Reader:
    """Reads an expression from left to right."""

    def __init__(self, text: str, fields: Mapping[str, str]) -> None:
        if not isinstance(text, str):
            raise InvalidArgumentType(f"an expression is text, not {type(text).__name__}")
        self._text = text
        self._fields = fields
        self._at = 0
        self._depth = 0
        self._comparisons = 0
        if len(text) > LONGEST:
            raise InvalidArgument(f"the expression has {len(text)} characters, {LONGEST} at most can be read")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidArgument(f"the expression is no valid text: {text!r}") from None
        self._skip()

    def either(self) -> Node:
        parts = [self._both()]
        while self.word("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def end(self, wanted: str) -> None:
        if self._at < len(self._text):
            raise self._wrong(f"{wanted}, or the end, is expected here")

    def take(self, pattern: re.Pattern[str]) -> str | None:
        """Return what is next where it is of a pattern, and go on behind it."""
        found = pattern.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        self._skip()
        return found[0]

    def key(self) -> Key:
        start = self._at
        text = self.take(KEY_PATTERN)
        if text is None or text in _KEYWORDS:
            raise self._wrong("a key is expected here, such as config.lr or label", start)
        name, *path = [_unquoted(part) for part in _PART.findall(text)]
        kind = self._fields.get(name)
        if kind is None:
            from difflib import get_close_matches

            near = get_close_matches(name, self._fields, 1)
            known = f"did you mean {near[0]}?" if near else f"there are: {', '.join(self._fields)}"
            raise self._wrong(f"there is no field {name!r}; {self._as_value(text, near)}{known}", start)
        if bool(path) != (kind == VALUES):
            problem = (
                f"say which value, such as {name}.NAME" if kind == VALUES else f"{name} is one value, without parts"
            )
            raise self._wrong(problem, start)
        if any(mark in part for part in path for mark in '"\\' + "".join(map(chr, range(32)))):
            raise self._wrong("a name with quotes, backslashes or control characters cannot be asked for", start)
        return Key(name, kind, tuple(path))

    def _both(self) -> Node:
        parts = [self._one()]
        while self.word("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _one(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong(f"this is nested more than {DEEPEST} deep")
        node: Node
        if self.word("not"):
            node = Not(self._one())
        elif self._mark("("):
            node = self.either()
            if not self._mark(")"):
                raise self._wrong("a closing parenthesis is missing here")
        else:
            node = self._comparison()
        self._depth -= 1
        return node

    def _comparison(self) -> Comparison:
        self._comparisons += 1
        if self._comparisons > MOST_COMPARISONS:
            raise self._wrong(f"there are more than {MOST_COMPARISONS} comparisons")
        found, first = self._literal()
        if not found:
            key = self.key()
            sign, where = self._operator()
            found, value = self._literal()
            if not found:
                raise self._wrong('a value is expected here: a number, "text", true, false or null')
            return self._checked(key, sign, value, where)
        sign, where = self._operator()
        if sign == "~":
            raise self._wrong("the key comes first: KEY contains TEXT", where)
        return self._checked(self.key(), _FLIPPED[sign], first, where)

    def _operator(self) -> tuple[str, int]:
        where = self._at
        found = self.take(OPERATOR_PATTERN)
        if found is None:
            equals = self._text.startswith("=", where)
            raise self._wrong(
                "equality is written ==" if equals else "a comparison is expected here: == != < <= > >= ~"
            )
        return "~" if found == "contains" else found, where

    def _literal(self) -> tuple[bool, Literal]:
        if (text := self.take(_TEXT)) is not None:
            return True, _unquoted(text)
        if (text := self.take(_NUMBER)) is not None:
            return True, _number(text)
        word = self.word(*_WORDS)
        return word is not None, _WORDS.get(word or "null")

    def _checked(self, key: Key, sign: str, value: Literal, where: int) -> Comparison:
        """Refuse what could never hold, where that is plain from the expression itself."""
        if sign == "~" and not isinstance(value, str):
            raise self._wrong("contains looks for text", where)
        if sign not in ("==", "!=") and (value is None or isinstance(value, bool)):
            raise self._wrong("true, false and null compare by == and != only", where)
        if key.kind == VALUES or value is None:
            return Comparison(key, sign, value)
        if key.kind == NUMBER and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise self._wrong(f"{key.field} is a number: compare it with one", where)
        if key.kind == TEXT and not isinstance(value, str):
            raise self._wrong(f'{key.field} is text: compare it with "text"', where)
        if key.kind == TIME:
            return Comparison(key, sign, self._time(key, sign, value, where))
        return Comparison(key, sign, value)

    def _time(self, key: Key, sign: str, value: Literal, where: int) -> int:
        try:
            moment = datetime.fromisoformat(value if isinstance(value, str) and sign != "~" else "")
            return microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            problem = f'{key.field} is a time: compare it with one, such as "2026-01-31T12:00"'
            raise self._wrong(problem, where) from None

    def word(self, *words: str) -> str | None:
        """Return the one of some words that is next, and go on behind it."""
        for word in words:
            end = self._at + len(word)
            if self._text.startswith(word, self._at) and not _goes_on(self._text[end : end + 1]):
                self._at = end
                self._skip()
                return word
        return None

    def _mark(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += 1
        self._skip()
        return True

    def _skip(self) -> None:
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1

    def _as_value(self, key: str, near: list[str]) -> str:
        """Say what the name of a value needs before it, where somebody may have left that out."""
        rooms = [] if near else [name for name, kind in self._fields.items() if kind == VALUES]
        # Of a metric several values are known.
        keys = [f"{room}.{key}.last" if room == "metrics" else f"{room}.{key}" for room in rooms]
        return f"a value is named {' or '.join(keys)}; " if keys else ""

    def _wrong(self, problem: str, at: int | None = None) -> InvalidArgument:
        place = self._at if at is None else at
        before, behind = self._text[max(0, place - 40) : place], self._text[place : place + 40]
        marked = " ".join(f"{before}^{behind}".split())
        return InvalidArgument(f"the expression is wrong at column {place + 1}: {problem}", hint=f"at ^ in: {marked}")


def _goes_on(mark: str) -> bool:
    return mark.isalnum() or mark in ("_", "-", ".")


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL) if text[0] in "\"'" else text


def _number(text: str) -> int | float:
    # Python refuses to read an integer of thousands of digits.
    if re.fullmatch(r"[+-]?\d{1,1000}", text):
        found = number_of(int(text))
        return 0 if found is None else found
    return float(text)


def number_of(value: Any) -> int | float | None:
    """Return a value as the number that comparisons see: None for what is none, a float for what exceeds 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) or value in _INT64:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
