"""The live view of many tasks on a terminal: how far they are; of each that runs its time, metrics and last line."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from datmo.cli.words import Shortened, clean, value, values
from datmo.core.task import ENDED

if TYPE_CHECKING:
    from datmo.engine.tasks import RunningTasks, TaskUpdate

__all__ = ["View", "shown_live"]

_EVERY = 0.2
_BESIDE = 3
"""Lines of the terminal that are not for tasks: the bar, what waits, and the cursor's."""
_LONGEST = 400
_STEERING = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)")


@dataclass(slots=True)
class _Row:
    config: dict[str, Any] = field(default_factory=dict)
    attempt: int = 1
    since: float = 0.0
    last: str = ""
    metrics: dict[str, float] = field(default_factory=dict)


class View:
    """What is known of the tasks, and how it is shown.

    Parameters:
        ids: those of the tasks.
    """

    def __init__(self, ids: list[str]) -> None:
        self._ids = ids
        self._shortened = Shortened(ids)
        self._waiting = {task_id: _Row() for task_id in ids}
        self._running: dict[str, _Row] = {}
        self._finished = dict.fromkeys(ENDED.values(), 0)
        self._began = time.monotonic()
        self.done = 0
        """How many have ended, all attempts made."""

    async def take(self, task_id: str, stream: int, data: bytes) -> None:
        """Hear what a task prints: the last line is shown, progress bars as they stand."""
        row = self._running.get(task_id) or self._waiting.get(task_id)
        if row is None:
            return
        text = (row.last + data[-_LONGEST:].decode(errors="replace"))[-_LONGEST:]
        lines = [line for line in re.split(r"[\r\n]+", _STEERING.sub("", text)) if line.strip()]
        row.last = lines[-1] + ("\n" if text[-1:] in "\r\n" else "") if lines else ""

    def hear(self, update: TaskUpdate) -> None:
        """Hear what happens to a task."""
        event, data = update.event, update.event.data
        if event.type == "task.created":
            row = self._waiting.setdefault(event.entity_id, _Row())
            row.config, row.attempt = data["config"], data["options"].get("attempt", 1)
        elif event.type == "task.started":
            row = self._running[event.entity_id] = self._waiting.pop(event.entity_id, _Row())
            row.since = time.monotonic()
        elif event.type == "task.metrics":
            row = self._running.get(event.entity_id, _Row())
            series = data.get("series", {}).items()
            row.metrics |= {name: each["last"] for name, each in series if not name.startswith("system.")}
        elif event.type in ENDED:
            for rows in (self._running, self._waiting):
                rows.pop(event.entity_id, None)
            self._finished[ENDED[event.type]] += 1

    def __rich_console__(self, console: Console, options: Any) -> Any:
        """Draw it, as it is now."""
        rows = list(self._running.items())[: max(console.height - _BESIDE, 1)]
        table = Table.grid(padding=(0, 2), expand=True)
        for ratio in (None, 2, None, 2, 3):
            table.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio)
        for task_id, row in rows:
            again = f" ({row.attempt})" if row.attempt > 1 else ""
            numbers = " ".join(f"{name} {value(each)}" for name, each in row.metrics.items())
            table.add_row(
                Text(self._shortened(task_id) + again, "cyan"),
                Text(values(row.config)),
                Text(_clock(time.monotonic() - row.since)),
                Text(numbers, "bold"),
                Text(clean(row.last), "dim"),
            )
        hidden = len(self._running) - len(rows)
        more = [Text(f"and {hidden} more", "dim")] if hidden else []
        yield Group(self._bar(), table, *more)

    def _bar(self) -> Table:
        failed = self._finished["FAILED"] + self._finished["LOST"]
        counts = {"running": len(self._running), "failed": failed, "stopped": self._finished["STOPPED"]}
        words = [f"{count} {word}" for word, count in counts.items() if count]
        line = Table.grid(padding=(0, 2))
        line.add_row(
            ProgressBar(total=len(self._ids), completed=self.done, width=20),
            Text(f"{self.done}/{len(self._ids)}"),
            Text(" · ".join([*words, _clock(time.monotonic() - self._began)])),
        )
        return line


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes:02}:{rest:02}"


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
