"""The live view of many tasks on a terminal: how far they are; of each that runs its time, metrics and last line."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from datmo.cli.table import Column, table
from datmo.cli.value_columns import value_columns
from datmo.cli.words import Shortened, clean
from datmo.core.html_progress import clock
from datmo.core.watched import Watched, WatchedTask

if TYPE_CHECKING:
    from datmo.core.entity.task import Task
    from datmo.engine.tasks import RunningTasks, TaskUpdate

__all__ = ["View", "shown_live"]

_EVERY = 0.2
_BESIDE = 5
"""Lines of the terminal that are not for tasks: bar, heading, columns left out, how many more, the cursor's."""
_BAR, _WIDE = 20, 80
"""How long the bar is on a terminal of at least so many columns."""


class View:
    """What is known of the tasks, and how it is shown.

    Parameters:
        ids: those of the tasks.
    """

    def __init__(self, ids: list[str]) -> None:
        self._watched = Watched(ids, time.time)
        self._shortened = Shortened(ids)
        self._done: dict[str, int] = {}
        self._took = 0.0

    async def take(self, task_id: str, stream: int, data: bytes) -> None:
        """Hear what a task prints: the last line is shown, progress bars as they stand."""
        self._watched.take(task_id, data)

    def hear(self, update: TaskUpdate) -> None:
        """Hear what happens to a task."""
        self._watched.hear(update.event)

    def ended(self, task: Task) -> None:
        """Hear that all attempts at a task have been made."""
        self._done[task.status] = self._done.get(task.status, 0) + 1
        self._took += task.duration or 0.0

    def __rich_console__(self, console: Console, options: Any) -> Any:
        """Draw it, as it is now."""
        rows = list(self._watched.running.items())[: max(console.height - _BESIDE, 1)]
        hidden = len(self._watched.running) - len(rows)
        yield self._bar(console.width)
        if rows:
            drawn = self._table(rows, console.width) + (f"and {hidden} more" if hidden else "")
            yield Text.from_ansi(drawn.rstrip("\n"), no_wrap=True, overflow="crop")

    def _table(self, rows: list[tuple[str, WatchedTask]], width: int) -> str:
        config = value_columns("config", [row.config for _, row in rows], width=width, spare=3)
        metrics = value_columns("metrics", [row.metrics for _, row in rows], width=width, spare=2)
        columns = [
            Column("id", styles={"": "cyan"}),
            Column("attempt", right=True, optional=True),
            Column("time", right=True),
            *config.columns,
            *metrics.columns,
            Column("last line", flexible=True, optional=True, styles={"": "dim"}, legible=12),
        ]
        cells = [
            [
                self._shortened(task_id),
                str(row.attempt) if row.attempt > 1 else "",
                clock(time.time() - row.since),
                *config.rows[i],
                *metrics.rows[i],
                clean(row.last),
            ]
            for i, (task_id, row) in enumerate(rows)
        ]
        return table(columns, cells, width=width, colour=True)

    def _left(self, waiting: int) -> float:
        """Return the seconds that are left if all take as long as those that have ended."""
        now, mean = time.time(), self._took / sum(self._done.values())
        begun = sum(max(mean - (now - row.since), 0.0) for row in self._watched.running.values())
        return (waiting * mean + begun) / len(self._watched.running)

    def _bar(self, width: int) -> Table:
        done, total = sum(self._done.values()), len(self._watched.ids)
        failed = self._done.get("FAILED", 0) + self._done.get("LOST", 0)
        running = len(self._watched.running)
        waiting = max(total - done - running, 0)
        counts = {
            "running": (running, ""),
            "waiting": (waiting, ""),
            "failed": (failed, "red"),
            "stopped": (self._done.get("STOPPED", 0), "yellow"),
        }
        words = [(f"{count} {word}", style) for word, (count, style) in counts.items() if count]
        words.append((clock(time.time() - self._watched.began), ""))
        if self._took and running:
            words.append((f"about {clock(self._left(waiting))} left", "dim"))
        count = f"{done}/{total}"
        length = _BAR if width >= _WIDE else _BAR // 2
        line = Table.grid(padding=(0, 2))
        for least in (length, len(count), None):
            line.add_column(no_wrap=True, overflow="ellipsis", min_width=least)
        style = "red" if failed else "green"
        line.add_row(
            ProgressBar(
                total=total,
                completed=done,
                width=length,
                style="bright_black",
                complete_style=style,
                finished_style=style,
            ),
            Text(count, "bold"),
            Text(" · ").join(Text(word, style) for word, style in words),
        )
        return line


@asynccontextmanager
async def shown_live(running: RunningTasks, view: View) -> AsyncIterator[None]:
    """Show a view for as long as the block runs; what is said meanwhile appears above it."""
    console = Console(file=sys.stderr)
    live = Live(view, console=console, auto_refresh=False, transient=True, redirect_stdout=False)

    async def listen() -> None:
        async with aclosing(running.events(output=False)) as events:
            async for update in events:
                view.hear(update)

    async def draw() -> None:
        while True:
            await anyio.to_thread.run_sync(live.refresh)
            await anyio.sleep(_EVERY)

    await anyio.to_thread.run_sync(live.start)
    try:
        async with anyio.create_task_group() as workers:
            workers.start_soon(listen, name="events for the live view")
            workers.start_soon(draw, name="the live view")
            yield
            workers.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(live.stop)
