"""`datmo snapshot update | delete | undelete`: the words and values of a snapshot, and whether it is listed."""

from __future__ import annotations

import asyncclick as click

from datmo.cli.base import Command, opened
from datmo.cli.terminal import hint, say
from datmo.cli.words import Shortened, clean

__all__ = ["COMMANDS"]


@click.command(
    "update",
    cls=Command,
    examples=["datmo snapshot update 91cd --label best", "datmo snapshot update best -m better --stats accuracy:0.97"],
)
@click.argument("given", metavar="ID")
@click.option("--message", "-m", help="A new message.")
@click.option("--label", "-l", help="A new label; empty takes it away.")
@click.option("--config", metavar="KEY:VALUE", multiple=True, help="A value of the configuration; may be repeated.")
@click.option("--stats", metavar="KEY:VALUE", multiple=True, help="A metric; may be repeated.")
@click.pass_context
async def update(  # noqa: PLR0917  # given by name
    ctx: click.Context,
    given: str,
    message: str | None,
    label: str | None,
    config: tuple[str, ...],
    stats: tuple[str, ...],
) -> None:
    """Change the words or values of a snapshot; what it was before stays in the log."""
    from datmo.core.inline import parse_pairs

    if message is None and label is None and not config and not stats:
        raise click.UsageError("say what shall change: --message, --label, --config or --stats", ctx)
    values = {"config": parse_pairs("config", config), "stats": parse_pairs("stats", stats)}
    async with opened() as project:
        before = await project.snapshots.get(given)
        changed = await project.snapshots.update(before.id, message=message, label=label, **values)
    said = Shortened([changed.id])(changed.id)
    if changed.updated_at == before.updated_at:
        say(f"snapshot {said} is so already")
    else:
        say(f"changed snapshot {said}: {clean(changed.message)}")
        hint(f"`datmo log ls --entity snapshot/{said}` shows what it was before")


@click.command("delete", cls=Command, examples=["datmo snapshot delete 91cd", "datmo snapshot delete --id 91cd"])
@click.argument("given", metavar="[ID]", required=False)
@click.option("--id", "option", metavar="ID", help="The snapshot, by its id, a unique prefix of it, or its label.")
@click.pass_context
async def delete(ctx: click.Context, given: str | None, option: str | None) -> None:
    """Hide a snapshot; `datmo snapshot undelete` brings it back."""
    if (given is None) == (option is None):
        raise click.UsageError("give the snapshot once: as ID or as --id ID", ctx)
    async with opened() as project:
        deleted = await project.snapshots.delete(given or option or "")
    said = Shortened([deleted.id])(deleted.id)
    say(f"deleted snapshot {said}: {clean(deleted.message)}")
    hint(f"`datmo snapshot undelete {said}` brings it back")


@click.command("undelete", cls=Command, examples=["datmo snapshot undelete 91cd"])
@click.argument("given", metavar="ID")
async def undelete(given: str) -> None:
    """Bring a deleted snapshot back; `datmo snapshot ls --deleted` shows which there are."""
    async with opened() as project:
        restored = await project.snapshots.undelete(given)
    say(f"restored snapshot {Shortened([restored.id])(restored.id)}: {clean(restored.message)}")


COMMANDS = (update, delete, undelete)
"""What `datmo snapshot` takes from here."""
