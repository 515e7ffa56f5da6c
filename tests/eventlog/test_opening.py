"""Opening: making the file once, whoever comes first; refusing what is no log of ours."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from datmo.errors import DamagedLog, LogError, LogTooNew
from datmo.eventlog.schema import FORMAT
from tests.eventlog.support import differing_views, note, opened, printed, sql, texts, with_project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

RACER = """
import sys, anyio
from pathlib import Path
from tests.eventlog.support import note, opened
async def main():
    sys.stdin.readline()
    async with opened(Path(sys.argv[1])) as log:
        await log.append(note(sys.argv[2], f"note/{sys.argv[2]}"))
anyio.run(main)
"""


def test_many_processes_make_the_file_at_once(tmp_path: Path) -> None:
    for attempt in range(2):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        racers = [
            subprocess.Popen(
                [sys.executable, "-W", "error", "-c", RACER, folder, str(number)],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for number in range(6)
        ]
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write(b"go\n")
            racer.stdin.flush()
        assert [racer.communicate()[1] for racer in racers] == [b""] * 6
        with closing(sqlite3.connect(folder / "log.db")) as connection:
            assert connection.execute("SELECT count(*), max(position) FROM event").fetchone() == (6, 6)
        assert not (folder / "log.db.new").exists()


async def test_the_file_is_made_with_its_folder_alone(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    assert sorted(os.listdir(tmp_path)) == ["log.db", "log.lock"]
    with pytest.raises(LogError, match="cannot be created"):
        async with opened(tmp_path / "nowhere"):
            pass


async def test_what_is_left_of_a_broken_creation_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "log.db.new").write_bytes(b"half")
    (tmp_path / "log.db.new-wal").write_bytes(b"half")
    (tmp_path / "log.db").touch()
    async with opened(tmp_path) as log:
        await log.append(note("a"))
        assert await texts(log) == ["a"]


async def test_a_write_ahead_log_without_its_database_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "log.db-wal").write_bytes(b"the last events")
    with pytest.raises(DamagedLog, match=r"log.db is missing, but log.db-wal is there"):
        async with opened(tmp_path):
            pass
    assert (tmp_path / "log.db-wal").read_bytes() == b"the last events"


async def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await log.append(note("a"))
    sql(tmp_path, f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(LogTooNew, match=f"format {FORMAT + 1}, this Datmo reads formats up to {FORMAT}") as caught:
        async with opened(tmp_path):
            pass
    assert "upgrade" in (caught.value.hint or "")


@pytest.mark.parametrize("content", ["database", "text"])
async def test_the_file_of_somebody_else_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / "log.db"
    if content == "text":
        file.write_bytes(b"dear diary, " * 1000)
    else:
        sql(tmp_path, "CREATE TABLE event (a)", "PRAGMA user_version = 1")
    before = file.read_bytes()
    with pytest.raises(DamagedLog, match=r"log\.db"):
        async with opened(tmp_path):
            pass
    assert file.read_bytes() == before


async def test_views_of_another_version_are_made_anew_when_the_log_is_opened(tmp_path: Path) -> None:
    async with with_project(tmp_path):
        pass
    sql(tmp_path, "UPDATE view SET version = 0 WHERE name = 'task'", "DROP TABLE task", "CREATE TABLE task (id)")
    async with opened(tmp_path) as log:
        assert (await log.query(lambda connection: connection.execute("SELECT status FROM task").fetchall())) == [
            ("RUNNING",)
        ]
    assert await differing_views(tmp_path) == ()


async def test_views_that_another_version_made_its_own_meanwhile_are_made_anew_by_the_next_append(
    tmp_path: Path,
) -> None:
    async with with_project(tmp_path) as log:
        sql(tmp_path, "UPDATE view SET version = 99 WHERE name = 'task'", "DROP TABLE task", "CREATE TABLE task (id)")
        with pytest.raises(LogError, match="views could not be read"):
            await log.query(lambda connection: connection.execute("SELECT status FROM task").fetchall())
        await log.append(printed(0, 5))
        found = await log.query(lambda connection: connection.execute("SELECT cursor FROM task_output").fetchall())
        assert found == [(5,)]
    assert await differing_views(tmp_path) == ()


async def test_the_project_can_be_copied_when_nothing_has_it_open(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    async with with_project(tmp_path / "a") as log:
        head = await log.head()
    (tmp_path / "a").rename(tmp_path / "b")
    async with opened(tmp_path / "b") as log:
        assert await log.head() == head
        await log.append(printed(0, 5))
        assert (await log.verify()).ok
