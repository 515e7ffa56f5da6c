"""The view of tasks."""

from __future__ import annotations

import sqlite3
from typing import Any

from datmo.core import task
from datmo.core.entity.task import Task
from datmo.core.event import from_microseconds
from datmo.projections.projection import Projection, Row
from datmo.projections.search import listing

__all__ = ["TASKS", "entity", "ls", "output_positions", "unfinished"]

TASKS = Projection(
    table="task",
    version=1,
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
        "output_cursor": "INTEGER",
        "output_size": "INTEGER",
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
    types=("task.created", "task.started", "task.output", "task.output_limited", "task.stop_requested", *task.ENDED),
    fold=task.evolve,
    indexes=(
        "CREATE INDEX {table}_order ON {table} (position)",
        "CREATE INDEX {table}_unfinished ON {table} (status) WHERE status IN ('CREATED', 'RUNNING')",
    ),
)


def ls(
    connection: sqlite3.Connection, *, session_id: str | None, text: str | None, limit: int | None
) -> tuple[list[Row], int]:
    """Return the newest tasks and how many there are in all; see `datmo.projections.search.listing`."""
    return listing(connection, TASKS, ("command", "name"), session_id=session_id, text=text, limit=limit)


def unfinished(connection: sqlite3.Connection, session_id: str | None = None) -> list[Row]:
    """Return the tasks that have not ended, of one session or of all."""
    rows = TASKS.select(connection, "WHERE status IN ('CREATED', 'RUNNING') AND deleted = 0")
    return [row for row in rows if session_id is None or row["session_id"] == session_id]


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
        results=row["results"],
        config=row["config"],
        notices=tuple(row["notices"]),
        unattended=unattended,
        created_at=from_microseconds(row["created_at"]),
        start_time=None if row["started_at"] is None else from_microseconds(row["started_at"]),
        end_time=None if row["ended_at"] is None else from_microseconds(row["ended_at"]),
    )
