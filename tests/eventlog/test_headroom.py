"""Headroom in the write-ahead file: made ahead, worth nothing to SQLite, and nothing an append depends on."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import anyio
import pytest

from datmo.eventlog.headroom import Headroom
from tests.eventlog.support import differing_views, note, opened, texts, with_project

pytestmark = pytest.mark.anyio

STEP = 65536


async def test_the_file_is_longer_than_what_was_written(tmp_path: Path) -> None:
    ahead = tmp_path / "log.db-wal"
    lengths = set()
    async with with_project(tmp_path) as log:
        for number in range(150):
            await log.append(note(f"{number}"))
            lengths.add(ahead.stat().st_size)
        assert len(lengths) < 50  # not one for each append
        assert any(length % STEP == 0 for length in lengths)
        assert (await log.verify()).ok


async def test_a_few_appends_leave_it_as_long_as_sqlite_makes_it(tmp_path: Path) -> None:
    async with with_project(tmp_path) as log:
        for number in range(5):
            await log.append(note(f"{number}"))
        assert ((tmp_path / "log.db-wal").stat().st_size - 32) % (4096 + 24) == 0


async def test_what_is_kept_for_now_needs_no_headroom(tmp_path: Path) -> None:
    async with with_project(tmp_path) as log:
        for number in range(30):
            await log.append(note(f"{number}"), durable=False)
            assert ((tmp_path / "log.db-wal").stat().st_size - 32) % (4096 + 24) == 0


async def test_a_file_with_headroom_is_read_by_whoever_finds_it(tmp_path: Path) -> None:
    """As a power loss leaves it: log and write-ahead file alone, with zeros behind the last frame, or nothing else."""
    async with opened(tmp_path) as log:
        for number in range(100):
            await log.append(note(f"{number}"))
            if number % 7 == 0:
                copy = tmp_path / f"copy-{number}"
                copy.mkdir()
                for name in ("log.db", "log.db-wal"):
                    shutil.copy(tmp_path / name, copy / name)
    for number in range(0, 100, 7):
        folder = tmp_path / f"copy-{number}"
        async with opened(folder) as log:
            assert await texts(log) == [f"{earlier}" for earlier in range(number + 1)]
            await log.append(note("goes on"))
            assert (await log.verify()).ok
        assert await differing_views(folder) == ()


async def test_zeros_alone_are_an_empty_write_ahead_file(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await log.append(note("one"))
    (tmp_path / "log.db-wal").write_bytes(bytes(10 * STEP))
    async with opened(tmp_path) as log:
        await log.append(note("two"))
        assert await texts(log) == ["one", "two"]
        assert (await log.verify()).ok


@pytest.mark.parametrize(
    ("length", "wanted"), [(40_000, 40_000), (STEP, STEP), (100_000, 4 * STEP), (4_120_032, 5_177_344)]
)
def test_it_becomes_about_twice_as_long_and_stays_so(tmp_path: Path, length: int, wanted: int) -> None:
    file = tmp_path / "wal"
    file.write_bytes(b"x" * length)
    headroom = Headroom(str(file))
    for _ in range(50):
        headroom.make()
    assert file.read_bytes() == b"x" * length + bytes(wanted - length)


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    headroom = Headroom(str(tmp_path / "wal"))
    for _ in range(50):
        headroom.make()
    assert os.listdir(tmp_path) == []


APPENDER = """
import resource, sys, anyio
from pathlib import Path
from datmo.errors import LogError
from tests.eventlog.support import note, opened
async def main():
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
    async with opened(Path(sys.argv[1])) as log:
        for number in range(100):
            try:
                await log.append(note(f"{number}"))
            except LogError as error:
                print(number, error.hint)
                return
anyio.run(main)
"""


async def test_where_there_is_no_headroom_to_be_had_appends_go_on(tmp_path: Path) -> None:
    """A limit on the length of files stands in for a full disk: zeros no longer fit, what is appended still does."""
    limit = 700_000
    ran = await anyio.run_process([sys.executable, "-W", "error", "-c", APPENDER, str(tmp_path), str(limit)])
    appended, _, hint = ran.stdout.decode().partition(" ")
    assert hint == "is the disk full, or read-only?\n"
    assert int(appended) * 4 * 4120 > limit * 0.8  # four pages each, or three
    async with opened(tmp_path) as log:
        assert await texts(log) == [f"{number}" for number in range(int(appended))]
        assert (await log.verify()).ok
