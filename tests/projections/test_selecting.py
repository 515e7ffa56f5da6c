"""Expressions as SQL: they find what the same expressions say of plain values, whatever those are."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from datmo.core.expression import parse
from datmo.core.predicate import holds
from datmo.eventlog.codec import encode
from datmo.projections.selecting import Field, condition, order

FIELDS = {
    "label": Field("text", "label"),
    "created_at": Field("time", "created_at"),
    "duration": Field("number", "((ended - created_at) / 1000000.0)"),
    "config": Field("values", "config"),
}
KINDS = {name: field.kind for name, field in FIELDS.items()}
NAMES = ("a", "b", "a.b", "naïve key", "$", "$float", "")
NUMBERS = (0, 1, -1, 0.1, 0.30000000000000004, 1e16, 10**16, 2**53 + 1, 2.0**53, 2**70, -(2**63), 1e-300, -0.0, 5e-324)
# No zero byte: an older SQLite cuts text in JSON there.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3) | st.sampled_from(
    ["a", "A", "ab", "É"]
)
SIGNS = ("==", "!=", "<", "<=", ">", ">=")


def near(number: float) -> st.SearchStrategy[float]:
    """A number and those beside it, which a careless conversion would take for it."""
    return st.sampled_from([number, *(math.nextafter(number, end) for end in (-math.inf, math.inf))])


NUMBER = (
    st.sampled_from(NUMBERS) | st.sampled_from([0.1, 1.0, 1e16, 123456.789]).flatmap(near) | st.floats() | st.integers()
)
LEAF = NUMBER | TEXTS | st.sampled_from([None, True, False, "\udcff", math.nan, math.inf, b"x"])
VALUE = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
)
CONFIG = st.dictionaries(st.sampled_from(NAMES), VALUE, max_size=4)
LABEL = st.none() | TEXTS
TIME = st.integers(0, 4_000_000_000_000_000)
ROW = st.tuples(LABEL, TIME, st.none() | TIME, CONFIG)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def literal(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else {None: "null"}.get(value) or repr(value).lower()


KEY = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2).map(
    lambda path: ".".join(["config", *map(quoted, path)])
)
FINITE = NUMBER.filter(math.isfinite)
COMPARISON = st.one_of(
    st.builds("{} {} {}".format, KEY, st.sampled_from(SIGNS), (FINITE | TEXTS).map(literal)),
    st.builds("{} {} {}".format, KEY, st.sampled_from(SIGNS[:2]), st.sampled_from([None, True, False]).map(literal)),
    st.builds("{} ~ {}".format, KEY | st.just("label"), TEXTS.map(quoted)),
    st.builds("label {} {}".format, st.sampled_from(SIGNS), TEXTS.map(quoted)),
    st.builds("{} {} null".format, st.sampled_from(["label", "duration", "created_at"]), st.sampled_from(SIGNS[:2])),
    st.builds("duration {} {}".format, st.sampled_from(SIGNS), FINITE.map(literal)),
    st.builds("created_at {} {}".format, st.sampled_from(SIGNS), st.just('"2026-01-01T00:00:00.000001"')),
)
EXPRESSION = st.recursive(
    COMPARISON,
    lambda inner: st.one_of(
        st.builds("not ({})".format, inner),
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("({}) or ({})".format, inner, inner),
    ),
    max_leaves=4,
)


def table(rows: list[tuple[Any, ...]]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (label TEXT, created_at INTEGER, ended INTEGER, config TEXT, n INTEGER) STRICT")
    stored = [(*row[:3], encode(row[3]).decode(), number) for number, row in enumerate(rows)]
    connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", stored)
    return connection


@given(rows=st.lists(ROW, min_size=1, max_size=4), text=EXPRESSION)
def test_sql_finds_exactly_those_for_which_the_expression_holds(rows: list[tuple[Any, ...]], text: str) -> None:
    with closing(table(rows)) as connection:
        wanted = condition(connection, text, FIELDS)
        found = connection.execute(f"SELECT n, {wanted.sql} FROM t ORDER BY n", wanted.values).fetchall()
        chosen = {n for (n,) in connection.execute(f"SELECT n FROM t WHERE {wanted.sql}", wanted.values)}
    node = parse(text, KINDS)
    for (label, created, ended, config), (number, answer) in zip(rows, found, strict=True):
        duration = None if ended is None else (ended - created) / 1_000_000
        values = {"label": label, "created_at": created, "duration": duration, "config": config}
        assert answer == holds(node, values), (text, values)  # 0 or 1, never NULL
        assert (number in chosen) == bool(answer)


@given(values=st.lists(VALUE, min_size=1, max_size=6))
def test_rows_are_sorted_by_number_then_by_text_and_those_without_either_come_last(values: list[Any]) -> None:
    def rank(value: Any) -> tuple[Any, ...]:
        if isinstance(value, str) and value.isprintable() and value.isascii():
            return (1, value)
        if isinstance(value, int | float) and not math.isnan(value):
            return (0, float(value) if abs(value) < 2**1000 else math.inf if value > 0 else -math.inf)
        return (2,)

    with closing(table([(None, 0, None, {"a": value}) for value in values])) as connection:
        by = order(connection, "config.a asc", FIELDS)
        query = f"""SELECT n FROM (SELECT n, {by.by.sql} AS value FROM t)
            ORDER BY value IS NULL, typeof(value) = 'text', value, n"""
        found = [values[n] for (n,) in connection.execute(query, by.by.values)]
    ranks = [rank(value) for value in found if not isinstance(value, str) or (value.isprintable() and value.isascii())]
    assert ranks == sorted(ranks)
