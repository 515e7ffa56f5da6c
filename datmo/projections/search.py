"""Finding rows: by id, by a unique prefix of it, by label; and listing them, newest first."""

from __future__ import annotations

import sqlite3
from typing import Any

from datmo.errors import AmbiguousId, EntityNotFound, InvalidArgument
from datmo.projections.projection import Projection, Row
from datmo.projections.sessions import VISIBLE

__all__ = ["listing", "resolve"]

_MOST_CANDIDATES = 5


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
        raise EntityNotFound(kind, given, hint=f"`datmo {kind} ls` shows the ids")
    if len(candidates) > 1:
        raise AmbiguousId(kind, given, [row["id"] for row in candidates[:_MOST_CANDIDATES]])
    return candidates[0]


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
    *,
    session_id: str | None,
    text: str | None,
    limit: int | None,
    deleted: bool = False,
) -> tuple[list[Row], int]:
    """Return the newest rows that fit, and how many fit in all.

    Parameters:
        connection: a connection to the views.
        projection: which view.
        searched: the columns in which `text` is looked for.
        session_id: only rows of one session.
        text: only rows with this in one of the searched columns, upper and lower case alike.
        limit: at most that many rows.
        deleted: rows that were deleted, instead of the others.

    Raises:
        InvalidArgument: the limit is no number of rows.
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
    (total,) = connection.execute(f"SELECT count(*) FROM {projection.table} {conditions}", values).fetchone()
    rows = projection.select(
        connection, f"{conditions} ORDER BY position DESC LIMIT ?", (*values, -1 if limit is None else limit)
    )
    return rows, total
