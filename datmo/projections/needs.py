"""What is needed: by snapshots and tasks that are not deleted, and by tasks that have not ended."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from datmo.core.collecting import Unneeded
from datmo.eventlog.erase import payloads_of
from datmo.projections.content import CODE, ENVIRONMENTS, FILES
from datmo.projections.metrics import artifacts
from datmo.projections.project import load
from datmo.projections.projection import Row
from datmo.projections.sessions import VISIBLE
from datmo.projections.snapshots import SNAPSHOTS
from datmo.projections.tasks import TASKS

__all__ = ["Needs", "needs"]

_UNFINISHED = "status IN ('CREATED', 'RUNNING')"


class Needs(NamedTuple):
    """What is needed, and what is not.

    Attributes:
        code: the ids of the code that is needed.
        files: the ids of the file collections that are needed.
        objects: the objects that are needed beside those of the collections.
        unneeded: what is not.
        payload_size: the bytes of the payloads that are not.
    """

    code: frozenset[str]
    files: frozenset[str]
    objects: frozenset[str]
    unneeded: Unneeded
    payload_size: int


def needs(connection: sqlite3.Connection) -> Needs:
    """Look through the views, as of one moment. Environments that are not deleted are needed: they may be named."""
    connection.execute("BEGIN")
    try:
        return _needs(connection)
    finally:
        connection.execute("COMMIT")


def _needs(connection: sqlite3.Connection) -> Needs:
    project = load(connection) or {}
    # A checkout needs the one that the folder is, and the way back, whether or not they are listed.
    places = [project.get("snapshot_id"), project.get("previous_id")]
    snapshots = SNAPSHOTS.select(connection, f"WHERE (deleted = 0 AND {VISIBLE}) OR id IN (?, ?)", tuple(places))
    tasks = TASKS.select(connection, f"WHERE {_UNFINISHED} OR (deleted = 0 AND {VISIBLE})")
    code = {row["code_id"] for row in (*snapshots, *tasks)}
    files = {row["file_collection_id"] for row in (*snapshots, *tasks)} - {None}
    known = CODE.select(connection)
    objects = {entry[1] for row in known if row["id"] in code for entry in row["large"]}
    used = {row["environment_id"] for row in (*snapshots, *tasks)}
    environments = [row for row in ENVIRONMENTS.select(connection) if not row["deleted"] or row["id"] in used]
    objects |= {each for row in environments for each in row["files"].values()}
    objects |= {row["config_file"][0] for row in snapshots if row.get("config_file")}
    # Files that a task wanted to be kept come into its collection when it ends.
    objects |= {each.object for row in tasks for each in artifacts(connection, row["id"])}
    # Of a task that runs on; when it ends, they are in its collection.
    running = [row["id"] for row in tasks if row["file_collection_id"] is None]
    objects |= {each.object for task_id in running for each in artifacts(connection, task_id)}
    # A collection that was cut short has named them, but may not have erased all yet.
    gone = TASKS.select(connection, f"WHERE (deleted > 0 OR NOT {VISIBLE}) AND NOT {_UNFINISHED}")
    payloads = {row["id"]: payloads_of(connection, f"task/{row['id']}") for row in gone}
    unneeded = Unneeded(
        snapshots=_ids(
            [
                row
                for row in SNAPSHOTS.select(connection, f"WHERE deleted < 2 AND (deleted = 1 OR NOT {VISIBLE})")
                if row["id"] not in places
            ]
        ),
        tasks=_ids([row for row in gone if row["deleted"] < 2]),
        code=_ids([row for row in known if not row["deleted"] and row["id"] not in code]),
        files=_ids([row for row in FILES.select(connection, "WHERE deleted = 0") if row["id"] not in files]),
        payloads={task_id: [position for position, _ in found] for task_id, found in payloads.items() if found},
    )
    size = sum(size for found in payloads.values() for _, size in found)
    return Needs(frozenset(code), frozenset(files), frozenset(objects), unneeded, size)


def _ids(rows: list[Row]) -> tuple[str, ...]:
    return tuple(row["id"] for row in rows)
