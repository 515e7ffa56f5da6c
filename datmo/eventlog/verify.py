"""Verification: is every stored byte what was written?

It recomputes the hash chain from the columns as they lie in the file, compares each payload with its digest, and lets
SQLite check its own structures. It finds damage and careless edits. A log that was rewritten as a whole, or whose last
events were cut off, is only found by comparing with a head that was noted elsewhere (`refs/datmo/<project id>/head`).

One byte of an event's record means nothing: where other columns have their type, `position` has a zero that SQLite
never looks at, because the position is the record's key. Made an 8 or a 9 it stays unnoticed, and changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from datmo.eventlog.chain import GENESIS, names, seal
from datmo.eventlog.codec import decode
from datmo.eventlog.schema import open_file

__all__ = ["LogReport", "Problem", "verify_file"]

_MOST_PROBLEMS = 100
_TELLING = 4096
"""Events between two reports of how far it is."""
_TYPES = b"integer,text,text,integer,text,integer,integer,text,text,integer"
_COLUMNS = """
    SELECT position, id, stream, version, type, schema, recorded_at, actor, correlation, ordinal, digest, hash, data,
        typeof(position) || ',' || typeof(id) || ',' || typeof(stream) || ',' || typeof(version) || ',' || typeof(type)
        || ',' || typeof(schema) || ',' || typeof(recorded_at) || ',' || typeof(actor) || ',' || typeof(correlation)
        || ',' || typeof(ordinal), typeof(digest), typeof(hash), typeof(data)
    FROM event NOT INDEXED WHERE position
