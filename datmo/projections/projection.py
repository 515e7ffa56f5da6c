"""What a projection is: a table, and a pure fold from events to its rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from datmo.core.event import Event
from datmo.eventlog.codec import decode, encode

__all__ = ["Fold", "Projection", "Row"]

Row = dict[str, Any]
Fold = Callable[[Row | None, Event], Row | None]
"""`(row, event) -> row`. Pure: it returns a new row, or the one it was given where nothing changes."""


@dataclass(frozen=True, eq=False)
class Projection:
    """One view.

    Parameters:
        table: its table's name.
        version: counts up with every change of columns or fold; the view is then rebuilt from the log.
        columns: name to `TEXT`, `INTEGER`, `REAL` or `JSON`; the first one is the key.
        types: the event types that it folds.
        fold: the fold.
        key: which row an event belongs to; None for that of the entity that it is about.
        indexes: SQL of further indexes, each over the placeholder `{table}`.
    """

    table: str
    version: int
    columns: Mapping[str, str]
    types: tuple[str, ...]
    fold: Fold
    key: Callable[[Event], str] | None = None
    indexes: tuple[str, ...] = ()

    def create(self, connection: sqlite3.Connection) -> None:
        """Make the table anew, empty."""
        connection.execute(f"DROP TABLE IF EXISTS {self.table}")
        columns = ", ".join(f"{name} {'TEXT' if kind == 'JSON' else kind}" for name, kind in self.columns.items())
        connection.execute(
            f"CREATE TABLE {self.table} ({columns}, PRIMARY KEY ({next(iter(self.columns))})) STRICT, WITHOUT ROWID"
        )
        for index in self.indexes:
            connection.execute(index.format(table=self.table))

    def load(self, connection: sqlite3.Connection, key: str) -> Row | None:
        """Return one row, None where there is none."""
        values = connection.execute(f"{self._select} WHERE {self._names[0]} = ?", (key,)).fetchone()
        return None if values is None else self._row(values)

    def select(self, connection: sqlite3.Connection, tail: str = "", parameters: tuple[Any, ...] = ()) -> list[Row]:
        """Return the rows of `SELECT … FROM table {tail}`, their JSON decoded."""
        return [self._row(values) for values in connection.execute(f"{self._select} {tail}", parameters).fetchall()]

    def insert(self, connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
        """Write new rows.

        Raises:
            sqlite3.IntegrityError: an index refuses; the append's transaction is rolled back.
        """
        names = self._names
        connection.executemany(
            f"INSERT INTO {self.table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
            [[self._value(name, row) for name in names] for row in rows],
        )

    def update(self, connection: sqlite3.Connection, changes: Iterable[tuple[Row, Row]]) -> None:
        """Write what folds changed in rows, given as they were and as they are.

        Only that: SQLite rewrites an index for each column that is named, changed or not. A fold hands on what it
        does not change, so identity is enough to tell; equality would take 1 for 1.0 or True.

        Raises:
            sqlite3.IntegrityError: an index refuses; the append's transaction is rolled back.
        """
        key, names = self._names[0], self._names
        updates: dict[tuple[str, ...], list[list[Any]]] = {}
        for before, row in changes:
            changed = tuple([name for name in names if row[name] is not before[name]])
            if changed:
                values = [self._value(name, row) for name in changed]
                values.append(before[key])
                updates.setdefault(changed, []).append(values)
        for changed, rows in updates.items():
            if changed not in self._updates:
                assignments = ", ".join(f"{name} = ?" for name in changed)
                self._updates[changed] = f"UPDATE {self.table} SET {assignments} WHERE {key} = ?"
            connection.executemany(self._updates[changed], rows)

    @cached_property
    def _updates(self) -> dict[tuple[str, ...], str]:
        """The SQL that changes some columns."""
        return {}

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(self.columns)

    @cached_property
    def _json(self) -> frozenset[str]:
        return frozenset(name for name, kind in self.columns.items() if kind == "JSON")

    @cached_property
    def _select(self) -> str:
        return f"SELECT {', '.join(self._names)} FROM {self.table}"

    def _row(self, values: tuple[Any, ...]) -> Row:
        row = dict(zip(self._names, values, strict=True))
        for name in self._json:
            if row[name] is not None:
                row[name] = decode(row[name])
        return row

    def _value(self, name: str, row: Row) -> Any:
        value = row[name]
        return encode(value).decode() if value is not None and name in self._json else value
