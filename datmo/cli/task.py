"""`datmo task`: commands run in the project's environment, recorded."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import asyncclick as click

from datmo.cli.base import (
    Command,
    Group,
    effective_limit,
    exclusive,
    format_option,
    limit_option,
    named_session,
    opened,
    session_filter,
    session_names,
    sort_option,
    where_option,
)
from datmo.cli.table import Column, table
from datmo.cli.task_again import AGAIN
from datmo.cli.task_control import COMMANDS, STATUS_STYLES, hint_at_unattended
from datmo.cli.task_files import FILES
from datmo.cli.task_metrics import metrics
from datmo.cli.task_options import run_options, taken_options
from datmo.cli.task_output import OUR_FAILURE, exit_code, say_end, shown
from datmo.cli.task_plot import plot
from datmo.cli.task_sweep import SweepOptions, specs_of, sweep_options
from datmo.cli.task_terminal import TERMINAL
from datmo.cli.terminal import colourful, hint, put, say, width
from datmo.cli.value_columns import value_columns
from datmo.cli.words import Shortened, ago, clean, duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from datmo.core.entity.session import Session
    from datmo.core.entity.task import Task

__all__ = ["task", "task_table"]

_USAGE = 2

_ENDS = ("SUCCESS", "FAILED", "STOPPED", "LOST")
_UNATTENDED = "{} (unattended)"
_STYLES = STATUS_STYLES | {_UNATTENDED.format(status): "red" for status in ("CREATED", "RUNNING")}


@click.group(cls=Group)
async def task() -> None:
    """Run commands in the project's environment; output, results and files are recorded."""


