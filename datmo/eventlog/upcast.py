"""Schema versions: how events of the past become events of today, when they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Schemas", "Upcaster"]

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns the data of one schema version into that of the next. Pure; stored events are never rewritten."""


class Schemas:
    """Which schema version each event type is written with, and how older ones are brought up to it.

    Parameters:
        current: the version that each known type is written with, from 1.
        upcasters: for `(type, version)` the function that leads from that version to the next one.

    Attributes:
        versions: the version that each known type is written with.

    Raises:
        ValueError: a step between 1 and the current version is missing.
    """

    def __init__(self, current: Mapping[str, int], upcasters: Mapping[tuple[str, int], Upcaster] | None = None) -> None:
        self.versions: Mapping[str, int] = dict(current)
        self._upcasters = dict(upcasters or {})
        for event_type, version in self.versions.items():
            for step in range(1, version):
                if (event_type, step) not in self._upcasters:
                    raise ValueError(f"{event_type} has no upcaster from version {step} to {step + 1}")

    def current(self, event_type: str) -> int:
        """Return the version that a type is written with; 1 for a type that is not known here."""
        return self.versions.get(event_type, 1)

    def knows(self, event_type: str, schema: int) -> bool:
        """Say whether an event of this type and version can be folded here; newer ones are kept and passed over."""
        return schema <= self.versions.get(event_type, 0)

    def upcast(self, event_type: str, schema: int, data: dict[str, Any]) -> dict[str, Any]:
        """Return the data as the current version would say it; that of an unknown type or version as it is."""
        while (step := self._upcasters.get((event_type, schema))) is not None:
            data = step(data)
            schema += 1
        return data
