"""A session as a plain value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Session"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Session:
    """A named group of tasks and snapshots.

    Attributes:
        id: 16 characters.
        model_id: the project's id.
        name: unique in the project.
        current: whether new tasks and snapshots belong to it.
        tasks: how many tasks it has.
        snapshots: how many snapshots it has.
        created_at: when, UTC.
    """

    id: str
    model_id: str
    name: str
    current: bool
    tasks: int
    snapshots: int
    created_at: datetime

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Session) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)
