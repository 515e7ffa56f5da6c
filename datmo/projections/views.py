"""All views together: folded inside the append's transaction, rebuilt when their version changes, compared on replay."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from datmo.core.event import Event
from datmo.eventlog.read import Selection, head, iterate
from datmo.eventlog.schema import open_file
from datmo.eventlog.upcast import Schemas
from datmo.projections.projection import Projection, Row

__all__ = ["ReplayReport", "Views", "compare_file", "replay_file"]

_VERSIONS = "CREATE TABLE IF NOT EXISTS view (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID"


class ReplayReport(NamedTuple):
    """What a replay found.

    Attributes:
        events: how many events were folded or passed over.
        rows: how many rows the views have.
        different: names of views whose live rows differ from the replayed ones.
        unknown: how many events of each type this version does not know, and passed over.
    """

    events: int
    rows: int
    different: tuple[str, ...]
    unknown: dict[str, int]


class Views:
    """The views of a list of projections.

    Parameters:
        projections: one for each view.
        schemas: which event types and versions are known here.
    """

    def __init__(self, projections: Sequence[Projection], schemas: Schemas) -> None:
        self.projections = tuple(projections)
        self.schemas = schemas
        self._by_type: dict[str, list[Projection]] = {}
        for projection in projections:
            for event_type in projection.types:
                self._by_type.setdefault(event_type, []).append(projection)

    def ready(self, connection: sqlite3.Connection) -> bool:
        """Say whether the tables are there and as this version folds them."""
        known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'view'").fetchone()
        found = dict(connection.execute("SELECT name, version FROM view").fetchall()) if known else {}
        return found == {projection.table: projection.version for projection in self.projections}

    def rebuild(self, connection: sqlite3.Connection) -> None:
        """Make the tables anew by a replay, in one transaction. The caller holds the write lock."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(_VERSIONS)
            self.create(connection)
            self.replay(connection, iterate(connection, Selection(), self.schemas))
            connection.execute("DELETE FROM view")
            connection.executemany(
                "INSERT INTO view VALUES (?, ?)",
                [(projection.table, projection.version) for projection in self.projections],
            )
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def create(self, connection: sqlite3.Connection) -> None:
        """Make all tables anew, empty."""
        for projection in self.projections:
            projection.create(connection)

    def fold(self, connection: sqlite3.Connection, events: Iterable[Event]) -> None:
        """Bring the views up to some events: each row that they touch is read once and written once.

        Raises:
            Conflict: a fold refuses an event.
            sqlite3.IntegrityError: a unique index does.
        """
        rows: dict[tuple[Projection, str], Row | None] = {}
        before: dict[tuple[Projection, str], Row | None] = {}
        by_type, knows = self._by_type, self.schemas.knows
        for event in events:
            for projection in by_type.get(event.type, ()):
                if not knows(event.type, event.schema):
                    continue
                place = (projection, projection.key(event))
                if place not in rows:
                    rows[place] = before[place] = projection.load(connection, place[1])
                rows[place] = projection.fold(rows[place], event)
        for projection in self.projections:
            changed = [
                row
                for place, row in rows.items()
                if place[0] is projection and row is not None and row is not before[place]
            ]
            if changed:
                projection.save(connection, changed)

    def replay(self, connection: sqlite3.Connection, events: Iterable[Event]) -> dict[str, int]:
        """Fold a whole history into empty tables; returns how many events of unknown types were passed over."""
        unknown: Counter[str] = Counter()
        rows: dict[Projection, dict[str, Row | None]] = {projection: {} for projection in self.projections}
        by_type, knows = self._by_type, self.schemas.knows
        for event in events:
            if not knows(event.type, event.schema):
                unknown[event.type] += 1
                continue
            for projection in by_type.get(event.type, ()):
                table, key = rows[projection], projection.key(event)
                table[key] = projection.fold(table.get(key), event)
        for projection, table in rows.items():
            projection.save(connection, [row for row in table.values() if row is not None])
        return dict(unknown)


def replay_file(path: Path, views: Views, upto: int | None = None) -> tuple[sqlite3.Connection, ReplayReport]:
    """Fold a log, up to a position or whole, into views of its own in memory. Blocks while it does.

    Returns:
        A connection to the replayed views, to be closed by the caller, and what was found.
    """
    scratch = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    views.create(scratch)
    with closing(open_file(path)) as connection:
        connection.execute("BEGIN")
        report = _replay(connection, scratch, views, upto)
    return scratch, report


def compare_file(path: Path, views: Views) -> ReplayReport:
    """Replay a log and compare with the live views, both as of one moment. Blocks while it does."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as scratch, closing(open_file(path)) as connection:
        views.create(scratch)
        connection.execute("BEGIN")
        report = _replay(connection, scratch, views, None)
        different = [
            projection.table
            for projection in views.projections
            if _dump(connection, projection) != _dump(scratch, projection)
        ]
    return report._replace(different=tuple(different))


def _replay(
    connection: sqlite3.Connection, scratch: sqlite3.Connection, views: Views, upto: int | None
) -> ReplayReport:
    last = head(connection)[0] if upto is None else min(upto, head(connection)[0])
    scratch.execute("BEGIN")
    unknown = views.replay(scratch, iterate(connection, Selection(upto=last), views.schemas))
    scratch.execute("COMMIT")
    rows = sum(scratch.execute(f"SELECT count(*) FROM {view.table}").fetchone()[0] for view in views.projections)
    return ReplayReport(last, rows, (), unknown)


def _dump(connection: sqlite3.Connection, projection: Projection) -> list[tuple[object, ...]]:
    """Every row of a view, as stored, in the order of its key."""
    return connection.execute(f"SELECT * FROM {projection.table} ORDER BY 1").fetchall()