"""


class Problem(NamedTuple):
    """Something that is not as it was written; `position` is None where it lies outside the events."""

    position: int | None
    reason: str


class LogReport(NamedTuple):
    """What a verification found.

    Attributes:
        events: how many events were checked.
        payloads: how many payloads are there and right.
        erased: how many were erased on purpose, each recorded by a `payload.erased` event.
        position: the last position.
        hash: the last event's hash, in hexadecimal: noted elsewhere, it seals the whole log.
        problems: what is wrong, in order of position; at most 100.
    """

    events: int
    payloads: int
    erased: int
    position: int
    hash: str
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class _Check:
    def __init__(self, connection: sqlite3.Connection, progress: Callable[[int, int], None] | None) -> None:
        self.connection = connection
        self.progress = progress
        self.total = 0
        self.events = 0
        self.payloads = 0
        self.position = 0
        self.hash: bytes | None = GENESIS
        self.recorded_us = 0
        self.versions: dict[bytes, int] = {}
        self.versions_are_complete = True
        self.without_payload: set[int] = set()
        self.erased: set[int] = set()
        self.problems: list[Problem] = []

    def add(self, position: int | None, reason: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(Problem(position, reason))

    def rows(self) -> None:
        """Check all rows; one that cannot be read is named, and passed over."""
        try:
            for row in self.connection.execute(f"{_COLUMNS} > 0 ORDER BY position"):
                self.row(row)
            return
        except (sqlite3.Error, OverflowError):
            (last,) = self.connection.execute("SELECT max(position) FROM event").fetchone()
        # The module reads one row ahead, so it is not known yet which one broke: on, one at a time.
        for position in range(self.position + 1, last + 1):
            try:
                found = self.connection.execute(f"{_COLUMNS} = ?", (position,)).fetchall()
            except (sqlite3.Error, OverflowError) as error:
                self.unreadable(position, error)
            else:
                for row in found:
                    self.row(row)

    def tell(self) -> None:
        """Tell how many events are checked."""
        if self.progress is not None:
            self.progress(self.events, self.total)

    def unreadable(self, position: int, error: Exception) -> None:
        self.no_gap(position)
        self.add(position, f"the row cannot be read ({error})")
        self.position, self.hash = position, None
        self.versions_are_complete = False
        self.versions.clear()

    def no_gap(self, position: int) -> None:
        """Name the first event that is missing before a position."""
        if position != self.position + 1:
            several = position > self.position + 2
            missing = f"the events up to {position - 1} are missing" if several else "the event is missing"
            self.add(self.position + 1, missing)
            self.versions_are_complete = False
            self.versions.clear()

    def row(self, row: tuple[Any, ...]) -> None:
        position, event_id, stream, version, event_type, schema, recorded_us, actor, correlation, ordinal = row[:10]
        digest, stored, data, types, digest_type, hash_type, data_type = row[10:]
        self.no_gap(position)
        self.position = position
        self.events += 1
        if not self.events % _TELLING:
            self.tell()
        if (types, hash_type, data_type) != (_TYPES, b"blob", b"blob") or digest_type not in (b"blob", b"null"):
            self.add(position, "a column has another type than was written")
            self.hash = stored if isinstance(stored, bytes) else None
            return
        sealed = stored if self.hash is None else seal(
            self.hash, position, version, schema, recorded_us, ordinal,
            event_id, names(stream, event_type, actor), correlation, digest, data,
        )  # fmt: skip
        expected = self.versions.get(stream, 0 if self.versions_are_complete else version - 1) + 1
        if sealed != stored:
            self.add(position, "its bytes do not have the hash that was stored, or the event before it was exchanged")
        elif version != expected:
            self.add(position, f"it has version {version} of its stream, not {expected}")
        elif recorded_us < self.recorded_us:
            self.add(position, "it was recorded before the event before it")
        # From the stored hash, so that one damaged event does not accuse all that follow.
        self.hash, self.versions[stream], self.recorded_us = stored, version, recorded_us
        if event_type == b"payload.erased" and sealed == stored:
            self.erased.update(decode(data).get("positions", ()))
        if digest is not None:
            self.payload(position, digest)

    def payload(self, position: int, digest: bytes) -> None:
        try:
            found = self.connection.execute(
                "SELECT bytes, typeof(bytes) FROM payload WHERE position = ?", (position,)
            ).fetchone()
        except (sqlite3.Error, OverflowError) as error:
            self.add(position, f"its payload cannot be read ({error})")
            return
        if found is None:
            self.without_payload.add(position)
        elif found[1] != b"blob" or sha256(found[0]).digest() != digest:
            self.add(position, "its payload does not have the digest that was stored")
        else:
            self.payloads += 1

    def end(self) -> None:
        """Check what can only be told when every event is known."""
        for position in sorted(self.without_payload - self.erased):
            self.add(position, "its payload is missing, and no event says that it was erased")
        # A damaged page may end the walk early without a word; the index has an entry for each event.
        (behind,) = self.connection.execute(
            "SELECT min(position) FROM event INDEXED BY event_stream WHERE +position > ?", (self.position,)
        ).fetchone()
        if behind is not None:
            self.add(self.position + 1, "the event is missing, though the index of streams knows it")
        if self.problems:
            return
        (stored,) = self.connection.execute("SELECT count(*) FROM payload").fetchone()
        if stored != self.payloads:
            self.add(None, f"{stored - self.payloads} payloads belong to no event")
        for (line,) in self.connection.execute("PRAGMA integrity_check"):
            if line != b"ok":
                self.add(None, f"the database's structure is damaged ({line.decode(errors='replace')})")


def verify_file(path: Path, progress: Callable[[int, int], None] | None = None) -> LogReport:
    """Check a whole log; blocks as long as that takes (some seconds for a million events).

    Parameters:
        path: the log.
        progress: called with the events that are checked and those that there are.

    Raises:
        LogTooNew: a newer Datmo wrote it.
        DamagedLog: the file is no log at all.
    """
    with closing(open_file(path)) as connection:
        connection.text_factory = bytes
        check = _Check(connection, progress)
        connection.execute("BEGIN")
        try:
            (check.total,) = connection.execute("SELECT ifnull(max(position), 0) FROM event").fetchone()
            check.rows()
            check.tell()
            check.end()
        except (sqlite3.Error, OverflowError) as error:
            check.add(None, f"the database's structure is damaged ({error})")
    position, digest = check.position, (check.hash or b"").hex()
    problems = tuple(sorted(check.problems, key=lambda problem: problem.position or 0))
    return LogReport(check.events, check.payloads, len(check.without_payload), position, digest, problems)
