"""Appends of eight processes to one log, against eight processes that write by plain sqlite3."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from bench import history, raw
from bench.frame import Case
from datmo.eventlog.schema import INSERT, SELECT

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.synchronize import Barrier
    from pathlib import Path

PROCESSES = 8
SIZES = {1: 100, 100: 6000}


def cases(scale: float) -> list[Case]:
    """Return the cases."""
    return [
        Case(
            f"append, {PROCESSES} processes, {size:,} an append",
            "events/s",
            {
                "ours": partial(together, _ours, size=size, count=max(size, int(count * scale))),
                "raw sqlite3": partial(together, _raw, size=size, count=max(size, int(count * scale))),
            },
            "raw sqlite3",
        )
        for size, count in SIZES.items()
    ]


def together(work: Callable[..., None], folder: Path, *, size: int, count: int) -> float:
    """Return events a second of all, from the moment in which all are ready."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES + 1)
    if work is _ours:
        anyio.run(_make, folder)
    processes = [
        context.Process(target=work, args=(folder, number, barrier, size, count // size)) for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    barrier.wait()
    started = time.perf_counter()
    for process in processes:
        process.join()
    return PROCESSES * (count // size) * size / (time.perf_counter() - started)


async def _make(folder: Path) -> None:
    async with history.opened(folder):
        pass


def _ours(folder: Path, _: int, barrier: Barrier, size: int, times: int) -> None:
    async def run() -> None:
        async with history.opened(folder) as log:
            task = history.Task()
            await log.append(task.created())
            appends = [task.output(size) for _ in range(times)]
            await anyio.to_thread.run_sync(barrier.wait)
            for events in appends:
                await log.append(*events)
        os._exit(0)  # the time is that of the appends, not of taking the interpreter down

    anyio.run(run)


def _raw(folder: Path, number: int, barrier: Barrier, size: int, times: int) -> None:
    file = folder / "raw.db"
    with closing(sqlite3.connect(history.log_file(folder))) as source:
        # The same bytes: each process writes what one of ours wrote, at the positions that come.
        (stream,) = source.execute(
            "SELECT DISTINCT stream FROM event WHERE type = 'task.output' ORDER BY 1 LIMIT 1 OFFSET ?", (number,)
        ).fetchone()
        rows: list[Any] = source.execute(
            f"{SELECT} WHERE stream = ? AND type = 'task.output' ORDER BY version", (stream,)
        ).fetchall()
    if number == 0:
        raw.opened(file).close()
    barrier.wait() if number == 0 else _wait_for(file, barrier)
    with closing(raw.opened(file)) as connection:
        for start in range(0, size * times, size):
            connection.execute("BEGIN IMMEDIATE")
            (last,) = connection.execute("SELECT coalesce(max(position), 0) FROM event").fetchone()
            batch = [(last + place, *row[1:]) for place, row in enumerate(rows[start : start + size], 1)]
            connection.executemany(INSERT, batch)
            connection.execute("COMMIT")
    os._exit(0)


def _wait_for(file: Path, barrier: Barrier) -> None:
    while not file.exists() or file.stat().st_size == 0:
        time.sleep(0.001)
    barrier.wait()
