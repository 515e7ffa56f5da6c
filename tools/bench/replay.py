"""Replay of a long history into all views, against reading the same rows and decoding their data."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import anyio
import orjson

from bench import history
from bench.frame import Case
from datmo.eventlog.schema import SELECT
from datmo.projections.all import VIEWS
from datmo.projections.views import replay_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datmo.core.event import NewEvent

EVENTS, APPEND = 1_000_000, 2_000
AT_ONCE, OUTPUTS = 8, 200  # so many tasks run at once, and each prints so often


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
    """Return events a second; the history is of some 5,000 tasks, 8 at a time, their output interleaved."""
    anyio.run(_fill, folder, count)
    started = time.perf_counter()
    views, report = replay_file(history.log_file(folder), VIEWS)
    seconds = time.perf_counter() - started
    views.close()
    return report.events / seconds


def limit(folder: Path, columns: str | None) -> float:
    """Return rows a second that are read and decoded."""
    query = f"SELECT {columns} FROM event ORDER BY position" if columns else f"{SELECT} ORDER BY position"
    count = 0
    with closing(sqlite3.connect(history.log_file(folder))) as connection:
        connection.execute("PRAGMA cache_size = -16000")
        started = time.perf_counter()
        for row in connection.execute(query):
            orjson.loads(row[-1])
            count += 1
        return count / (time.perf_counter() - started)


async def _fill(folder: Path, count: int) -> None:
    async with history.opened(folder) as log:
        events = _events()
        for start in range(0, count, APPEND):
            await log.append(*islice(events, min(APPEND, count - start)))


def _events() -> Iterator[NewEvent]:
    while True:
        tasks = [history.Task() for _ in range(AT_ONCE)]
        yield from (task.created() for task in tasks)
        for _ in range(OUTPUTS):
            for task in tasks:
                yield from task.output(1)
