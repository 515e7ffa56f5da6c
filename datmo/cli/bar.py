"""A bar for long work, on a terminal only: how much, time left. Short work shows none, nor loads what draws it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from datmo.cli.terminal import interactive_display
from datmo.core.measures import progress as measured

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["bar"]

_SOON = 0.5
"""Seconds after which work is long."""


@contextmanager
def bar(what: str, unit: str | None = None, *, after: float = _SOON) -> Iterator[Callable[[int, int], None] | None]:
    """Show how far work has come while the block runs; gives what is told of it, None where nobody looks.

    Parameters:
        what: the work, in a word.
        unit: what is counted, `events` or the like; bytes by default.
        after: seconds after which it is shown.
    """
    if not interactive_display():
        yield None
        return
    shown = _Bar(what, unit, time.monotonic() + after)
    try:
        yield shown.update
    finally:
        shown.close()


class _Bar:
    def __init__(self, what: str, unit: str | None, begins: float) -> None:
        self._what = what
        self._unit = unit
        self._begins = begins
        self._drawn: tuple[Progress, TaskID] | None = None

    def update(self, done: int, total: int) -> None:
        """Draw it; called from worker threads, one after another."""
        if self._drawn is None:
            if time.monotonic() < self._begins:
                return
            self._drawn = _drawing(self._what, self._unit)
        progress, row = self._drawn
        amount = measured(done, total, self._unit)
        progress.update(row, completed=done, total=total or None, amount=amount)

    def close(self) -> None:
        """Take it away."""
        if self._drawn is not None:
            self._drawn[0].stop()


def _drawing(what: str, unit: str | None) -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    amount = (DownloadColumn(), TransferSpeedColumn()) if unit is None else (TextColumn("{task.fields[amount]}"),)
    columns = TextColumn("  {task.description}"), BarColumn(), *amount
    progress = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    progress.start()
    return progress, progress.add_task(what, total=None, amount="")
