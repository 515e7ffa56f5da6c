"""`datmo task ls --watch`: the table, drawn anew whenever a task changes."""

from __future__ import annotations

import sys
from typing import Any

import anyio
import anyio.to_thread
from rich.console import Console
from rich.live import Live
from rich.text import Text

from datmo.cli.base import opened
from datmo.cli.task import task_table

__all__ = ["watch_tasks"]

_AT_LEAST_EVERY = 1.0
_HEADING = 4
"""Lines that are not for tasks: heading, columns left out, how many more, the cursor's."""


async def watch_tasks(*, limit: int | None, **selection: Any) -> None:
    """Show tasks on the terminal until Ctrl-C, each time that something happens to one, and every second."""
    console = Console(file=sys.stdout)
    live = Live(console=console, auto_refresh=False)
    async with opened() as project:
        await anyio.to_thread.run_sync(live.start)
        try:
            position, _ = await project.log.head()
            while True:
                most = max(console.height - _HEADING, 1)
                found, total = await project.tasks.page(limit=min(limit or most, most), **selection)
                sessions = await project.sessions.ls()
                shown = task_table(found, sessions, sort=selection["sort"]) if found else "no tasks\n"
                more = f"and {total - len(found)} more" if total > len(found) else ""
                live.update(Text.from_ansi(shown + more, no_wrap=True, overflow="crop"))
                await anyio.to_thread.run_sync(live.refresh)
                with anyio.move_on_after(_AT_LEAST_EVERY):
                    async for event in project.log.follow(after=position, types=["task.*", "session.*"]):
                        position = event.position
                        break
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(live.stop)
