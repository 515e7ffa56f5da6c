"""`datmo docs`: the documentation that comes with the package."""

from __future__ import annotations

import sys
from pathlib import Path

import asyncclick as click

from datmo.cli.base import Command
from datmo.cli.table import Column, table
from datmo.cli.terminal import colourful, hint, put, width

__all__ = ["FOLDER", "SCHEMA", "docs", "pages"]

FOLDER = Path(__file__).parent.parent / "docs"
SCHEMA = "schema.json"
"""The page for programs: what `--format json` writes, as JSON Schema."""
_WIDEST = 100
_FIRST = ("guide", "tasks", "snapshots", "notebooks", "cli", "json", "sdk")


def pages() -> dict[str, str]:
    """Return the names of the pages with their titles, in the order in which they are read."""
    order = {name: place for place, name in enumerate(_FIRST)}
    names = sorted((path.stem for path in FOLDER.glob("*.md")), key=lambda name: (order.get(name, len(order)), name))
    return {name: _text(name).partition("\n")[0].removeprefix("# ") for name in names}


def _text(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text("utf-8")


@click.command(
    cls=Command, examples=["datmo docs", "datmo docs guide", "datmo docs settings | less", "datmo docs schema.json"]
)
@click.argument("page", metavar="[PAGE]", required=False)
async def docs(page: str | None) -> None:
    """Show the documentation: a guide, and references that are made from this very version.

    `schema.json` is what `--format json` writes, as JSON Schema.
    """
    from anyio.to_thread import run_sync

    known = await run_sync(pages)
    if page is None:
        rows = [[name, title] for name, title in known.items()]
        columns = [Column("page", styles={"": "cyan"}), Column("what it is about", flexible=True, whole=True)]
        await put(table(columns, rows, width=width(), colour=colourful()))
        hint("`datmo docs guide` is where to begin")
        return
    if page == SCHEMA:
        await put((await run_sync((FOLDER / SCHEMA).read_bytes)).decode())
        return
    if page not in known:
        raise click.BadParameter(f"there is no page {page!r}: {', '.join(known)}", param_hint="PAGE")
    text = await run_sync(_text, page)
    await put(_rendered(text) if sys.stdout.isatty() else text)


def _rendered(text: str) -> str:
    """Return a page as a terminal shows it."""
    from io import StringIO

    from rich.console import Console
    from rich.markdown import Markdown

    shown = StringIO()
    columns = min(width() or _WIDEST, _WIDEST)
    console = Console(
        file=shown, width=columns, force_terminal=colourful(), color_system="standard" if colourful() else None
    )
    console.print(Markdown(text, hyperlinks=False))
    return shown.getvalue()
