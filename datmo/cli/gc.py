"""`datmo gc`: the room that deleted snapshots and tasks, and checkouts of the past, take is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncclick as click

from datmo.cli.bar import bar
from datmo.cli.base import Command, format_option, opened
from datmo.cli.terminal import hint, put, say
from datmo.cli.words import amount, size

if TYPE_CHECKING:
    from datmo.core.collecting import Collection

__all__ = ["gc"]


@click.command("gc", cls=Command, examples=["datmo gc --dry-run", "datmo gc"])
@click.option("--dry-run", is_flag=True, help="Remove nothing; only say what would be.")
@format_option("text")
async def gc(dry_run: bool, form: str) -> None:
    """Remove what nobody needs any more: objects, refs in git, and output, of deleted snapshots and tasks.

    What earlier checkouts have left in `.datmo/checkout` goes, too. It first says what it would remove. What is gone
    cannot be restored. Work may go on beside it.
    """
    async with opened() as project:
        with bar("looking") as progress:
            planned = await project.gc(dry_run=True, progress=progress)
        if form != "json":
            await put(_told(planned))
        done = planned
        if not dry_run:
            with bar("removing") as progress:
                done = await project.gc(progress=progress)
    if form == "json":
        from datmo.cli.documents import put_document

        await put_document(done._asdict() | {"problems": list(done.problems)})
        return
    for problem in done.problems:
        say(problem)
    if dry_run:
        if not done.empty:
            hint("`datmo gc` removes it, for good")
    elif not done.empty:
        say(f"freed {size(done.size)}")


def _told(planned: Collection) -> str:
    """Say what is going to be removed, a line each."""
    if planned.empty:
        return "nothing to remove\n"
    parts = [
        (planned.snapshots, f"{amount(planned.snapshots, 'deleted snapshot')}, which cannot be restored then"),
        (planned.tasks, f"{amount(planned.tasks, 'task')} of deleted sessions"),
        (planned.files, amount(planned.files, "list of files", "lists of files")),
        (planned.objects, amount(planned.objects, "object")),
        (planned.refs, f"{amount(planned.refs, 'ref')} in git"),
        (planned.payloads, f"{amount(planned.payloads, 'piece')} of output ({size(planned.payload_size)})"),
        (planned.checkouts, f"{amount(planned.checkouts, 'leftover')} of checkouts, in .datmo/checkout"),
    ]
    lines = [f"{text}\n" for count, text in parts if count]
    if planned.kept:
        lines.append(f"{size(planned.kept)} more stay for now, in packs that are mostly needed\n")
    return "".join([*lines, f"about {size(planned.size)} in all\n"])
