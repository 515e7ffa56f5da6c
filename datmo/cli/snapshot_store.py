"""`datmo snapshot verify | export | import`: whether snapshots are whole, and from one project to another."""

from __future__ import annotations

import sys
from shlex import quote

import asyncclick as click

from datmo.cli.bar import bar
from datmo.cli.base import Command, format_option, opened, where_option
from datmo.cli.terminal import hint, paint, put, say
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
        with bar("reading") as progress:
            report = await project.snapshots.verify(*given, progress=progress)
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
    say(f"{paint('error:', 'red', sys.stderr)} {amount(len(report.problems), 'thing')} missing or damaged", always=True)
    hint(
        "bring .datmo/objects or the repository back from a backup, or import the snapshot from where it is whole",
        always=True,
    )
    return 1


@click.command(
    "export",
    cls=Command,
    examples=[
        "datmo snapshot export best",
        "datmo snapshot export 91cd 7k2m -o two.zip",
        "datmo snapshot export --where 'stats.accuracy > 0.9' -o good.zip",
    ],
)
@click.argument("given", metavar="[ID...]", nargs=-1)
@click.option("--all", "-a", "everything", is_flag=True, help="All snapshots.")
@where_option("stats.accuracy > 0.9")
@click.option("--output", "-o", metavar="FILE", help="The archive.  [default: datmo-ID.zip]")
@click.pass_context
async def export(  # given by name
    ctx: click.Context, given: tuple[str, ...], everything: bool, where: str | None, output: str | None
) -> None:
    """Write snapshots with their history, code, environment, files and values into one file.

    `datmo snapshot import` takes them over in another project.
    """
    if (bool(given), everything, where is not None).count(True) != 1:
        raise click.UsageError("give snapshots, or --where, or --all", ctx)
    async with opened() as project:
        if output is None:
            first = (await project.snapshots.get(given[0])).id if given else project.id
            output = f"datmo-{Shortened([first])(first)}.zip"
        with bar("writing") as progress:
            exported = await project.snapshots.export_archive(output, *given, where=where, progress=progress)
    say(f"exported {amount(len(exported.snapshots), 'snapshot')} ({size(exported.size)})")
    await put(f"{output}\n")
    hint(f"`datmo snapshot import {quote(output)}` takes over what is in it, in another project")


@click.command("import", cls=Command, examples=["datmo snapshot import best.zip"])
@click.argument("file", metavar="FILE")
@click.option("--session-id", metavar="SESSION", help="The session that they belong to.  [default: the current one]")
async def import_(file: str, session_id: str | None) -> None:
    """Take over the snapshots of an archive, with their ids and history. Everything in it is checked first."""
    async with opened() as project:
        with bar("reading") as progress:
            imported = await project.snapshots.import_archive(file, session_id=session_id, progress=progress)
    ids = Shortened([*(each.id for each in imported.snapshots), *imported.known])
    for each in imported.snapshots:
        say(f"imported snapshot {ids(each.id)}: {clean(each.message)}")
        await put(f"{each.id}\n")
    for known in imported.known:
        say(f"snapshot {ids(known)} was here already, and is left as it is")
    if imported.snapshots:
        hint(f"`datmo snapshot checkout {ids(imported.snapshots[0].id)}` brings the folder to it")


COMMANDS = (verify, export, import_)
"""What `datmo snapshot` takes from here."""
