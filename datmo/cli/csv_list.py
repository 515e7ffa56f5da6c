"""Lists as CSV (RFC 4180), for spreadsheets and data frames.

First the columns that every entity has, in an order that stays; then a column for each value of configuration and
metrics, sorted, under the name that `--where` knows it by: `config.lr`, `stats."top 5"`. Nested values have a column
each. An empty cell is None, or nothing there; truth values are `true` and `false`, lists are JSON.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from datmo.cli.terminal import put_json
from datmo.cli.words import exact

__all__ = ["SNAPSHOT_COLUMNS", "TASK_COLUMNS", "put_csv"]

SNAPSHOT_COLUMNS = (
    "id", "created_at", "updated_at", "session_id", "session", "label", "message", "current", "task_id", "code_id",
    "environment_id", "file_collection_id",
)  # fmt: skip
TASK_COLUMNS = (
    "id", "created_at", "start_time", "end_time", "duration", "session_id", "session", "name", "command", "status",
    "exit_code", "reason", "executor", "runs_on", "unattended", "code_id", "environment_id", "file_collection_id",
)  # fmt: skip
_PLAIN = re.compile(r"[\w-]+")


async def put_csv(documents: Iterable[Mapping[str, Any]], columns: Sequence[str], values: Sequence[str]) -> None:
    """Write entities, one a line below the names of the columns.

    Parameters:
        documents: their attributes, and what is known beside them.
        columns: those that are plain values.
        values: those that are dicts of values.
    """
    rows = []
    for document in documents:
        row = {name: document[name] for name in columns}
        for name in values:
            row |= dict(_flat(name, document[name]))
        rows.append(row)
    more = {name for row in rows for name in row} - set(columns)
    # Grouped as they are given: config before stats.
    names = [*columns, *(name for group in values for name in sorted(more) if name.startswith(f"{group}."))]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    await put_json(text.getvalue())


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        key = f"{prefix}.{name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)}"
        if isinstance(value, Mapping) and value:
            yield from _flat(key, value)
        else:
            yield key, value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return exact(value) or ""
    if isinstance(value, bool | Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return repr(value) if isinstance(value, float) else str(value)
