"""A list of entities that a notebook shows as a table."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["EntityList"]

T = TypeVar("T")


class EntityList(list[T]):
    """A list of snapshots or tasks, like any other but for its looks in a notebook."""

    def _repr_html_(self) -> str:
        from datmo.core.html import list_html

        return list_html(self)
