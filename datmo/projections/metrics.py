"""The view of what tasks said of themselves: how far their outboxes were taken, and the last of each metric."""

from __future__ import annotations

import sqlite3

from datmo.core import outbox
from datmo.core.points import Columns, join
from datmo.projections.projection import Projection

__all__ = ["METRICS", "artifacts", "of_task", "series"]

METRICS = Projection(
    table="task_metrics",
    version=2,
    columns={
        "id": "TEXT",
        "inode": "INTEGER",
        "cursor": "INTEGER",
        "bad": "INTEGER",
        "why": "TEXT",
        "series": "JSON",
        "artifacts": "JSON",
    },
    types=(*outbox.TAKEN, "task.outbox_replaced"),
    fold=outbox.evolve,
)


def of_task(connection: sqlite3.Connection, task_id: str) -> dict[str, outbox.Summary]:
    """Return what is known of each of a task's metrics by its name: first its own, then what was measured of it."""
    row = METRICS.load(connection, task_id)
    series: dict[str, outbox.Summary] = {} if row is None else row["series"]
    return dict(sorted(series.items(), key=lambda each: each[0].startswith("system.")))


def artifacts(connection: sqlite3.Connection, task_id: str) -> list[outbox.Artifact]:
    """Return the files that a task wanted to be kept, as they were stored while it ran."""
    row = METRICS.load(connection, task_id)
    return [] if row is None else [outbox.Artifact(path, *stored) for path, stored in row["artifacts"].items()]


def series(connection: sqlite3.Connection, task_id: str, name: str) -> Columns:
    """Return all points of one of a task's metrics; those whose payloads were erased are left out."""
    rows = connection.execute(
        "SELECT bytes FROM event JOIN payload USING (position)"
        " WHERE stream = ? AND type = 'task.metrics' ORDER BY version",
        (f"task/{task_id}",),
    )
    return join((payload for (payload,) in rows), name)
