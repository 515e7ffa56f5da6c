"""Tables for people: columns side by side, fitted to the width there is, nothing cut or left out without a sign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from datmo.cli.terminal import styled

__all__ = ["Column", "cut", "extent", "table", "wrapped"]

_GAP = "  "
_LEAST = 6
"""What a column that may be shortened keeps at least, where its content is that long."""
_LEGIBLE = 20


class Column(NamedTuple):
    """A column of a table.

    Parameters:
        title: its heading.
        right: its cells are put to the right, as numbers are.
        flexible: it may be shortened where the terminal is narrow.
        optional: it is left out where all its cells are empty.
        styles: the style of a cell by its text; `""` for all others.
        spare: it may be left out where the terminal is narrow: those with the highest number first, from the right;
            0 for never. Below the table it is said which are.
        whole: what would be cut is continued on the next line instead; for the last column.
        name: what it is called where it is left out, if not by its title.
        legible: what it keeps, if it is flexible, as long as another one can be left out instead.
    """

    title: str
    right: bool = False
    flexible: bool = False
    optional: bool = False
    styles: Mapping[str, str] = {}
    spare: int = 0
    whole: bool = False
    name: str = ""
    legible: int = _LEGIBLE


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, width: int | None, colour: bool) -> str:
    """Return a table as text, a line each.

    Parameters:
        columns: what the cells are.
        rows: the cells, one line of printable text each.
        width: how wide it may be; None for as wide as it is.
        colour: whether styles are used.
    """
    used = [i for i, column in enumerate(columns) if not column.optional or any(row[i] for row in rows)]
    natural = {i: max([extent(columns[i].title), *(extent(row[i]) for row in rows)]) for i in used}
    left_out: list[int] = []
    if width is not None:
        left_out = _left_out(columns, natural, width)
        used = [i for i in used if i not in left_out]
    shown = [columns[i] for i in used]
    widths = [natural[i] for i in used]
    if width is not None:
        _fit(shown, widths, width)
    lines = _lines(shown, widths, [column.title for column in shown], heading=True, colour=colour)
    for row in rows:
        lines += _lines(shown, widths, [row[i] for i in used], heading=False, colour=colour)
    if left_out:
        names = ", ".join(columns[i].name or columns[i].title for i in sorted(left_out))
        words = cut(f"… and, in a wider window: {names}", width or 0)
        lines.append(styled(words, "dim") if colour else words)
    return "\n".join([*lines, ""])


def _left_out(columns: Sequence[Column], natural: Mapping[int, int], width: int) -> list[int]:
    """Return which columns there is no room for, the others legible."""
    needed = {i: min(space, columns[i].legible) if columns[i].flexible else space for i, space in natural.items()}
    left = width + len(_GAP) - sum(space + len(_GAP) for space in needed.values())
    out: list[int] = []
    for i in sorted((i for i in natural if columns[i].spare), key=lambda i: (-columns[i].spare, -i)):
        if left >= 0:
            break
        left += needed[i] + len(_GAP)
        out.append(i)
    for i in out[::-1]:  # a wide one that is missing may leave room for a narrow one that went before it
        if needed[i] + len(_GAP) <= left:
            left -= needed[i] + len(_GAP)
            out.remove(i)
    return out


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


def _lines(
    columns: Sequence[Column], widths: Sequence[int], cells: Sequence[str], *, heading: bool, colour: bool
) -> list[str]:
    """Return a row: one line, and more where a cell that is shown whole needs them."""
    more: list[str] = []
    if columns and columns[-1].whole:
        last, *more = wrapped(cells[-1], widths[-1])
        cells = [*cells[:-1], last]
    margin = " " * (sum(widths[:-1]) + len(_GAP) * (len(widths) - 1))
    return [_line(columns, widths, cells, heading=heading, colour=colour), *(margin + line for line in more)]


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
    return text if extent(text) <= space else _beginning(text, space - 1) + "…"


def _beginning(text: str, space: int) -> str:
    kept, used = "", 0
    for mark in text:
        used += extent(mark)
        if used > space:
            break
        kept += mark
    return kept


def wrapped(text: str, space: int) -> list[str]:
    """Return a text in lines of at most so many columns, broken between words where that can be."""
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if extent(joined) <= space:
            lines[-1] = joined
            continue
        if not lines[-1]:
            lines.pop()
        rest = word
        while extent(rest) > space > 1:
            lines.append(_beginning(rest, space))
            rest = rest[len(lines[-1]) :]
        lines.append(rest)
    return lines
