"""The bar for long work, on a real terminal and without one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from datmo.cli.bar import bar


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


def test_it_shows_bytes_and_goes_away_again() -> None:
    with terminal() as seen:
        with bar("storing", after=0) as progress:
            assert progress is not None
            progress(0, 4_000_000)
            progress(1_000_000, 4_000_000)
            progress(3_000_000, 4_000_000)
        sys.stderr.write("end")
        sys.stderr.flush()
        shown = ""
        while not shown.endswith("end"):  # a terminal hands on what was written piece by piece
            shown += os.read(seen, 1 << 16).decode(errors="replace")
    assert "storing" in shown
    assert "3.0/4.0 MB" in shown
    assert shown.endswith("\x1b[2Kend")  # the line is empty again


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
