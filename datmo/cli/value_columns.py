"""Configurations, results and metrics in tables: on a terminal a column for each value that many entries have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from datmo.cli.table import Column, extent
from datmo.cli.words import clean, value, values

__all__ = ["ValueColumns", "value_columns"]

_LONGEST = 12
"""What a text may take, to have a column of its own."""
_FIRST = 9
"""What is rare or long is the first that can be spared."""


class ValueColumns(NamedTuple):
    """Columns, and the cells of each row below them."""

    columns: list[Column]
    rows: list[list[str]]


def value_columns(
    title: str, mappings: Sequence[Mapping[str, Any]], *, width: int | None, spare: int, sort: str | None = None
) -> ValueColumns:
    """Return how values are shown in a table.

    Where the width is limited, what many of the entries have gets a column, numbers with their points below one
    another; what is rare or long stands behind it as `name=value`. Elsewhere, as in a pipe, all stands so, in one
    column: each line can be searched alone.

    Parameters:
        title: what the values are, such as `config`.
        mappings: those of each row.
        width: of the terminal, None for no limit.
        spare: see `Column`.
        sort: what the rows are sorted by, such as `config.lr asc`: it is seen, and stays longest.
    """
    first = (sort or "").partition(" ")[0]
    cells: dict[str, list[str]] = {}
    columns = []
    for key in [] if width is None else _common(mappings):
        cells[key] = [value(each[key]) if key in each else "" for each in mappings]
        numbers = all(_is_number(each[key]) for each in mappings if key in each)
        if numbers:
            cells[key] = _on_points(cells[key])
        name = f"{title}.{clean(key)}"
        styles = {"": "bold"} if name == first else {}
        columns.append(Column(clean(key), right=numbers, styles=styles, spare=1 if name == first else spare, name=name))
    rest = [values({key: each for key, each in mapping.items() if key not in cells}) for mapping in mappings]
    columns.append(
        Column(f"other {title}" if cells else title, flexible=True, optional=True, spare=_FIRST if cells else spare)
    )
    return ValueColumns(columns, [[*(of_key[i] for of_key in cells.values()), rest[i]] for i in range(len(mappings))])


def _common(mappings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys of numbers that a quarter of those share that have any values, of short texts that half do."""
    having = [mapping for mapping in mappings if mapping]
    found = []
    for key, count in Counter(key for mapping in having for key in mapping).items():
        each = [mapping[key] for mapping in having if key in mapping]
        numbers = all(map(_is_number, each))
        short = numbers or all(extent(value(one)) <= _LONGEST for one in each)
        if short and (4 if numbers else 2) * count >= len(having):
            found.append(key)
    return found


def _is_number(each: Any) -> bool:
    return isinstance(each, int | float) and not isinstance(each, bool)


def _on_points(cells: Sequence[str]) -> list[str]:
    """Return numbers so that their points meet where they are put to the right."""
    fractions = [len(cell.partition(".")[2]) + 1 if "." in cell else 0 for cell in cells]
    widest = max(fractions)
    return [cell + " " * (widest - fraction) if cell else "" for cell, fraction in zip(cells, fractions, strict=True)]
