"""Reading events: pages of rows, each from a read transaction of its own that ends before anyone sees the rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

from datmo.core.event import Event
from datmo.errors import DamagedLog
from datmo.eventlog.codec import decode
from datmo.eventlog.schema import SELECT
from datmo.eventlog.upcast import Schemas

__all__ = ["PAGE", "Page", "Selection", "head", "iterate", "payload", "position_at", "read_page"]

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

    @property
    def step(self) -> int:
        """How positions go on."""
        return -1 if self.backward else 1

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
        # The index of streams finds one stream's events, but would be walked from its first one on: a follower, who
        # asks again and again for the few newest positions, is better off without.
        few = self.upto is not None and self.upto - self.after <= PAGE
        kind = self.stream is not None and self.stream.endswith("*")
        indexed = self.stream is not None and not kind and not few
        if self.stream is not None:
            # The plus keeps a stream off the index, whose order is that of versions.
            conditions.append(f"{'' if indexed else '+'}stream {'GLOB' if kind else '='} ?")
            values.append(self.stream)
        if self.types:
            conditions.append("(" + " OR ".join("type GLOB ?" for _ in self.types) + ")")
            values.extend(self.types)
        order = ("version" if indexed else "position") + (" DESC" if self.backward else "")
        return f"{SELECT} WHERE {' AND '.join(conditions)} ORDER BY {order}", values


class Page(NamedTuple):
    """Some events, and what is wrong with the next one where that is why there are no more."""

    events: list[Event]
    damage: DamagedLog | None


def read_page(connection: sqlite3.Connection, selection: Selection, schemas: Schemas, limit: int = PAGE) -> Page:
    """Return the first events of a selection, brought to their current schemas."""
    events: list[Event] = []
    try:
        events.extend(islice(iterate(connection, selection, schemas, limit), limit))
    except DamagedLog as damage:
        return Page(events, damage)
    return Page(events, None)


def iterate(connection: sqlite3.Connection, selection: Selection, schemas: Schemas, limit: int = -1) -> Iterator[Event]:
    """Yield the events of a selection, all from one read transaction.

    Raises:
        DamagedLog: an event cannot be read, or one is missing between two others.
    """
    query, values = selection.query()
    whole, step, versions = selection.whole, selection.step, schemas.versions
    expected = None if selection.backward else selection.after + 1
    position: int | None = None
    make_event = tuple.__new__  # half the time of `Event(...)`
    try:
        for row in connection.execute(f"{query} LIMIT ?", [*values, limit]):
            position = row[0]
            if whole:
                if position != expected and expected is not None:
                    raise DamagedLog(expected, "the event is missing")
                expected = row[0] + step
            data = decode(row[12])
            if row[5] != versions.get(row[4]):
                data = schemas.upcast(row[4], row[5], data)
            yield make_event(Event, (*row[:12], data))
    except DamagedLog:
        raise
    except sqlite3.Error as error:
        # The module reads one row ahead: the damaged one may be the next, or the one behind that.
        yield from _up_to_damage(connection, selection, schemas, position)
        raise DamagedLog(None, f"a row cannot be read ({error})") from error
    except Exception as error:
        raise DamagedLog(position, f"its data cannot be decoded ({error})") from error


def _up_to_damage(
    connection: sqlite3.Connection, selection: Selection, schemas: Schemas, last: int | None
) -> Iterator[Event]:
    """Yield what can still be read behind a position, one row at a time, up to the one that cannot."""
    try:
        (end,) = connection.execute("SELECT max(position) FROM event").fetchone()
    except sqlite3.Error as error:
        raise DamagedLog(None, f"its last row cannot be found ({error})") from error
    upto = end if selection.upto is None else min(end, selection.upto)
    first, behind = (upto, selection.after) if selection.backward else (selection.after + 1, upto + 1)
    for position in range(first if last is None else last + selection.step, behind, selection.step):
        query, values = replace(selection, after=position - 1, upto=position, backward=False).query()
        try:
            rows = connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise DamagedLog(position, f"the row cannot be read ({error})") from error
        for row in rows:
            yield Event._make((*row[:12], schemas.upcast(row[4], row[5], decode(row[12]))))


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
