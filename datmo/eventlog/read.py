"""Reading events: pages of rows, each from a read transaction of its own that ends before anyone sees the rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from datmo.core.event import Event
from datmo.errors import DamagedLog
from datmo.eventlog.codec import decode
from datmo.eventlog.schema import SELECT
from datmo.eventlog.upcast import Schemas

__all__ = ["PAGE", "Selection", "head", "iterate", "payload", "position_at", "read_page"]

PAGE = 512
"""Events in one page."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events to read.

    Parameters:
        after: only positions above it.
        upto: only positions up to it, or None for all.
        stream: one stream `task/4fk2…`, a kind of stream `task/*`, or None for all.
        types: event types, exact or by kind `task.*`; empty for all.
        backward: newest first.
    """

    after: int = 0
    upto: int | None = None
    stream: str | None = None
    types: tuple[str, ...] = ()
    backward: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing between `after` and `upto` is left out."""
        return self.stream is None and not self.types

    def behind(self, position: int) -> Selection:
        """Return what is left once a page has been read to a position."""
        return replace(self, upto=position - 1) if self.backward else replace(self, after=position)

    def query(self) -> tuple[str, list[Any]]:
        """Return the SQL and its parameters, without a limit."""
        conditions = ["position > ?"]
        values: list[Any] = [self.after]
        if self.upto is not None:
            conditions.append("position <= ?")
            values.append(self.upto)
        if self.stream is not None:
            # The plus keeps a kind of stream off the index, whose order is not that of positions.
            conditions.append("+stream GLOB ?" if self.stream.endswith("*") else "stream = ?")
            values.append(self.stream)
        if self.types:
            conditions.append("(" + " OR ".join("type GLOB ?" for _ in self.types) + ")")
            values.extend(self.types)
        exact = self.stream is not None and not self.stream.endswith("*")
        order = ("version" if exact else "position") + (" DESC" if self.backward else "")
        return f"{SELECT} WHERE {' AND '.join(conditions)} ORDER BY {order}", values


def read_page(connection: sqlite3.Connection, selection: Selection, schemas: Schemas, limit: int = PAGE) -> list[Event]:
    """Return the first events of a selection, brought to their current schemas.

    Raises:
        DamagedLog: an event cannot be read, or one is missing between two others.
    """
    query, values = selection.query()
    rows: list[tuple[Any, ...]] = []
    try:
        rows.extend(connection.execute(f"{query} LIMIT ?", [*values, limit]))
    except sqlite3.DatabaseError as error:
        raise DamagedLog(_following(selection, rows), f"the row cannot be read ({error})") from error
    if selection.whole:
        _refuse_gaps(selection, rows)
    return [_event(row, schemas) for row in rows]


def _following(selection: Selection, rows: list[tuple[Any, ...]]) -> int | None:
    if not selection.whole or (selection.backward and not rows):
        return None
    if selection.backward:
        return int(rows[-1][0]) - 1
    return int(rows[-1][0]) + 1 if rows else selection.after + 1


def _refuse_gaps(selection: Selection, rows: list[tuple[Any, ...]]) -> None:
    if not rows:
        return
    step = -1 if selection.backward else 1
    start: int = rows[0][0] if selection.backward else selection.after + 1
    for expected, row in zip(range(start, start + step * len(rows), step), rows, strict=True):
        if row[0] != expected:
            raise DamagedLog(expected, "the event is missing")


def _event(row: tuple[Any, ...], schemas: Schemas) -> Event:
    try:
        data = decode(row[10])
        if row[5] != schemas.current(row[4]):
            data = schemas.upcast(row[4], row[5], data)
        return Event(*row[:10], data, *row[11:])
    except Exception as error:
        raise DamagedLog(row[0], f"its data cannot be decoded ({error})") from error


def iterate(connection: sqlite3.Connection, selection: Selection, schemas: Schemas) -> Iterable[Event]:
    """Yield a whole selection page by page, for code that is synchronous throughout (replay)."""
    while page := read_page(connection, selection, schemas, limit=4096):
        yield from page
        selection = selection.behind(page[-1].position)


def head(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """Return position and hash of the newest event; position 0 where there is none."""
    row = connection.execute("SELECT position, hash FROM event ORDER BY position DESC LIMIT 1").fetchone()
    return row or (0, b"")


def position_at(connection: sqlite3.Connection, recorded_us: int) -> int:
    """Return the position of the last event recorded at or before a time, 0 where there is none.

    Times never fall as positions rise, so it is found by halves.
    """
    low, high = 0, head(connection)[0]
    while low < high:
        middle = (low + high + 1) // 2
        row = connection.execute("SELECT recorded_at FROM event WHERE position = ?", (middle,)).fetchone()
        if row is None:
            raise DamagedLog(middle, "the event is missing")
        low, high = (middle, high) if row[0] <= recorded_us else (low, middle - 1)
    return low


def payload(connection: sqlite3.Connection, position: int) -> bytes | None:
    """Return the payload of one event, None where it has none or it was erased."""
    row = connection.execute("SELECT bytes FROM payload WHERE position = ?", (position,)).fetchone()
    return None if row is None else bytes(row[0])
