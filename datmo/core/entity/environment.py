"""An environment as a plain value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["Environment"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Environment:
    """What code runs in.

    Attributes:
        id: the hash of its definition and platform.
        kind: `dockerfile`, `requirements`, `pyproject`, `conda` or `interpreter`.
        described: one line for people.
        files: definition file to object id.
        packages: `name==version` where they are known.
        platform: system, machine and Python, part of the id.
        hardware: what it was captured on, no part of the id.
        builds: image key to the image that was built for it.
        created_at: when it was first seen, UTC.
    """

    id: str
    kind: str
    described: str
    files: dict[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    platform: dict[str, Any] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    builds: dict[str, Any] = field(default_factory=dict)
    created_at: datetime

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Environment) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)
