"""Finding rows: by id, by a unique prefix of it, by label; and listing them, newest first."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from datmo.core.ids import SHOWN
from datmo.errors import AmbiguousId, EntityNotFound, InvalidArgument
from datmo.projections.projection import Projection, Row
from datmo.projections.sessions import VISIBLE

if TYPE_CHECKING:
    from datmo.projections.selecting import Field

__all__ = ["listing", "resolve"]

_MOST_CANDIDATES = 5
_AT_ONCE = 500
_LOOKED_THROUGH = 1000
"""Entities among which one is looked for that was perhaps meant."""


def resolve(
    connection: sqlite3.Connection,
    projection: Projection,
    given: str,
    *,
    label: str | None = None,
    deleted: bool = False,
) -> Row:
    """Return the one row that is meant: exact id, then exact label, then unique prefix of the id.

    Parameters:
        connection: a connection to the views.
        projection: which view.
        given: what somebody typed.
        label: the column whose exact value also names a row, where it is unique.
        deleted: look among those that were deleted, instead of the others.

    Raises:
        EntityNotFound: no row fits.
        AmbiguousId: several do.
    """
    kind = projection.table
    there = _conditions(projection, deleted=deleted)
    exact = projection.select(connection, f"WHERE id = ?{there}", (given,))
    if exact:
        return exact[0]
    labelled = projection.select(connection, f"WHERE {label} = ?{there}", (given,)) if label and given else []
    if len(labelled) == 1:
        return labelled[0]
    lower = given.lower()
    found = (
        projection.select(
            connection,
            f"WHERE id >= ? AND id < ?{there} ORDER BY id LIMIT {_MOST_CANDIDATES}",
            (lower, lower + "\x7f"),
        )
        if given
        else []
    )
    candidates = labelled or found
    if not candidates:
        alike = _alike(connection, projection, given, there)
        hint = f"did you mean `{alike}`?" if alike else f"`datmo {kind} ls` shows the ids"
        raise EntityNotFound(kind, given, hint=hint)
    if len(candidates) > 1:
        raise AmbiguousId(kind, given, [row["id"] for row in candidates[:_MOST_CANDIDATES]])
    return candidates[0]


def _alike(connection: sqlite3.Connection, projection: Projection, given: str, conditions: str) -> str | None:
    """Return the label, the name, or the beginning of an id, that was perhaps meant; None where none is near."""
    from difflib import get_close_matches  # for an error only

    order = "position" if "position" in projection.columns else "created_at"
    named = [name for name in ("label", "name") if name in projection.columns]
    rows = connection.execute(
        f"SELECT id{''.join(f', {name}' for name in named)} FROM {projection.table} WHERE 1{conditions}"
        f" ORDER BY {order} DESC LIMIT {_LOOKED_THROUGH}"
    ).fetchall()
    words = [word for row in rows for word in row[1:] if word]
    # As many characters of an id as were given; of fewer than four any would be near.
    words += [row[0][: len(given)] for row in rows] if len(given) >= SHOWN else []
    found = get_close_matches(given, words, n=1, cutoff=0.7)
    return str(found[0]) if found else None


def _conditions(projection: Projection, *, deleted: bool) -> str:
    conditions = ""
    if "deleted" in projection.columns:
        conditions += f" AND deleted = {deleted:d}"
    if "session_id" in projection.columns:
        conditions += f" AND {VISIBLE}"
    return conditions


def listing(
    connection: sqlite3.Connection,
    projection: Projection,
    searched: tuple[str, ...],
    fields: Callable[[], dict[str, Field]],
    *,
    session_id: str | None,
    text: str | None,
    limit: int | None,
    where: str | None = None,
    sort: str | None = None,
    deleted: bool = False,
) -> tuple[list[Row], int]:
    """Return the first rows that fit, and how many fit in all; the newest first where no other order is asked for.

    Parameters:
        connection: a connection to the views.
        projection: which view.
        searched: the columns in which `text` is looked for.
        fields: gives what `where` and `sort` may ask for; called where one of them is given.
        session_id: only rows of one session.
        text: only rows with this in one of the searched columns, upper and lower case alike.
        limit: at most that many rows.
        where: only rows for which this holds; see `datmo.core.expression`.
        sort: the key that rows are sorted by, the largest first unless `asc` follows it; those without it come last.
        deleted: rows that were deleted, instead of the others.

    Raises:
        InvalidArgument: the limit is no number of rows, or an expression cannot be read.
    """
    if limit is not None and (type(limit) is not int or limit < 0):
        raise InvalidArgument(f"a limit is a number, 0 or more, not {limit!r}", hint="None lists all")
    conditions, values = f"WHERE deleted = {deleted:d} AND {VISIBLE}", list[Any]()
    if session_id is not None:
        conditions += " AND session_id = ?"
        values.append(session_id)
    if text:
        conditions += " AND (" + " OR ".join(f"instr(lower({name}), lower(?)) > 0" for name in searched) + ")"
        values.extend([text] * len(searched))
    if where is not None or sort is not None:
        return _selected(connection, projection, fields(), conditions, values, where=where, sort=sort, limit=limit)
    (total,) = connection.execute(f"SELECT count(*) FROM {projection.table} {conditions}", values).fetchone()
    rows = projection.select(
        connection, f"{conditions} ORDER BY position DESC LIMIT ?", (*values, -1 if limit is None else limit)
    )
    return rows, total


def _selected(
    connection: sqlite3.Connection,
    projection: Projection,
    fields: dict[str, Field],
    conditions: str,
    values: list[Any],
    *,
    where: str | None,
    sort: str | None,
    limit: int | None,
) -> tuple[list[Row], int]:
    """Find the rows in one walk through the table, then read those within the limit."""
    from datmo.projections.selecting import condition, order

    if where is not None:
        wanted = condition(connection, where, fields)
        conditions += f" AND {wanted.sql}"
        values += wanted.values
    # Never by the index of positions: nearly each row would be looked up on its own.
    query = f"SELECT id FROM {projection.table} {conditions} ORDER BY +position DESC"
    if sort is not None:
        by = order(connection, sort, fields)
        query = f"""WITH found AS MATERIALIZED
            (SELECT id, position, {by.by.sql} AS value FROM {projection.table} {conditions})
            SELECT id FROM found ORDER BY value IS NULL, typeof(value) = 'text',
            value {"ASC" if by.ascending else "DESC"}, position DESC"""
        values = [*by.by.values, *values]
    found = connection.execute(query, values).fetchall()
    rows: dict[str, Row] = {}
    ids = [row_id for (row_id,) in found[:limit]]
    for start in range(0, len(ids), _AT_ONCE):
        some = tuple(ids[start : start + _AT_ONCE])
        rows |= {
            row["id"]: row for row in projection.select(connection, f"WHERE id IN ({', '.join('?' * len(some))})", some)
        }
    return [rows[row_id] for row_id in ids], len(found)
