"""Replay of a long history into all views, against reading the same rows and decoding their data."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import anyio
import orjson

from bench import history
from bench.frame import Case
from datmo.eventlog.schema import SELECT
from datmo.projections.all import VIEWS
from datmo.projections.views import replay_file

if TYPE_CHECKING:
    from pathlib import Path

EVENTS, TASKS, APPEND = 1_000_000, 5_000, 2_000


def cases(scale: float) -> list[Case]:
    """Return the cases."""
    count = int(EVENTS * scale)
    return [
        Case(
            f"replay of {count:,} events",
            "events/s",
            {
                "ours": partial(replay, count=count),
                "rows + orjson": partial(limit, columns=None),
                "rows + orjson, only 5 columns": partial(limit, columns="position, stream, type, recorded_at, data"),
            },
            "rows + orjson",
            "≥ 0.40",
        )
    ]


def replay(folder: Path, count: int) -> float:
    """Return events a second; the history is of many tasks, their output interleaved."""
    anyio.run(_fill, folder, count)
    started = time.perf_counter()
    views, report = replay_file(folder / "log.db", VIEWS)
    seconds = time.perf_counter() - started
    views.close()
    return report.events / seconds


def limit(folder: Path, columns: str | None) -> float:
    """Return rows a second that are read and decoded."""
    query = f"SELECT {columns} FROM event ORDER BY position" if columns else f"{SELECT} ORDER BY position"
    count = 0
    with closing(sqlite3.connect(folder / "log.db")) as connection:
        connection.execute("PRAGMA cache_size = -16000")
        started = time.perf_counter()
        for row in connection.execute(query):
            orjson.loads(row[-1])
            count += 1
        return count / (time.perf_counter() - started)


async def _fill(folder: Path, count: int) -> None:
    tasks = [history.Task() for _ in range(min(TASKS, max(1, count // 100)))]
    async with history.opened(folder) as log:
        await log.append(*[task.created() for task in tasks])
        for start in range(0, count, APPEND):
            size = min(APPEND, count - start)
            await log.append(*[tasks[(start + offset) % len(tasks)].output(1)[0] for offset in range(size)])
