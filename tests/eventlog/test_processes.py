"""Many processes on one log, and what kill -9 leaves.

The full sizes: `DATMO_TEST_EVENTS=10000 DATMO_TEST_KILLS=200 pytest tests/eventlog/test_processes.py -s`, or
`python tools/bench/check_log.py`.
"""

from __future__ import annotations

import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import pytest

from datmo.eventlog.verify import verify_file
from datmo.projections.all import VIEWS
from datmo.projections.views import compare_file
from tests.eventlog.support import note, opened

if TYPE_CHECKING:
    from pathlib import Path

WRITERS = 8
EVENTS = int(os.environ.get("DATMO_TEST_EVENTS", "150"))
KILLS = int(os.environ.get("DATMO_TEST_KILLS", "6"))
SEED = int(os.environ.get("DATMO_TEST_SEED", "1"))


def run(name: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "tests.eventlog.processes", name, str(folder), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_eight_processes_append_while_a_ninth_follows(tmp_path: Path) -> None:
    """Everything is there once, in order and without gaps; nobody is told that the database is locked."""
    follower = run("follow", tmp_path, str(WRITERS * EVENTS))
    writers = [run("append", tmp_path, str(number), str(EVENTS)) for number in range(WRITERS)]
    for process in (follower, *writers):
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
    started = time.monotonic()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    longest = 0.0
    for writer in writers:
        output, errors = writer.communicate()
        assert (writer.returncode, errors) == (0, "")
        longest = max(longest, float(output.split()[0]))
    seconds = time.monotonic() - started
    output, errors = follower.communicate()
    assert (output, errors) == (f"{WRITERS * EVENTS}\n", "")
    print(f"{WRITERS * EVENTS / seconds:,.0f} events/s, longest wait of one append {longest * 1000:.0f} ms")
    report = verify_file(tmp_path / "log.db")
    assert report.ok
    assert report.events == report.position == WRITERS * EVENTS
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection:
        counts = connection.execute("SELECT count(*), max(version) FROM event GROUP BY stream").fetchall()
    assert counts == [(EVENTS, EVENTS)] * WRITERS


def test_kill_9_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Two processes append in every manner to one log, again and again; one or both are killed at some moment."""
    moments = random.Random(SEED)
    acknowledged: set[str] = set()
    for kill in range(KILLS):
        killed = run("acknowledge", tmp_path, f"k{kill}")
        other = run("acknowledge", tmp_path, f"o{kill}")
        for process in (killed, other):
            assert process.stdout is not None
            acknowledged.add(process.stdout.readline().strip())
        rest = moments.uniform(0, 0.05)
        assert killed.stdout is not None
        while rest > 0:  # until the moment comes, nothing but reading what is acknowledged
            before = time.monotonic()
            select.select([killed.stdout], [], [], rest)
            rest -= time.monotonic() - before
            if rest > 0:
                acknowledged.add(killed.stdout.readline().strip())
        for process in (killed, other):
            process.send_signal(signal.SIGKILL)
        for process in (killed, other):
            output, errors = process.communicate()
            assert errors == ""
            acknowledged.update(output.rpartition("\n")[0].splitlines())  # a last line may be torn
        check_log(tmp_path, acknowledged, full=kill % 10 == 9 or kill == KILLS - 1)
    print(f"{KILLS} kills of {2 * KILLS} processes, {len(acknowledged):,} acknowledged appends, all there")
    anyio.run(goes_on, tmp_path)


def check_log(folder: Path, acknowledged: set[str], *, full: bool) -> None:
    """Every acknowledged append is there, each append is whole, and (`full`) everything else is right."""
    with closing(sqlite3.connect(folder / "log.db")) as connection:
        rows = connection.execute(
            "SELECT json_extract(CAST(data AS TEXT), '$.text'), ordinal, correlation FROM event"
            " WHERE type = 'note.written' ORDER BY position"
        ).fetchall()
    sizes: dict[str, int] = {}
    for _, _, correlation in rows:
        sizes[correlation] = sizes.get(correlation, 0) + 1
    first = {text: sizes[correlation] for text, ordinal, correlation in rows if ordinal == 0}
    assert acknowledged - {""} <= set(first)
    assert all(size == 1 + int(text.rpartition(" ")[2]) % 5 for text, size in first.items())
    if full:
        report = verify_file(folder / "log.db")
        assert report.ok, report.problems[:3]
        assert compare_file(folder / "log.db", VIEWS).different == ()


async def goes_on(folder: Path) -> None:
    """The next open works."""
    async with opened(folder) as log:
        position, _ = await log.head()
        assert (await log.append(note("after all"))).first == position + 1


@pytest.mark.parametrize("moment", ["rename", "commit"])
def test_a_process_that_dies_while_it_makes_the_file_leaves_the_way_free(tmp_path: Path, moment: str) -> None:
    program = f"""
import os, sqlite3, anyio
from pathlib import Path
import datmo.eventlog.schema as schema
from tests.eventlog.support import opened
if {moment!r} == "rename":
    os.rename = lambda *_: os._exit(9)
else:
    schema.tables = lambda connection: (connection.execute("BEGIN IMMEDIATE"), os._exit(9))
async def main():
    async with opened(Path({str(tmp_path)!r})):
        pass
anyio.run(main)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    anyio.run(goes_on, tmp_path)
