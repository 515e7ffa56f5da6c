"""Expressions as SQL over the views, so that SQLite looks through the rows by itself.

What is compared is bound, never spliced in. The JSON of values is asked for its type first, so that `1`, `"1"` and
`true` stay apart. Two things SQL alone does not get right: what JSON cannot say is stored as an object with one tag
(see `datmo.eventlog.codec`), and not every SQLite reads the 17th digit of a number exactly. Both go through a function
of ours, the latter only for numbers that are all but equal.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from datmo.core.expression import AllOf, AnyOf, Comparison, Key, Node, Not, number_of, parse, parse_order
from datmo.core.predicate import lowered
from datmo.eventlog.codec import decode, encode

__all__ = ["COMMON", "Field", "Order", "Selected", "condition", "order"]

_LEAST_TAGGED = 1 << 62
"""Below this every integer is written as it is."""

_ULPS = 8
"""How many numbers away from its own SQLite may read one."""


class Field(NamedTuple):
    """What an expression may ask for.

    Parameters:
        kind: `text`, `time`, `number` or `values`; see `datmo.core.expression`.
        sql: the column, or what else gives it.
    """

    kind: str
    sql: str


COMMON = {
    "session": Field("text", "(SELECT name FROM session WHERE session.id = session_id)"),
    **{name: Field("text", name) for name in ("id", "code_id", "environment_id", "file_collection_id")},
    "created_at": Field("time", "created_at"),
}
"""What snapshots and tasks have in common."""


class Selected(NamedTuple):
    """A part of a statement, and what its question marks stand for."""

    sql: str
    values: tuple[Any, ...] = ()


def condition(connection: sqlite3.Connection, text: str, fields: Mapping[str, Field]) -> Selected:
    """Return the condition that an expression is; it is 0 or 1, never NULL.

    Raises:
        InvalidArgument: the expression cannot be read.
    """
    node = parse(text, {name: field.kind for name, field in fields.items()})
    connection.create_function("datmo_number", 1, _number, deterministic=True)
    return _condition(node, fields)


class Order(NamedTuple):
    """What rows are sorted by: NULL comes last, whatever the direction, and text behind numbers."""

    by: Selected
    ascending: bool


def order(connection: sqlite3.Connection, text: str, fields: Mapping[str, Field]) -> Order:
    """Return what a key sorts rows by: numbers (true and false are 1 and 0), then texts, then rows without either.

    Raises:
        InvalidArgument: the key cannot be read.
    """
    wanted = parse_order(text, {name: field.kind for name, field in fields.items()})
    sql = fields[wanted.key.field].sql
    if not wanted.key.path:
        return Order(Selected(sql), wanted.ascending)
    connection.create_function("datmo_number", 1, _number, deterministic=True)
    value = f"""CASE json_type({sql}, ?) WHEN 'object' THEN datmo_number(json_extract({sql}, ?))
        WHEN 'array' THEN NULL ELSE json_extract({sql}, ?) END"""
    return Order(Selected(value, (_path(wanted.key),) * 3), wanted.ascending)


def _condition(node: Node, fields: Mapping[str, Field]) -> Selected:
    match node:
        case AllOf(parts):
            return _joined(" AND ", parts, fields)
        case AnyOf(parts):
            return _joined(" OR ", parts, fields)
        case Not(part):
            sql, values = _condition(part, fields)
            return Selected(f"(NOT {sql})", values)
        case Comparison():
            return _comparison(node, fields[node.key.field].sql)


def _joined(word: str, parts: tuple[Node, ...], fields: Mapping[str, Field]) -> Selected:
    found = [_condition(part, fields) for part in parts]
    values = tuple(value for part in found for value in part.values)
    return Selected(f"({word.join(part.sql for part in found)})", values)


def _comparison(comparison: Comparison, sql: str) -> Selected:
    key, sign, value = comparison.key, comparison.operator, comparison.value
    if not key.path:
        return _of_field(sql, sign, value)
    path = _path(key)
    if sign == "!=":
        equal = _of_value(sql, path, "==", value)
        return Selected(f"CASE WHEN json_type({sql}, ?) IS NULL THEN 0 ELSE NOT {equal.sql} END", (path, *equal.values))
    return _of_value(sql, path, sign, value)


def _of_field(sql: str, sign: str, value: Any) -> Selected:
    if value is None:
        return Selected(f"({sql} IS {'' if sign == '==' else 'NOT '}NULL)")
    if sign == "~":
        return Selected(f"coalesce(instr(lower({sql}), ?) > 0, 0)", (lowered(value),))
    return Selected(f"coalesce({sql} {sign} ?, {sign == '!=':d})", (value,))


def _of_value(sql: str, path: str, sign: str, value: Any) -> Selected:
    """Return a comparison other than `!=`; 0 where the key is missing."""
    if value is None or isinstance(value, bool):
        return Selected(
            f"coalesce(json_type({sql}, ?) = ?, 0)", (path, "null" if value is None else f"{value}".lower())
        )
    found = f"json_extract({sql}, ?)"
    if isinstance(value, str):
        test = f"instr(lower({found}), ?) > 0" if sign == "~" else f"{found} {sign} ?"
        compared = lowered(value) if sign == "~" else value
        return Selected(f"(CASE WHEN {test} THEN json_type({sql}, ?) = 'text' ELSE 0 END)", (path, compared, path))
    real = _of_real(sql, path, sign, value)
    unfit = _unfit(sign, value)
    # Most rows do not fit, and can be told so without asking for the type.
    return Selected(
        f"""(CASE WHEN {found} {unfit.sql} THEN 0 ELSE CASE json_type({sql}, ?)
            WHEN 'integer' THEN {found} {sign} ?
            WHEN 'real' THEN {real.sql}
            WHEN 'object' THEN coalesce(datmo_number({found}) {sign} ?, 0)
            ELSE 0 END END)""",
        (path, *unfit.values, path, path, value, *real.values, path, value),
    )


def _unfit(sign: str, value: float) -> Selected:
    """Return what numbers that do not fit have in common, and nothing else has but what never fits."""
    low, high = _about(float(value))
    if sign == "==" and abs(value) < _LEAST_TAGGED:
        return Selected("NOT BETWEEN ? AND ?", (low, high))
    if sign[0] == ">":
        return Selected("BETWEEN -9e999 AND ?", (low,))
    if sign[0] == "<":
        return Selected("BETWEEN ? AND 9e999", (high,))
    return Selected("IS NULL")


def _of_real(sql: str, path: str, sign: str, value: float) -> Selected:
    """Return the comparison with a number that has a fraction or an exponent as it was written.

    Equality is that of the digits, which are always the shortest ones. Two paths at once give them as they are stored.
    """
    digits = f"json_extract({sql}, ?, ?)"
    written = [encode(each).decode() for each in _written(value)]
    equal = f"{digits} IN ({', '.join('?' * len(written))})"
    equals = (path, path, *(f"[{each},{each}]" for each in written))
    if sign == "==":
        return Selected(equal, equals)
    low, high = _about(float(value))
    number = f"json_extract({sql}, ?)"
    # As a CASE, because SQLite computes both sides of an OR whose value is asked for.
    return Selected(
        f"""CASE WHEN {number} < ? THEN {sign[0] == "<":d} WHEN {number} > ? THEN {sign[0] == ">":d}
            WHEN {equal} THEN {sign.endswith("="):d} ELSE datmo_number({digits}) {sign} ? END""",
        (path, low, path, high, *equals, path, path, value),
    )


def _written(value: float) -> list[float]:
    """Return the numbers with a fraction that equal a value: one at most, but for zero."""
    if value == 0:
        return [0.0, -0.0]
    return [float(value)] if math.isfinite(value) and float(value) == value else []


def _about(value: float) -> tuple[float, float]:
    low = high = value
    for _ in range(_ULPS):
        low, high = math.nextafter(low, -math.inf), math.nextafter(high, math.inf)
    return low, high


def _number(found: Any) -> int | float | None:
    """Return the number that a piece of JSON is: digits twice in a list, or an object with a tag."""
    if not isinstance(found, str):
        return None
    value = decode(found)
    return number_of(value[0] if isinstance(value, list) else value)


def _path(key: Key) -> str:
    # The codec gives a key of the user's that begins with $ one more.
    return "$" + "".join(f'."{"$" + part if part.startswith("$") else part}"' for part in key.path)
