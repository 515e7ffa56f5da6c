"""Appends of one process through the public async API: single, in batches, and by 1,000 workers at once."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import anyio

from bench import history, raw
from bench.frame import Case, prepared

if TYPE_CHECKING:
    from pathlib import Path

    from datmo.engine.log import Log

SIZES = {1: 500, 10: 3000, 100: 30_000, 1000: 60_000}
GOALS = {1: "≥ 0.50", 10: "", 100: "≥ 0.45, aim 0.54-0.71", 1000: "≥ 0.45, aim 0.54-0.71"}
WORKERS, EACH = 1000, 20


def cases(scale: float) -> list[Case]:
    """Return the cases."""
    found = [
        Case(
            f"append, {size:,} an append",
            "events/s",
            {
                "ours": partial(batches, size=size, count=max(size, int(count * scale))),
                "raw sqlite3": partial(limit, size=size),
                **({"with headroom": partial(limit, size=size, headroom=True)} if size == 1 else {}),
            },
            "raw sqlite3",
            GOALS[size],
        )
        for size, count in SIZES.items()
    ]
    found.append(
        Case(
            f"append, {WORKERS:,} concurrent workers",
            "events/s",
            {"ours": workers, "one at a time": partial(batches, size=1, count=int(500 * scale) or 1)},
            "one at a time",
            "≥ 10",
        )
    )
    return found


def batches(folder: Path, size: int, count: int) -> float:
    """Return events a second, `size` to an append."""

    async def run() -> float:
        async with history.opened(folder) as log:
            task = history.Task()
            await log.append(task.created())
            appends = [task.output(size) for _ in range(count // size)]
            with prepared():
                started = time.perf_counter()
                for events in appends:
                    await log.append(*events)
                return len(appends) * size / (time.perf_counter() - started)

    return anyio.run(run)


def limit(folder: Path, size: int, *, headroom: bool = False) -> float:
    """Return what plain sqlite3 reaches with the rows that ours has left; its file need not grow with `headroom`."""
    return raw.write(folder / f"raw-{headroom}.db", raw.rows_of(history.log_file(folder)), size, headroom=headroom)


def workers(folder: Path) -> float:
    """Return events a second of many workers, each of which waits for its own append."""

    async def work(log: Log, task: history.Task) -> None:
        for event in task.output(EACH):
            await log.append(event)

    async def run() -> float:
        async with history.opened(folder) as log:
            tasks = [history.Task() for _ in range(WORKERS)]
            await log.append(*[task.created() for task in tasks])
            with prepared():
                started = time.perf_counter()
                async with anyio.create_task_group() as group:
                    for task in tasks:
                        group.start_soon(work, log, task)
                return WORKERS * EACH / (time.perf_counter() - started)

    return anyio.run(run)
