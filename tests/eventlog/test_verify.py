"""Verification: whatever is done to the file, the position is named."""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import pytest

from datmo.core.event import NewEvent
from datmo.eventlog.schema import INSERT, SELECT
from datmo.eventlog.verify import verify_file
from tests.eventlog.support import UNLOCKED, note, opened, sql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE_SIZE = 4096
EVENTS = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log of twelve events, the seventh longer than a page, the third and ninth with payloads."""

    async def write() -> None:
        async with opened(tmp_path) as log:
            for number in range(1, EVENTS + 1):
                text = "x" * 9000 if number == 7 else str(number)
                payload = b"payload %d" % number if number % 6 == 3 else None
                await log.append(note(text, f"note/{number % 2}", payload))

    anyio.run(write)
    return tmp_path


def problems(folder: Path) -> list[int | None]:
    return [problem.position for problem in verify_file(folder / "log.db").problems]


def test_a_whole_log_is_found_whole(folder: Path) -> None:
    report = verify_file(folder / "log.db")
    assert report.ok
    assert (report.events, report.payloads, report.erased, report.position) == (EVENTS, 2, 0, EVENTS)


def test_the_report_holds_the_head(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "log.db")) as connection:
        (digest,) = connection.execute("SELECT hash FROM event WHERE position = ?", (EVENTS,)).fetchone()
    assert verify_file(folder / "log.db").hash == digest.hex()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "'01a20a8b-09d0-70ba-8d74-000000000001'"),
        ("stream", "'note/9'"),
        ("version", "9"),
        ("type", "'note.lost'"),
        ("schema", "2"),
        ("recorded_at", "recorded_at + 1"),
        ("actor", "'{}'"),
        ("correlation", "'x'"),
        ("ordinal", "1"),
        ("data", "x'7b7d'"),
        ("digest", "zeroblob(32)"),
        ("hash", "zeroblob(32)"),
    ],
)
@pytest.mark.parametrize("position", [1, 5, EVENTS])
def test_a_column_that_was_edited_is_found(folder: Path, column: str, value: str, position: int) -> None:
    sql(folder, *UNLOCKED, f"UPDATE event SET {column} = {value} WHERE position = {position}")
    assert problems(folder)[0] == position


def test_a_removed_event_is_found(folder: Path) -> None:
    sql(folder, *UNLOCKED, "DELETE FROM event WHERE position = 5")
    assert problems(folder)[0] == 5


def test_a_removed_event_whose_followers_were_moved_up_is_found(folder: Path) -> None:
    sql(folder, *UNLOCKED, "DELETE FROM event WHERE position = 5")
    for position in range(6, EVENTS + 1):
        sql(folder, f"UPDATE event SET position = {position - 1} WHERE position = {position}")
    assert problems(folder)[0] == 5


def test_exchanged_events_are_found(folder: Path) -> None:
    sql(
        folder,
        *UNLOCKED,
        "UPDATE event SET position = 100 WHERE position = 5",
        "UPDATE event SET position = 5 WHERE position = 6",
        "UPDATE event SET position = 6 WHERE position = 100",
    )
    assert problems(folder)[:2] == [5, 6]


def test_an_inserted_event_is_found(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "log.db", isolation_level=None)) as connection:
        row = list(connection.execute(f"{SELECT} WHERE position = 5").fetchone())
        row[0], row[1], row[3] = EVENTS + 1, "another", 99
        connection.execute(INSERT, row)
    assert problems(folder) == [EVENTS + 1]


@pytest.mark.parametrize(
    ("statement", "position"),
    [
        ("UPDATE payload SET bytes = x'00' WHERE position = 3", 3),
        ("DELETE FROM payload WHERE position = 9", 9),
        ("INSERT INTO payload VALUES (4, x'00')", None),
    ],
)
def test_a_payload_that_is_not_what_was_stored_is_found(folder: Path, statement: str, position: int | None) -> None:
    sql(folder, "DROP TRIGGER payload_is_never_changed", statement)
    assert problems(folder) == [position]


@pytest.mark.anyio
async def test_a_payload_that_was_erased_on_purpose_is_no_damage(folder: Path) -> None:
    sql(folder, "DELETE FROM payload WHERE position = 3")
    async with opened(folder) as log:
        assert [problem.position for problem in (await log.verify()).problems] == [3]
        await log.append(NewEvent("task/x", "payload.erased", {"positions": [3]}))
        assert await log.payload(3) is None
        report = await log.verify()
    assert report.ok
    assert (report.payloads, report.erased) == (1, 1)


def test_a_cut_tail_needs_a_head_that_was_noted_elsewhere(folder: Path) -> None:
    whole = verify_file(folder / "log.db")
    sql(folder, *UNLOCKED, f"DELETE FROM event WHERE position = {EVENTS}")
    cut = verify_file(folder / "log.db")
    assert cut.ok
    assert (cut.position, cut.hash) != (whole.position, whole.hash)


def test_every_byte_of_an_events_record_counts(folder: Path) -> None:
    """In the file itself: each byte of some records, the lengths and types before the columns with every bit."""
    file = folder / "log.db"
    raw = file.read_bytes()
    tried = 0
    for position, start, header, body, end in records(raw, "event"):
        if position not in {1, 5, 7, EVENTS}:
            continue
        for offset in range(start, end, 1 if position != 7 else 13):
            for bit in (1, 2, 4, 8, 16, 32, 64, 128) if offset < body else (1 << offset % 8,):
                if offset == header + 1 and bit == 8:
                    continue  # the one byte that means nothing, see datmo.eventlog.verify
                flip(file, raw, offset, bit)
                assert position in problems(folder), (position, offset - start, bit)
                tried += 1
    assert tried > 1000
    file.write_bytes(raw)
    assert problems(folder) == []


def test_every_byte_of_a_payloads_record_counts(folder: Path) -> None:
    file = folder / "log.db"
    raw = file.read_bytes()
    for position, start, header, _, end in records(raw, "payload"):
        for offset in range(start, end):
            for bit in (1, 2, 4, 8, 16, 32, 64, 128):
                if (offset, bit) != (header + 1, 8):
                    flip(file, raw, offset, bit)
                    assert position in problems(folder), (position, offset - start, bit)


def flip(file: Path, raw: bytes, offset: int, bit: int) -> None:
    changed = bytearray(raw)
    changed[offset] ^= bit
    file.write_bytes(changed)
    for beside in ("log.db-wal", "log.db-shm"):
        file.with_name(beside).unlink(missing_ok=True)


def records(raw: bytes, table: str) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield each record of a table: its position, where it starts, where its header and its columns do, its end."""
    with closing(sqlite3.connect(":memory:")) as connection:
        # Outside of write-ahead mode, which a database in memory cannot have.
        connection.deserialize(raw[:18] + b"\1\1" + raw[20:])
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    yield from _cells(raw, root)


