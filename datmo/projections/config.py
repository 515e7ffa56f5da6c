"""The view of the project's settings: a row for each that was ever set."""

from __future__ import annotations

import sqlite3
from typing import Any

from datmo.core import settings
from datmo.projections.projection import Projection

__all__ = ["CONFIG", "load"]

CONFIG = Projection(
    table="config",
    version=1,
    columns={"key": "TEXT", "value": "JSON", "updated_at": "INTEGER"},
    types=("config.set", "config.unset"),
    fold=settings.evolve,
)


def load(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return what the project says of settings."""
    return {row["key"]: row["value"] for row in CONFIG.select(connection, "WHERE value IS NOT NULL")}
