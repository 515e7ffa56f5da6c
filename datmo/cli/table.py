"""Tables for people: columns side by side, fitted to the width there is, nothing cut without a sign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from datmo.cli.terminal import styled

__all__ = ["Column", "cut", "extent", "table"]

_GAP = "  "
_LEAST = 6
"""What a column that may be shortened keeps at least, where its content is that long."""


class Column(NamedTuple):
    """A column of a table.

    Parameters:
        title: its heading.
        right: its cells are put to the right, as numbers are.
        flexible: it may be shortened where the terminal is narrow.
        optional: it is left out where all its cells are empty.
        styles: the style of a cell by its text; `""` for all others.
    """

    title: str
    right: bool = False
    flexible: bool = False
    optional: bool = False
    styles: Mapping[str, str] = {}


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, width: int | None, colour: bool) -> str:
    """Return a table as text, a line each.

    Parameters:
        columns: what the cells are.
        rows: the cells, one line of printable text each.
        width: how wide it may be; None for as wide as it is.
        colour: whether styles are used.
    """
    used = [i for i, column in enumerate(columns) if not column.optional or any(row[i] for row in rows)]
    columns = [columns[i] for i in used]
    rows = [[row[i] for i in used] for row in rows]
    widths = [max([extent(column.title), *(extent(row[i]) for row in rows)]) for i, column in enumerate(columns)]
    if width is not None:
        _fit(columns, widths, width)
    lines = [_line(columns, widths, [column.title for column in columns], heading=True, colour=colour)]
    lines += [_line(columns, widths, row, heading=False, colour=colour) for row in rows]
    return "\n".join([*lines, ""])


def _fit(columns: Sequence[Column], widths: list[int], width: int) -> None:
    """Shorten the longest of the flexible columns, again and again, until all fit or none may be shorter."""
    flexible = [i for i, column in enumerate(columns) if column.flexible]
    for i in flexible:
        widths[i] = min(widths[i], max(width, _LEAST))
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    while excess > 0 and flexible:
        longest = max(flexible, key=widths.__getitem__)
        if widths[longest] <= _LEAST:
            return
        widths[longest] -= 1
        excess -= 1


def _line(
    columns: Sequence[Column], widths: Sequence[int], cells: Sequence[str], *, heading: bool, colour: bool
) -> str:
    parts = []
    for column, space, cell in zip(columns, widths, cells, strict=True):
        text = cut(cell, space)
        blanks = " " * (space - extent(text))
        if colour:
            text = styled(text, "bold" if heading else column.styles.get(cell, column.styles.get("")))
        parts.append(blanks + text if column.right else text + blanks)
    return _GAP.join(parts).rstrip()


def extent(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(0 if category(mark) in ("Mn", "Me") else 2 if east_asian_width(mark) in "WF" else 1 for mark in text)


def cut(text: str, space: int) -> str:
    """Return a text as it is where it fits into some columns of a terminal, else its beginning and `…`."""
    if extent(text) <= space:
        return text
    kept, used = "", 0
    for mark in text:
        used += extent(mark)
        if used > space - 1:
            break
        kept += mark
    return kept + "…"
