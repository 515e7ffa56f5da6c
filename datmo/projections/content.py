"""The views of what snapshots and tasks are made of: environments, captured code, file collections."""

from __future__ import annotations

import sqlite3

from datmo.core import content
from datmo.core.entity.environment import Environment
from datmo.core.event import from_microseconds
from datmo.projections.projection import Projection, Row

__all__ = ["CODE", "ENVIRONMENTS", "FILES", "environment", "environment_uses"]

ENVIRONMENTS = Projection(
    table="environment",
    version=2,
    columns={
        "id": "TEXT",
        "kind": "TEXT",
        "described": "TEXT",
        "definition": "TEXT",
        "dockerignore": "TEXT",
        "files": "JSON",
        "packages": "JSON",
        "platform": "JSON",
        "hardware": "JSON",
        "builds": "JSON",
        "created_at": "INTEGER",
        "deleted": "INTEGER",
    },
    types=("environment.created", "environment.built", "environment.deleted"),
    fold=content.evolve_environment,
)

CODE = Projection(
    table="code",
    version=2,
    columns={
        "id": "TEXT",
        "tree": "TEXT",
        "base": "TEXT",
        "large": "JSON",
        "own_repository": "INTEGER",
        "created_at": "INTEGER",
        "deleted": "INTEGER",
    },
    types=("code.captured", "code.collected"),
    fold=content.evolve_code,
)

FILES = Projection(
    table="files",
    version=2,
    columns={"id": "TEXT", "count": "INTEGER", "size": "INTEGER", "created_at": "INTEGER", "deleted": "INTEGER"},
    types=("files.stored", "files.collected"),
    fold=content.evolve_files,
)


def environment_uses(connection: sqlite3.Connection, environment_id: str) -> dict[str, int]:
    """Return how many tasks and snapshots name an environment."""
    return {
        f"{table}s": connection.execute(
            f"SELECT count(*) FROM {table} WHERE environment_id = ? AND deleted = 0", (environment_id,)
        ).fetchone()[0]
        for table in ("task", "snapshot")
    }


def environment(row: Row) -> Environment:
    """Return a row as the plain value that people see."""
    return Environment(
        **{name: row[name] for name in ("id", "kind", "described", "files", "platform", "hardware", "builds")},
        packages=tuple(row["packages"]),
        created_at=from_microseconds(row["created_at"]),
    )
