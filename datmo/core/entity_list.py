"""A list of entities that a notebook shows as a table."""

from __future__ import annotations

from typing import SupportsIndex, TypeVar, overload

__all__ = ["EntityList"]

T = TypeVar("T")


class EntityList(list[T]):
    """A list of snapshots, tasks, sessions …, like any other but for its looks in a notebook."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> EntityList[T]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> T | EntityList[T]:
        """Return one, or some of them as such a list again."""
        return EntityList(super().__getitem__(index)) if isinstance(index, slice) else super().__getitem__(index)

    def _repr_html_(self) -> str:
        from datmo.core.html import list_html

        return list_html(self)
