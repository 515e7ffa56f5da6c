"""What a word that somebody begins to type may become: read from the views as they are, for a shell that waits."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from datmo.projections import snapshots, tasks
from datmo.projections.sessions import VISIBLE

__all__ = ["KINDS", "keys", "metrics", "names"]

_WORD = re.compile(r"[\w-]+")
_NEWEST = 500
"""More than anybody looks through."""

_LIVE = f"deleted = 0 AND {VISIBLE}"
_ORDER = f"ORDER BY position DESC LIMIT {_NEWEST}"

_QUERIES = {
    "snapshot": f"SELECT id, message FROM snapshot WHERE {_LIVE} {_ORDER}",
    "deleted snapshot": f"SELECT id, message FROM snapshot WHERE deleted = 1 AND {VISIBLE} {_ORDER}",
    "label": f"SELECT label, max(message) FROM snapshot WHERE {_LIVE} AND label IS NOT NULL GROUP BY 1",
    "task": f"SELECT id, command FROM task WHERE {_LIVE} {_ORDER}",
    "running task": f"SELECT id, command FROM task WHERE {_LIVE} AND status IN ('CREATED', 'RUNNING') {_ORDER}",
    "session": f"SELECT name, '' FROM session WHERE deleted = 0 {_ORDER}",
    "deleted session": f"SELECT name, '' FROM session WHERE deleted = 1 {_ORDER}",
    "environment": f"SELECT id, described FROM environment WHERE deleted = 0 ORDER BY created_at DESC LIMIT {_NEWEST}",
    "position": "SELECT position, type FROM event ORDER BY position DESC LIMIT 50",
    "code": f"SELECT id, '' FROM code ORDER BY created_at DESC LIMIT {_NEWEST}",
    "files": f"SELECT id, '' FROM files ORDER BY created_at DESC LIMIT {_NEWEST}",
}

KINDS: frozenset[str] = frozenset(_QUERIES)


def names(connection: sqlite3.Connection, kind: str) -> list[tuple[str, str]]:
    """Return the ids or names of entities of a kind, newest first, each with a word about it."""
    return [(str(name), str(about or "")) for name, about in connection.execute(_QUERIES[kind])]


def keys(connection: sqlite3.Connection, kind: str) -> list[tuple[str, str]]:
    """Return what snapshots or tasks can be asked for in an expression, each with a value that it has somewhere.

    Parameters:
        connection: to the log.
        kind: `snapshot` or `task`.
    """
    fields = {"snapshot": snapshots, "task": tasks}[kind].fields()
    found = {name: field.kind for name, field in fields.items() if field.kind != "values"}
    columns = {name: field.sql for name, field in fields.items() if field.kind == "values"}
    rows = connection.execute(f"SELECT {', '.join(columns.values())} FROM {kind} WHERE {_LIVE} {_ORDER}")
    for row in rows:
        for name, text in zip(columns, row, strict=True):
            for path, value in _paths(name, json.loads(text) if text else {}):
                found.setdefault(path, value)
    return sorted(found.items(), key=lambda item: "." not in item[0])


def metrics(connection: sqlite3.Connection, task_id: str) -> list[tuple[str, str]]:
    """Return the names of the metrics of a task, whose id is given as far as it is typed, with their last values."""
    found: dict[str, str] = {}
    for (text,) in connection.execute(
        "SELECT series FROM task_metrics WHERE substr(id, 1, ?) = ?", (len(task_id), task_id)
    ):
        found |= {name: str(each.get("last")) for name, each in json.loads(text).items()}
    return list(found.items())


def _paths(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(value, Mapping):
        yield name, json.dumps(value, ensure_ascii=False)
        return
    for part, below in value.items():
        if part.startswith("$"):  # what JSON cannot say
            yield name, str(below)
        elif not any(mark in part for mark in '"\\'):
            yield from _paths(f"{name}.{part}" if _WORD.fullmatch(part) else f'{name}."{part}"', below)
