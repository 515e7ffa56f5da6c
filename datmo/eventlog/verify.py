"""Verification: is every stored byte what was written?

It recomputes the hash chain from the columns as they lie in the file, compares each payload with its digest, and lets
SQLite check its own structures. It finds damage and careless edits. A log that was rewritten as a whole, or whose last
events were cut off, is only found by comparing with a head that was noted elsewhere (`refs/datmo/<project id>/head`).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from datmo.eventlog.chain import GENESIS, seal
from datmo.eventlog.codec import decode
from datmo.eventlog.schema import open_file

__all__ = ["LogReport", "Problem", "verify_file"]

_MOST_PROBLEMS = 100
_TYPES = b"integer,text,text,integer,text,integer,integer,text,text,integer"
_ROWS = """
    SELECT position, id, stream, version, type, schema, recorded_at, actor, correlation, ordinal, digest, hash, data,
        typeof(position) || ',' || typeof(id) || ',' || typeof(stream) || ',' || typeof(version) || ',' || typeof(type)
        || ',' || typeof(schema) || ',' || typeof(recorded_at) || ',' || typeof(actor) || ',' || typeof(correlation)
        || ',' || typeof(ordinal), typeof(digest), typeof(hash), typeof(data)
    FROM event NOT INDEXED WHERE position > ? ORDER BY position
"""
_PAYLOADS = """
    SELECT event.position, event.digest, payload.bytes
    FROM event NOT INDEXED LEFT JOIN payload USING (position) WHERE event.digest IS NOT NULL ORDER BY event.position
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
    def __init__(self) -> None:
        self.events = 0
        self.position = 0
        self.hash = GENESIS
        self.recorded_us = 0
        self.versions: dict[bytes, int] = {}
        self.erased: set[int] = set()
        self.problems: list[Problem] = []

    def add(self, position: int | None, reason: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(Problem(position, reason))

    def row(self, row: tuple[Any, ...]) -> None:
        position, event_id, stream, version, event_type, schema, recorded_us, actor, correlation, ordinal = row[:10]
        digest, stored, data, types, digest_type, hash_type, data_type = row[10:]
        if position != self.position + 1:
            missing = f"{self.position + 1} to {position - 1}" if position > self.position + 2 else "the event"
            self.add(self.position + 1, f"{missing} is missing")
        self.position = position
        self.events += 1
        if (types, hash_type, data_type) != (_TYPES, b"blob", b"blob") or digest_type not in (b"blob", b"null"):
            self.add(position, "a column has another type than was written")
            self.hash = stored if isinstance(stored, bytes) else GENESIS
            return
        sealed = seal(
            self.hash,
            position,
            event_id,
            stream,
            version,
            event_type,
            schema,
            recorded_us,
            actor,
            correlation,
            ordinal,
            digest,
            data,
        )
        if sealed != stored:
            self.add(position, "its bytes do not have the hash that was stored, or the event before it was exchanged")
        elif version != self.versions.get(stream, 0) + 1:
            self.add(position, f"it has version {version} of its stream, not {self.versions.get(stream, 0) + 1}")
        elif recorded_us < self.recorded_us:
            self.add(position, "it was recorded before the event before it")
        # From the stored hash, so that one damaged event does not accuse all that follow.
        self.hash, self.versions[stream], self.recorded_us = stored, version, recorded_us
        if event_type == b"payload.erased" and sealed == stored:
            self.erased.update(decode(data).get("positions", ()))


def verify_file(path: Path) -> LogReport:
    """Check a whole log; blocks as long as that takes (about a second for 500,000 events).

    Raises:
        LogTooNew: a newer Datmo wrote it.
        DamagedLog: the file is no log at all.
    """
    check = _Check()
    payloads = 0
    with closing(open_file(path)) as connection:
        connection.text_factory = bytes
        connection.execute("BEGIN")
        try:
            # Rows before a broken page are checked one by one, so that the position is known when it breaks.
            for row in connection.execute(_ROWS, (0,)):
                check.row(row)
            payloads = _check_payloads(connection, check)
            if not check.problems:
                _check_structure(connection, check)
        except (sqlite3.DatabaseError, OverflowError) as error:
            check.add(check.position + 1, f"the row cannot be read ({error})")
    erased = len(check.erased)
    return LogReport(check.events, payloads, erased, check.position, check.hash.hex(), tuple(check.problems))


def _check_payloads(connection: sqlite3.Connection, check: _Check) -> int:
    good = 0
    for position, digest, content in connection.execute(_PAYLOADS):
        if content is None:
            if position not in check.erased:
                check.add(position, "its payload is missing, and no event says that it was erased")
        elif sha256(content).digest() != digest:
            check.add(position, "its payload does not have the digest that was stored")
        else:
            good += 1
    return good


def _check_structure(connection: sqlite3.Connection, check: _Check) -> None:
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != b"ok":
            check.add(None, f"the database's structure is damaged ({line.decode(errors='replace')})")
