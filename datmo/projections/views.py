"""All views together: folded inside the append's transaction, rebuilt as their version changes, compared on replay."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from datmo.core.event import Event
from datmo.eventlog.read import Selection, head, iterate
from datmo.eventlog.schema import open_file
from datmo.eventlog.upcast import Schemas
from datmo.projections.projection import Fold, Projection, Row

__all__ = ["ReplayReport", "Views", "compare_file", "replay_file"]

_VERSIONS = "CREATE TABLE IF NOT EXISTS view (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID"


_MOST_ROWS = 2048
_TELLING = 4096
"""Events between two reports of how far a replay is."""

Folds = tuple[tuple[int, Callable[[Event], str] | None, Fold], ...]
"""What is to be done with an event of one type: which projection, which of its rows, how."""

Rows = dict[str, Row | None]


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
        self.projections: tuple[Projection, ...] = tuple(projections)
        self.schemas = schemas
        self._folds: dict[str, Folds] = dict.fromkeys(schemas.versions, ())
        for place, projection in enumerate(projections):
            for event_type in projection.types:
                self._folds[event_type] += ((place, projection.key, projection.fold),)

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
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def create(self, connection: sqlite3.Connection) -> None:
        """Make all tables anew, empty."""
        for projection in self.projections:
            projection.create(connection)

    def folding(self, connection: sqlite3.Connection) -> Folding:
        """Begin to fold what is appended to the live views, inside the append's transaction."""
        return Folding(self.projections, self._folds, self.schemas.versions, connection, fresh=False)

    def replay(self, connection: sqlite3.Connection, events: Iterable[Event]) -> dict[str, int]:
        """Fold a whole history into empty tables; returns how many events of unknown types were passed over."""
        folding = Folding(self.projections, self._folds, self.schemas.versions, connection, fresh=True)
        folding.fold(events)
        folding.save()
        return dict(folding.unknown)


class Folding:
    """The rows that are folded: each is read once, and written once for each transaction that changes it.

    Parameters:
        projections: what is folded.
        folds: for each known event type what is to be done with it.
        versions: the schema version of each known type; events of newer ones are passed over.
        connection: where the tables are.
        fresh: whether the tables are empty, so that no row needs to be looked up.
    """

    def __init__(
        self,
        projections: tuple[Projection, ...],
        folds: Mapping[str, Folds],
        versions: Mapping[str, int],
        connection: sqlite3.Connection,
        *,
        fresh: bool,
    ) -> None:
        self._projections = projections
        self._folds = folds
        self._versions = versions
        self._connection = connection
        self._fresh = fresh
        self._rows: tuple[Rows, ...] = tuple({} for _ in projections)
        self._changed: dict[int, Rows] = {}
        """The rows as they are in the tables, of those that are not so any more, by the place of their projection."""
        self.unknown: Counter[str] = Counter()
        """How many events of each type were passed over, because this version does not know it."""

    def fold(self, events: Iterable[Event]) -> None:
        """Fold some events, all or none.

        Raises:
            Conflict: a fold refuses an event; the rows are as before.
        """
        folds, versions, tables = self._folds, self._versions, self._rows
        undo: dict[int, Rows] = {}
        stream = entity_id = ""
        try:
            for event in events:
                event_type = event.type
                steps = folds.get(event_type)
                if steps is None or event.schema > versions[event_type]:
                    self.unknown[event_type] += 1
                    continue
                if stream is not event.stream:  # most often the events of one append are of one stream
                    stream, entity_id = event.stream, event.entity_id
                for place, key_of, fold in steps:
                    rows = tables[place]
                    key = entity_id if key_of is None else key_of(event)
                    try:
                        row = rows[key]
                    except KeyError:
                        row = rows[key] = self._load(place, key)
                    folded = fold(row, event)
                    if folded is not row:
                        if place not in undo:
                            undo[place] = {}
                        undo[place].setdefault(key, row)
                        rows[key] = folded
        except BaseException:
            for place, before in undo.items():
                tables[place].update(before)
            raise
        for place, before in undo.items():
            changed = self._changed.setdefault(place, before)
            if changed is not before:
                for key, row in before.items():
                    changed.setdefault(key, row)

    def _load(self, place: int, key: str) -> Row | None:
        return None if self._fresh else self._projections[place].load(self._connection, key)

    def save(self) -> None:
        """Write the rows that were changed.

        Raises:
            sqlite3.IntegrityError: a unique index refuses one; the folding cannot be used any more.
        """
        for place, changed in self._changed.items():
            projection, rows = self._projections[place], self._rows[place]
            new: list[Row] = []
            others: list[tuple[Row, Row]] = []
            for key, before in changed.items():
                row = rows[key]
                if row is not None and before is None:
                    new.append(row)
                elif row is not None and before is not None:
                    others.append((before, row))
            # What is there first: a row that gives a unique value back may come before a new one that takes it.
            projection.update(self._connection, others)
            if new:
                projection.insert(self._connection, new)
            if len(rows) > _MOST_ROWS and not self._fresh:
                rows.clear()
        self._changed.clear()


Reported = Callable[[int, int], None]
"""Called with the events that are folded and those that will be."""


def replay_file(
    path: Path, views: Views, upto: int | None = None, progress: Reported | None = None
) -> tuple[sqlite3.Connection, ReplayReport]:
    """Fold a log, up to a position or whole, into views of its own in memory. Blocks while it does.

    Parameters:
        path: the log.
        views: the views.
        upto: the position, or None.
        progress: told how far it is.

    Returns:
        A connection to the replayed views, to be closed by the caller, and what was found.
    """
    scratch = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    views.create(scratch)
    with closing(open_file(path)) as connection:
        connection.execute("BEGIN")
        report = _replay(connection, scratch, views, upto, progress)
    return scratch, report


def compare_file(path: Path, views: Views, progress: Reported | None = None) -> ReplayReport:
    """Replay a log and compare with the live views, both as of one moment. Blocks while it does.

    Parameters:
        path: the log.
        views: the views.
        progress: told how far it is.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as scratch, closing(open_file(path)) as connection:
        views.create(scratch)
        connection.execute("BEGIN")
        report = _replay(connection, scratch, views, None, progress)
        different = [
            projection.table
            for projection in views.projections
            if _dump(connection, projection) != _dump(scratch, projection)
        ]
    return report._replace(different=tuple(different))


def _replay(
    connection: sqlite3.Connection,
    scratch: sqlite3.Connection,
    views: Views,
    upto: int | None,
    progress: Reported | None,
) -> ReplayReport:
    last = head(connection)[0] if upto is None else min(upto, head(connection)[0])
    scratch.execute("BEGIN")
    events = iterate(connection, Selection(upto=last), views.schemas)
    unknown = views.replay(scratch, events if progress is None else _told(events, last, progress))
    scratch.execute("COMMIT")
    rows = sum(scratch.execute(f"SELECT count(*) FROM {view.table}").fetchone()[0] for view in views.projections)
    return ReplayReport(last, rows, (), unknown)


def _told(events: Iterator[Event], last: int, progress: Reported) -> Iterator[Event]:
    """Yield events up to a position, and tell how far that is."""
    for event in events:
        yield event
        if not event.position % _TELLING:
            progress(event.position, last)
    progress(last, last)


def _dump(connection: sqlite3.Connection, projection: Projection) -> list[tuple[object, ...]]:
    """Every row of a view, as stored, in the order of its key."""
    return connection.execute(f"SELECT * FROM {projection.table} ORDER BY 1").fetchall()
