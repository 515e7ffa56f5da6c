"""The view of tasks."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from datmo.core import task
from datmo.core.entity.task import Task
from datmo.core.event import from_microseconds
from datmo.projections.projection import Projection, Row
from datmo.projections.search import listing

if TYPE_CHECKING:
    from datmo.projections.selecting import Field

__all__ = ["OUTPUT", "TASKS", "entity", "fields", "ls", "output_of", "output_positions", "queue_of", "unfinished"]

TASKS = Projection(
    table="task",
    version=5,
    columns={
        "id": "TEXT",
        "session_id": "TEXT",
        "name": "TEXT",
        "command": "TEXT",
        "argv": "JSON",
        "status": "TEXT",
        "executor": "TEXT",
        "executor_reason": "TEXT",
        "runs_on": "TEXT",
        "code_id": "TEXT",
        "environment_id": "TEXT",
        "file_collection_id": "TEXT",
        "config": "JSON",
        "options": "JSON",
        "results": "JSON",
        "handle": "JSON",
        "output_limited": "INTEGER",
        "exit_code": "INTEGER",
        "reason": "TEXT",
        "notices": "JSON",
        "stop_requested": "INTEGER",
        "created_at": "INTEGER",
        "started_at": "INTEGER",
        "ended_at": "INTEGER",
        "deleted": "INTEGER",
        "position": "INTEGER",
    },
    types=(
        "task.created",
        "task.started",
        "task.output_limited",
        "task.stop_requested",
        "task.config_reported",
        "task.result_reported",
        *task.ENDED,
        "task.collected",
    ),
    fold=task.evolve,
    indexes=(
        "CREATE INDEX {table}_order ON {table} (position)",
        "CREATE INDEX {table}_unfinished ON {table} (status) WHERE status IN ('CREATED', 'RUNNING')",
    ),
)

# Apart from the tasks, because it changes with each line printed: a narrow row is quickly folded and written.
OUTPUT = Projection(
    table="task_output",
    version=1,
    columns={"id": "TEXT", "cursor": "INTEGER", "size": "INTEGER"},
    types=("task.output",),
    fold=task.evolve_output,
)


def ls(
    connection: sqlite3.Connection,
    *,
    session_id: str | None,
    text: str | None,
    limit: int | None,
    where: str | None = None,
    sort: str | None = None,
) -> tuple[list[Row], int]:
    """Return the newest tasks, or the first in another order, and how many there are in all.

    See `datmo.projections.search.listing`.
    """
    return listing(
        connection,
        TASKS,
        ("command", "name"),
        fields,
        session_id=session_id,
        text=text,
        limit=limit,
        where=where,
        sort=sort,
    )


def fields() -> dict[str, Field]:
    """Return what an expression may ask for."""
    from datmo.projections.selecting import COMMON, Field

    return {
        "config": Field("values", "config"),
        "results": Field("values", "results"),
        "metrics": Field("values", "(SELECT series FROM task_metrics WHERE task_metrics.id = task.id)"),
        **{name: Field("text", name) for name in ("name", "command", "status", "executor", "runs_on", "reason")},
        "exit_code": Field("number", "exit_code"),
        "duration": Field("number", "((ended_at - started_at) / 1000000.0)"),
        "start_time": Field("time", "started_at"),
        "end_time": Field("time", "ended_at"),
        **COMMON,
    }


def unfinished(connection: sqlite3.Connection, session_id: str | None = None) -> list[Row]:
    """Return the tasks that have not ended, of one session or of all."""
    rows = TASKS.select(connection, "WHERE status IN ('CREATED', 'RUNNING') AND deleted = 0")
    return [row for row in rows if session_id is None or row["session_id"] == session_id]


def queue_of(row: Row) -> str | None:
    """Return the queue in which a task waits for its turn; None where it is in none, or its turn has come."""
    queue: str | None = row["options"].get("queue") if row["status"] == "CREATED" else None
    return queue


def output_of(connection: sqlite3.Connection, task_id: str) -> tuple[int, int]:
    """Return how far a task's output was read, by its source's own count, and how many bytes of it are recorded."""
    row = OUTPUT.load(connection, task_id)
    return (0, 0) if row is None else (row["cursor"], row["size"])


def output_positions(connection: sqlite3.Connection, task_id: str) -> list[int]:
    """Return the positions of a task's output events, in order; their payloads are the record."""
    return [
        position
        for (position,) in connection.execute(
            "SELECT position FROM event WHERE stream = ? AND type = 'task.output' ORDER BY version",
            (f"task/{task_id}",),
        )
    ]


def entity(row: Row, model_id: str, *, unattended: bool = False) -> Task:
    """Return a row as the plain value that people see.

    Parameters:
        row: the row.
        model_id: the project's id.
        unattended: whether it was seen to have no supervisor, which no event says.
    """
    names = ("id", "session_id", "name", "command", "status", "executor", "runs_on", "code_id", "environment_id")
    values: dict[str, Any] = {name: row[name] for name in (*names, "file_collection_id", "exit_code", "reason")}
    return Task(
        **values,
        model_id=model_id,
        retry_of=row["options"].get("retry_of"),
        rerun_of=row["options"].get("rerun_of"),
        results=row["results"],
        config=row["config"],
        notices=tuple(row["notices"]),
        unattended=unattended,
        created_at=from_microseconds(row["created_at"]),
        start_time=None if row["started_at"] is None else from_microseconds(row["started_at"]),
        end_time=None if row["ended_at"] is None else from_microseconds(row["ended_at"]),
    )
