"""`datmo snapshot checkout`: the project's folder becomes a snapshot, and the way back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import asyncclick as click

from datmo.cli.base import Command, exclusive, opened
from datmo.cli.terminal import hint, put, say
from datmo.cli.words import Shortened, amount, clean

if TYPE_CHECKING:
    from datmo.engine.checkout import Checkout
    from datmo.engine.entities import Snapshot

__all__ = ["COMMANDS"]


@click.command(
    "checkout",
    cls=Command,
    examples=[
        "datmo snapshot checkout 91cd",
        "datmo snapshot checkout -",
        "datmo snapshot checkout best --to ../best",
        "datmo snapshot checkout best --branch from-best",
    ],
)
@click.argument("given", metavar="[ID]", required=False)
@click.option("--id", "option", metavar="ID", help="The snapshot, by its id, a unique prefix of it, or its label.")
@click.option("--to", metavar="DIR", help="Write all of it into this folder instead, and touch nothing else.")
@click.option("--branch", metavar="NAME", help="Make and enter this branch of git.")
@click.option("--no-save", is_flag=True, help="Refuse where there is unsaved work, instead of keeping it.")
@click.pass_context
async def checkout(  # noqa: PLR0917  # given by name
    ctx: click.Context, given: str | None, option: str | None, to: str | None, branch: str | None, no_save: bool
) -> None:
    """Bring the folder to the state of a snapshot: code, files and configuration. `-` goes back.

    Your branch, index and HEAD stay, and ignored files are not touched. Work that is in no snapshot is kept as one.
    """
    if (given is None) == (option is None):
        raise click.UsageError("give the snapshot once: as ID, as --id ID, or as - for the way back", ctx)
    exclusive(to=to, branch=branch)
    async with opened() as project:
        done = await project.snapshots.checkout(given or option or "", to=to, branch=branch, save=not no_save)
    ids = Shortened([done.snapshot.id, done.saved.id if done.saved else None])
    said = f"snapshot {ids(done.snapshot.id)}: {clean(done.snapshot.message)}"
    if to is not None:
        say(f"wrote {said}, to {clean(to)}")
    else:
        say(f"checked out {said}, {_counted(done)}")
    if done.saved is not None:
        say(f"unsaved work is kept as snapshot {ids(done.saved.id)}")
    if done.folder is not None:
        say(f"what has no place in the folder lies in {clean(os.fspath(done.folder))}")
    if branch is not None:
        say(f"on branch {clean(branch)}")
    elif done.in_git and done.written + done.removed:
        say("branch, index and HEAD are as they were: git shows as edits what differs from them")
    await put(f"{done.snapshot.id}\n")
    if to is None and done.written + done.removed:
        hint("`datmo snapshot checkout -` goes back")


def _counted(done: Checkout[Snapshot]) -> str:
    if not done.written + done.removed:
        return "as the folder is already"
    parts = [f"{amount(done.written, 'file')} written"] * bool(done.written)
    return ", ".join(parts + [f"{amount(done.removed, 'file')} removed"] * bool(done.removed))


COMMANDS = (checkout,)
"""What `datmo snapshot` takes from here."""
