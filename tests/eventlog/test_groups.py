"""Groups of appends, some of which are refused half-way, against a model of what then must be in the log."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datmo.core import project
from datmo.core.event import Appended, Expected, NewEvent
from datmo.errors import Conflict, LogError
from datmo.eventlog.append import Appender
from datmo.eventlog.lock import WriteLock
from datmo.eventlog.request import Request
from datmo.eventlog.schema import create_file, open_file
from datmo.eventlog.verify import verify_file
from datmo.projections.all import SCHEMAS, VIEWS
from datmo.projections.views import compare_file
from tests.eventlog.support import TASK, created, note, printed, started

STREAMS = ("note/one", "note/two")
PAYLOADS = (None, b"", b"bytes")

notes = st.builds(note, st.text(max_size=5), st.sampled_from(STREAMS), st.sampled_from(PAYLOADS))
output = st.sampled_from(["right", "wrong"])
requests = st.lists(st.one_of(notes, output), min_size=1, max_size=5)
groups = st.lists(st.lists(requests, min_size=1, max_size=5), min_size=1, max_size=6)


def began() -> list[NewEvent]:
    return [*project.initialize("p" * 16, "s" * 16, "iris", ""), created(TASK), started(TASK)]


def request_of(*events: NewEvent) -> Request:
    return Request(events, Expected.ANY, None, "c" * 16, durable=False)


class Model:
    """The log as it must be: each event's stream, version and payload, and where the output ends."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int, bytes | None]] = []
        self.versions: dict[str, int] = {}
        self.cursor = 0

    def take(self, events: list[NewEvent]) -> Appended:
        """Add what is appended."""
        for event in events:
            self.versions[event.stream] = self.versions.get(event.stream, 0) + 1
            self.events.append((event.stream, self.versions[event.stream], event.payload))
        return Appended(len(self.events) - len(events) + 1, len(self.events))

    def resolve(self, pieces: list[NewEvent | str]) -> tuple[list[NewEvent], bool]:
        """Return the events that are asked for, and whether they must be refused."""
        events: list[NewEvent] = []
        cursor = self.cursor
        for piece in pieces:
            if isinstance(piece, NewEvent):
                events.append(piece)
            else:
                at = cursor if piece == "right" else cursor + 7
                events.append(printed(at, at + 1))
                cursor += 1
        refused = "wrong" in pieces
        if not refused:
            self.cursor = cursor
        return events, refused


@settings(max_examples=60)
@given(groups, st.booleans())
def test_what_is_refused_half_way_leaves_nothing_and_troubles_nobody(
    history: list[list[list[NewEvent | str]]], another: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log.db"
        lock = WriteLock(file.with_suffix(".lock"))
        create_file(file, lock)
        model = Model()
        with closing(open_file(file)) as one, closing(open_file(file)) as two:
            appenders = [(one, Appender(lock, VIEWS, SCHEMAS, "{}")), (two, Appender(lock, VIEWS, SCHEMAS, "{}"))]
            first = request_of(*began())
            appenders[0][1].commit(one, [first], durable=False)
            assert first.outcome == model.take(began())
            for number, group in enumerate(history):
                asked: list[Request] = []
                wanted: list[Appended | type[Conflict]] = []
                for pieces in group:
                    events, refused = model.resolve(pieces)
                    asked.append(request_of(*events))
                    wanted.append(Conflict if refused else model.take(events))
                connection, appender = appenders[number % 2 if another else 0]
                appender.commit(connection, asked, durable=False)
                outcomes = [request.outcome for request in asked]
                assert [type(each) if isinstance(each, Conflict) else each for each in outcomes] == wanted
            assert stored(one) == model.events
        lock.close()
        assert verify_file(file).ok
        assert compare_file(file, VIEWS).different == ()


def test_what_fails_as_it_is_sealed_leaves_no_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_memory(*_: object) -> bytes:
        raise MemoryError

    file = tmp_path / "log.db"
    lock = WriteLock(file.with_suffix(".lock"))
    create_file(file, lock)
    appender = Appender(lock, VIEWS, SCHEMAS, "{}")
    lost, kept = (request_of(note(text, STREAMS[0])) for text in ("lost", "kept"))
    with closing(open_file(file)) as connection:
        appender.commit(connection, [request_of(*began())], durable=False)
        with monkeypatch.context() as patch:
            patch.setattr("datmo.eventlog.append.seal", without_memory)
            appender.commit(connection, [lost], durable=False)
        appender.commit(connection, [kept], durable=False)
    lock.close()
    assert isinstance(lost.outcome, LogError)
    assert isinstance(kept.outcome, Appended)
    assert verify_file(file).ok


def stored(connection: sqlite3.Connection) -> list[tuple[str, int, bytes | None]]:
    return connection.execute(
        "SELECT stream, version, bytes FROM event LEFT JOIN payload USING (position) ORDER BY position"
    ).fetchall()