class RunCommand(Command):
    """`datmo task run`, for which all behind `--` is one command."""

    async def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take what stands behind `--` away before options are looked for."""
        before, after = (args[: args.index("--")], args[args.index("--") + 1 :]) if "--" in args else (args, [])
        ctx.meta["words"] = after
        try:
            return await super().parse_args(ctx, before)
        except click.NoSuchOption as error:
            if get_close_matches(error.option_name, error.possibilities or (), cutoff=0.75):
                raise
            message = f"no such option {error.option_name!r}: those of your own command go into its quotes or behind --"
            raise click.UsageError(message, ctx) from error


@task.command(
    "run",
    cls=RunCommand,
    examples=[
        'datmo task run "python train.py --lr 0.1"',
        "datmo task run -- python train.py --lr 0.1",
        'datmo task run --gpu -p 8888:8888 "python serve.py"',
        'datmo task run --data ~/iris --mem-limit 2g --env API_KEY --timeout 1h "python train.py"',
        'datmo task run -j 4 "python train.py --lr {lr} --seed {seed}" --grid lr=0.1,0.01 --grid seed=0..3',
        "datmo task run --interactive python",
        'datmo task run "python train.py" --from points.csv --retries 2 --fail-fast --rank results.accuracy',
    ],
)
@click.argument("commands", metavar="CMD", nargs=-1)
@click.option("--gpu", is_flag=True, help="Use GPUs where there are any.")
@click.option("--ports", "-p", metavar="HOST:CONTAINER", multiple=True, help="Open a port; may be repeated.")
@click.option("--environment-def", "-e", "env", metavar="FILE", help="Run in the environment that this file defines.")
@click.option("--session-id", metavar="SESSION", help="The session that it belongs to.  [default: the current one]")
@click.option("--session", metavar="NAME", help="The same by its name; it is made where there is none.")
@click.option("--name", help="A name for the task.")
@click.option("--executor", type=click.Choice(["docker", "process"]), help="Where.  [default: by the environment]")
@run_options
@sweep_options
@format_option("text", lines=True)
@click.pass_context
async def run(
    ctx: click.Context,
    /,
    commands: tuple[str, ...],
    form: str,
    **options: Any,
) -> int:
    """Run a command in the project's environment, to its end; or several, so many at a time.

    CMD is one whole command, in quotes; or put `--` before its words. It runs on exactly the code that is here now, in
    a checkout of its own. The exit code is the command's own; of several tasks, 1 where one of them failed. `--format
    json` writes every event of the tasks as it happens, one JSON document a line; with `--detach` the list of tasks.
    """
    from datmo.engine.edge import single_error
    from datmo.errors import DatmoError

    given = _commands(ctx, commands, needed=not options["interactive"])
    try:
        with single_error():
            options["options"] = taken_options(options)
            sweep = SweepOptions.taken(options)
            exclusive(session=options["session"], session_id=options["session_id"])
            if options["options"].interactive:
                exclusive(interactive=True, format=None if form == "text" else form)
                return await _run_interactive(given, options)
            if len(given) > 1 or sweep.many or form == "json":
                return await _run_many(given, sweep, form, options)
            return await _run_one(given[0], options)
    except DatmoError as error:
        from datmo.cli.failures import report

        code = report(error)
        return code if code == _USAGE else OUR_FAILURE


async def _run_many(
    commands: Sequence[str | list[str]],
    sweep: SweepOptions,
    form: str,
    options: dict[str, Any],
) -> int:
    from datmo.cli.task_many import detach, run_many

    specs = await specs_of(commands, sweep, options.pop("name"))
    if sweep.detach:
        return await detach(specs, sweep, form, options)
    return await run_many(specs, sweep, form, options)


async def _run_interactive(commands: Sequence[str | list[str]], options: dict[str, Any]) -> int:
    from datmo.cli.task_terminal import run_interactive
    from datmo.core.sweep import TaskSpec

    if len(commands) > 1:
        message = "--interactive goes with one command: there is one terminal"
        raise click.UsageError(message, click.get_current_context())
    return await run_interactive(TaskSpec(commands[0] if commands else "", name=options.pop("name")), options)


async def _run_one(command: str | list[str], options: dict[str, Any]) -> int:
    async with opened() as project:
        await named_session(project, options)
        ended = await shown(lambda live: project.tasks.run(command, live=live, **options))
    say_end(ended)
    return exit_code(ended)


def _commands(ctx: click.Context, commands: tuple[str, ...], *, needed: bool) -> list[str | list[str]]:
    """Return the commands: each argument is a whole one, and what stands behind `--` is one more."""
    words: list[str] = ctx.meta["words"]
    given: list[str | list[str]] = [*commands, *([words] if words else [])]
    if not given and needed:
        raise click.UsageError('give a command to run, such as "python train.py"', ctx)
    if len(commands) > 1 and all(len(each.split()) < 2 and "/" not in each for each in commands):
        raise click.UsageError(
            f"{len(commands)} commands of one word each: if these are the words of one, quote it or put -- before it",
            ctx,
        )
    return given


@task.command(
    "ls",
    examples=[
        "datmo task ls",
        "datmo task ls --session-id sweeps --filter train.py",
        'datmo task ls --where "results.accuracy > 0.9" --sort results.accuracy',
        "datmo task ls --status running --watch",
        "datmo task ls --where 'status == \"FAILED\" or duration > 60' --format csv",
    ],
)
@session_filter()
@click.option("--filter", "text", metavar="TEXT", help="Only those with this in their command or name.")
@where_option("results.accuracy > 0.9")
@sort_option("duration")
@click.option(
    "--status",
    "statuses",
    type=click.Choice(["CREATED", *_ENDS, "RUNNING"], case_sensitive=False),
    multiple=True,
    help="Only those that are so; may be repeated.",
)
@click.option("--watch", is_flag=True, help="Show it anew whenever it changes, on a terminal, until Ctrl-C.")
@limit_option("tasks")
@format_option(csv=True)
async def ls(
    *,
    session_id: str | None,
    text: str | None,
    statuses: tuple[str, ...],
    watch: bool,
    limit: int | None,
    form: str,
    **selection: Any,
) -> None:
    """List tasks, newest first."""
    if statuses:
        wanted = " or ".join(f'status == "{status}"' for status in statuses)
        selection["where"] = f"({wanted}) and ({selection['where']})" if selection["where"] else wanted
    if watch:
        exclusive(watch=True, format=None if form == "table" else form)
        if not sys.stdout.isatty():
            raise click.UsageError("--watch needs a terminal: standard output is none", click.get_current_context())
        from datmo.cli.task_watch import watch_tasks

        await watch_tasks(session_id=session_id or None, filter=text, limit=limit, **selection)
        return
    async with opened() as project:
        found, total = await project.tasks.page(
            session_id=session_id or None, filter=text, limit=effective_limit(limit, form), **selection
        )
        sessions = await project.sessions.ls()
    if form == "table" and found:
        await put(task_table(found, sessions, sort=selection["sort"]))
        hint_at_unattended(found)
    elif form != "table":
        await _put_documents(found, sessions, form)
    if len(found) < total:
        say(f"showing {len(found)} of {total}; --limit 0 shows all")
    if not total and form == "table":
        selected = bool(text or session_id or selection["where"])
        say("no tasks" + (" fit" if selected else " yet"))
        if not selected:
            hint('`datmo task run "python train.py"` runs one')


async def _put_documents(found: Sequence[Task], sessions: Iterable[Session], form: str) -> None:
    from datmo.cli.documents import entity, put_list

    if form == "json":
        await put_list(entity(each) for each in found)
        return
    from datmo.cli.csv_list import TASK_COLUMNS, put_csv

    names = {each.id: each.name for each in sessions}
    documents = (entity(each, session=names[each.session_id]) for each in found)
    await put_csv(documents, TASK_COLUMNS, ("config", "results"))


def _status(each: Task) -> str:
    return _UNATTENDED.format(each.status) if each.unattended else each.status


def task_table(found: Sequence[Task], sessions: Iterable[Session], *, sort: str | None = None) -> str:
    """Return tasks as a table.

    Parameters:
        found: the tasks.
        sessions: all sessions; shown where one is not of the current one.
        sort: what they are sorted by.
    """
    ids = Shortened(each.id for each in found)
    names = session_names(found, sessions)
    space = width()
    config = value_columns("config", [each.config for each in found], width=space, spare=1, sort=sort)
    results = value_columns("results", [each.results for each in found], width=space, spare=2, sort=sort)
    columns = [
        Column("id", styles={"": "cyan"}),
        Column("name", flexible=True, optional=True),
        Column("status", styles=_STYLES),
        Column("created", spare=4),
        Column("took", right=True, optional=True, spare=4),
        Column("session", flexible=True, optional=True, spare=3),
        Column("command", flexible=True),
        *config.columns,
        *results.columns,
    ]
    rows = [
        [
            ids(each.id),
            clean(each.name or ""),
            _status(each),
            ago(each.created_at),
            duration(each.duration),
            names.get(each.session_id, ""),
            clean(each.command),
            *config.rows[i],
            *results.rows[i],
        ]
        for i, each in enumerate(found)
    ]
    return table(columns, rows, width=space, colour=colourful())


for _command in (*COMMANDS, *AGAIN, *FILES, *TERMINAL, metrics, plot):
    task.add_command(_command)
