"""`datmo snapshot verify`: whether what snapshots consist of is there, byte for byte."""

from __future__ import annotations

import asyncclick as click

from datmo.cli.base import Command, format_option, opened
from datmo.cli.terminal import hint, put, say
from datmo.cli.words import Shortened, amount, clean, size

__all__ = ["COMMANDS"]


@click.command(
    "verify",
    cls=Command,
    examples=["datmo snapshot verify 91cd", "datmo snapshot verify best 7k2m", "datmo snapshot verify --all"],
)
@click.argument("given", metavar="[ID...]", nargs=-1)
@click.option("--all", "-a", "everything", is_flag=True, help="All snapshots.")
@format_option("text")
@click.pass_context
async def verify(ctx: click.Context, given: tuple[str, ...], everything: bool, form: str) -> int:
    """Check that snapshots can be brought back: the hash of every object, and that git has all of their code.

    The exit code is 1 where something is missing or damaged.
    """
    if bool(given) == everything:
        raise click.UsageError("give snapshots, or --all", ctx)
    async with opened() as project:
        report = await project.snapshots.verify(*given)
    if form == "json":
        from datmo.cli.documents import put_document

        problems = [problem._asdict() for problem in report.problems]
        await put_document(report._asdict() | {"problems": problems, "ok": report.ok})
    else:
        ids = Shortened(problem.snapshot_id for problem in report.problems)
        lines = [
            f"snapshot {ids(problem.snapshot_id)}  {problem.part}  {clean(problem.name)}: {clean(problem.reason)}\n"
            for problem in report.problems
        ]
        checked = f"{amount(report.snapshots, 'snapshot')}, {amount(report.objects, 'object')} ({size(report.size)})"
        await put("".join([*lines, f"{checked} {'verified' if report.ok else 'checked'}\n"]))
    if report.ok:
        return 0
    say(f"error: {amount(len(report.problems), 'thing')} missing or damaged")
    hint("bring .datmo/objects or the repository back from a backup, or import the snapshot from where it is whole")
    return 1


COMMANDS = (verify,)
"""What `datmo snapshot` takes from here."""
