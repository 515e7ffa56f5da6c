"""A snapshot as a plain value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["Snapshot"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """Code, environment, files, configuration and metrics, tied together.

    Attributes:
        id: 16 characters.
        model_id: the project's id.
        session_id: the session that it belongs to.
        message: what it is, in the words of who made it.
        code_id: a commit hash, in the project's repository or in Datmo's own.
        environment_id: the environment.
        file_collection_id: the collection of its files; the hash of its manifest.
        config: configuration, `{}` where none was found.
        stats: metrics, `{}` where none were found.
        created_at: when, UTC.
        updated_at: when its words or values were last changed, UTC.
        label: a short category, or None.
        task_id: the task that it was made from, or None.
    """

    id: str
    model_id: str
    session_id: str
    message: str
    code_id: str
    environment_id: str
    file_collection_id: str
    config: dict[str, Any] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime
    label: str | None = None
    task_id: str | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def _repr_html_(self) -> str:
        from datmo.core.html import snapshot_html

        return snapshot_html(self)

    def __str__(self) -> str:
        return (
            f"Snapshot {self.id}\n  session_id: {self.session_id}\n  message: {self.message}\n"
            f"  code_id: {self.code_id}\n  environment_id: {self.environment_id}\n"
            f"  config: {self.config}\n  stats: {self.stats}"
        )
