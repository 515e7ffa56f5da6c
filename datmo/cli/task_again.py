"""`datmo task rerun`: the same again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncclick as click

from datmo.cli.base import Command, opened
from datmo.cli.task_options import variables_of
from datmo.cli.task_output import exit_code, say_end, shown
from datmo.cli.terminal import say
from datmo.cli.words import Shortened, amount, clean, value

if TYPE_CHECKING:
    from datmo.core.agreement import Agreement

__all__ = ["AGAIN"]

_DIFFERS = 1


@click.command(
    "rerun", cls=Command, examples=["datmo task rerun 7k2m", "datmo task rerun 7k2m --env API_KEY --name again"]
)
@click.argument("given", metavar="ID")
@click.option(
    "--env",
    "pairs",
    metavar="KEY[=VALUE]",
    multiple=True,
    help="Set a variable, or pass on ours: secrets, whose values are not recorded, have to be given again.",
)
@click.option("--name", help="A name for the new task.  [default: that of the first]")
async def rerun(given: str, pairs: tuple[str, ...], name: str | None) -> int:
    """Run a task again: the same code, environment, parameters and data, whatever has changed here since.

    Says whether the results agree. The exit code is the command's own; 1 where that is 0 and the results differ.
    """
    variables = variables_of(pairs)
    async with opened() as project:
        task, agreement = await shown(
            lambda live: project.tasks.rerun(given, variables=variables, name=name, live=live)
        )
    say_end(task)
    _say_agreement(agreement)
    return exit_code(task) or (_DIFFERS if agreement.comparable and not agreement.agrees else 0)


def _say_agreement(agreement: Agreement) -> None:
    first = Shortened([agreement.first, agreement.again])(agreement.first)
    if not agreement.comparable:
        say(f"task {first} did not come to its end: there is nothing to compare with")
        return
    say(f"the results {'agree' if agreement.agrees else 'do not agree'} with those of task {first}")
    for change in agreement.results:
        before, after = (
            "missing" if kind == change.kind else value(each)
            for kind, each in (("added", change.before), ("removed", change.after))
        )
        say(f"  {clean(change.key)}: {before} then, {after} now")
    if agreement.files:
        paths = ", ".join(clean(each.path) for each in agreement.files[:5])
        more = ", …" if len(agreement.files) > 5 else ""
        say(f"  {amount(len(agreement.files), 'file')} differ: {paths}{more}")


AGAIN = (rerun,)
"""What `datmo task` takes from here."""
