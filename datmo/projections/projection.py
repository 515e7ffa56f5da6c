"""What a projection is: a table, and a pure fold from events to its rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from datmo.core.event import Event
from datmo.eventlog.codec import decode, encode

__all__ = ["Fold", "Projection", "Row"]

Row = dict[str, Any]
Fold = Callable[[Row | None, Event], Row | None]
"""`(row, event) -> row`. Pure: it returns a new row, or the one it was given where nothing changes."""


def _entity_id(event: Event) -> str:
    return event.entity_id


@dataclass(frozen=True, eq=False)
class Projection:
    """One view.

    Parameters:
        table: its table's name.
        version: counts up with every change of columns or fold; the view is then rebuilt from the log.
        columns: name to `TEXT`, `INTEGER`, `REAL` or `JSON`; the first one is the key.
        types: the event types that it folds.
        fold: the fold.
        key: which row an event belongs to.
        indexes: SQL of further indexes, each over the placeholder `{table}`.
    """

    table: str
    version: int
    columns: Mapping[str, str]
    types: tuple[str, ...]
    fold: Fold
    key: Callable[[Event], str] = _entity_id
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
        rows = self.select(connection, f"WHERE {next(iter(self.columns))} = ?", (key,))
        return rows[0] if rows else None

    def select(self, connection: sqlite3.Connection, tail: str = "", parameters: tuple[Any, ...] = ()) -> list[Row]:
        """Return the rows of `SELECT … FROM table {tail}`, their JSON decoded."""
        names = list(self.columns)
        found = connection.execute(f"SELECT {', '.join(names)} FROM {self.table} {tail}", parameters).fetchall()
        rows = [dict(zip(names, values, strict=True)) for values in found]
        for name, kind in self.columns.items():
            if kind == "JSON":
                for row in rows:
                    row[name] = None if row[name] is None else decode(row[name])
        return rows

    def save(self, connection: sqlite3.Connection, rows: list[Row]) -> None:
        """Write rows, new or changed.

        Raises:
            sqlite3.IntegrityError: a unique index refuses; the append's transaction is rolled back.
        """
        names = list(self.columns)
        updates = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
        connection.executemany(
            f"INSERT INTO {self.table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
            f" ON CONFLICT ({names[0]}) DO UPDATE SET {updates}",
            [self._values(row) for row in rows],
        )

    def _values(self, row: Row) -> list[Any]:
        return [
            encode(row[name]).decode() if kind == "JSON" and row[name] is not None else row[name]
            for name, kind in self.columns.items()
        ]