def _cells(raw: bytes, page: int) -> Iterator[tuple[int, int, int, int, int]]:
    start = (page - 1) * PAGE_SIZE
    leaf = raw[start] == 13
    (count,) = struct.unpack_from(">H", raw, start + 3)
    cells = struct.unpack_from(f">{count}H", raw, start + (8 if leaf else 12))
    for cell in cells:
        if not leaf:
            yield from _cells(raw, struct.unpack_from(">I", raw, start + cell)[0])
            continue
        size, at = _varint(raw, start + cell)
        position, header = _varint(raw, at)
        header_size, _ = _varint(raw, header)
        yield position, start + cell, header, header + header_size, header + _local(size)
    if not leaf:
        yield from _cells(raw, struct.unpack_from(">I", raw, start + 8)[0])


def _local(size: int) -> int:
    """How much of a record lies in its page, with the number of the page that it goes on in."""
    if size <= PAGE_SIZE - 35:
        return size
    least = (PAGE_SIZE - 12) * 32 // 255 - 23
    local = least + (size - least) % (PAGE_SIZE - 4)
    return (local if local <= PAGE_SIZE - 35 else least) + 4


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    while raw[at] & 128:
        value, at = value << 7 | raw[at] & 127, at + 1
    return value << 7 | raw[at], at + 1
