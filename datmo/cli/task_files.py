"""`datmo task files`: what a task left, back as files."""

from __future__ import annotations

import asyncclick as click

from datmo.cli.base import Command, opened
from datmo.cli.terminal import put, say
from datmo.cli.words import Shortened, amount, clean

__all__ = ["FILES"]


@click.command(
    "files",
    cls=Command,
    examples=["datmo task files 7k2m --to results", "datmo task files 7k2m --only '*.pkl' --to ."],
)
@click.argument("given", metavar="ID")
@click.option("--to", required=True, metavar="DIR", help="Into this folder, which is made where it is not there.")
@click.option("--only", metavar="PATTERN", help="Only those whose path or name fits, such as '*.pkl'.")
async def files(given: str, to: str, only: str | None) -> None:
    """Write the files that a task left into a folder. None that is there is written over.

    `datmo task inspect` lists them; what is printed is where each of them is now.
    """
    async with opened() as project:
        found = await project.tasks.get(given)
        written = await project.tasks.write_files(found.id, to, only=only)
    await put("".join(f"{clean(str(path))}\n" for path in written))
    said = Shortened([found.id])(found.id)
    say(f"wrote {amount(len(written), 'file')} of task {said}" if written else f"task {said} left no files")


FILES = (files,)
"""What `datmo task` takes from here."""
