"""The bar for long work, on a real terminal and without one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

import datmo.cli.gc
import datmo.cli.log
import datmo.cli.project
from datmo.cli.bar import bar
from datmo.cli.edge import execute
from tests.cli.conftest import Datmo


@contextmanager
def terminal() -> Iterator[int]:
    """Let standard error be a terminal for a while; gives the other end of it."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)  # not in a fixture: pytest sets its own before each test
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", "100")
        yield ours
    os.close(ours)


def all_of(seen: int) -> str:
    """What has been written to the terminal so far, and `end`."""
    sys.stderr.write("end")
    sys.stderr.flush()
    shown = ""
    while not shown.endswith("end"):  # a terminal hands on what was written piece by piece
        shown += os.read(seen, 1 << 16).decode(errors="replace")
    return shown


def test_it_shows_bytes_and_goes_away_again() -> None:
    with terminal() as seen:
        with bar("storing", after=0) as progress:
            assert progress is not None
            progress(0, 4_000_000)
            progress(1_000_000, 4_000_000)
            progress(3_000_000, 4_000_000)
        shown = all_of(seen)
    assert "storing" in shown
    assert "3.0/4.0 MB" in shown
    assert shown.endswith("\x1b[2Kend")  # the line is empty again


def test_what_is_no_bytes_is_counted() -> None:
    with terminal() as seen:
        with bar("verifying", "events", after=0) as progress:
            assert progress is not None
            progress(4096, 12_345)
        shown = all_of(seen)
    assert "verifying" in shown
    assert "4,096 of 12,345 events" in shown


@pytest.mark.anyio
@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("line", "word", "counted"),
    [
        ("log verify", "verifying", "events"),
        ("log replay", "replaying", "events"),
        ("log replay --to 2", "replaying", "events"),
        ("gc --dry-run", "looking", "bytes"),
        ("gc", "removing", "bytes"),
        ("cleanup --yes", "removing", "parts"),
    ],
)
async def test_long_commands_show_it(
    run: Datmo, monkeypatch: pytest.MonkeyPatch, line: str, word: str, counted: str
) -> None:
    for module in (datmo.cli.log, datmo.cli.gc, datmo.cli.project):
        monkeypatch.setattr(module, "bar", partial(bar, after=0))

    async def shown(*more: str) -> str:
        assert await execute(["init", "--name", "iris", "--quiet"]) == 0
        assert await execute(["snapshot", "create", "-m", "x", "--quiet"]) == 0
        with terminal() as seen:
            assert await execute([*line.split(), *more]) == 0
            return all_of(seen)

    assert await shown("--quiet") == "end"
    drawn = await shown()
    assert word in drawn
    assert counted in drawn
    assert (await run("init", "--name", "iris")).id
    assert counted not in (await run(*line.split())).err


def test_short_work_shows_nothing() -> None:
    with terminal() as seen:
        with bar("storing", after=3600) as progress:
            assert progress is not None
            progress(1, 1)
        sys.stderr.write("end")
        sys.stderr.flush()
        assert os.read(seen, 100) == b"end"


def test_without_a_terminal_nobody_is_told() -> None:
    with bar("storing", after=0) as progress:
        assert progress is None
