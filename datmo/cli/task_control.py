"""`datmo task logs | inspect | stop | wait | recover`: tasks that some other process runs, or ran."""

from __future__ import annotations

import sys
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import asyncclick as click

from datmo.cli.base import Command, format_option, opened, time_of
from datmo.cli.terminal import hint, paint, put, put_bytes, put_json, say
from datmo.cli.words import Shortened, clean, duration, values

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence
    from datetime import datetime

    from datmo.core.entity.task import Task
    from datmo.engine.tasks import TaskUpdate

__all__ = ["COMMANDS", "STATUS_STYLES", "end_words", "hint_at_unattended", "painted", "say_ended", "why"]

STATUS_STYLES = {"SUCCESS": "green", "FAILED": "red", "LOST": "red", "RUNNING": "yellow", "STOPPED": "yellow"}

_SOME_FAILED = 1
_A_WHILE = 1.0


@click.command(
    "logs",
    cls=Command,
    examples=["datmo task logs 7k2m", "datmo task logs 7k2m -f", "datmo task logs 7k2m --since 10m --stderr"],
)
@click.argument("given", metavar="ID")
@click.option("--follow", "-f", is_flag=True, help="Go on as it prints, up to its end.")
@click.option("--since", type=time_of, metavar="TIME", help="Only what came from then on: ISO 8601, or 10m, 2h.")
@click.option("--stderr", is_flag=True, help="Only its standard error.")
@format_option("text", lines=True)
async def logs(*, given: str, follow: bool, since: datetime | None, stderr: bool, form: str) -> None:
    """Show what a task printed: both streams in the order of arrival, lines kept whole."""
    import anyio

    async with opened() as project, anyio.create_task_group() as workers:
        found = await project.tasks.get(given)
        if follow:
            # Whoever follows a task that nobody attends takes it over, or it would never end.
            workers.start_soon(project.tasks.wait, found.id, name=f"attendance of task {found.id}")
        show = partial(_put_lines, found.id) if form == "json" else _show_output
        await show(project.tasks.follow(found.id, since=since, live=follow), only_stderr=stderr)
        workers.cancel_scope.cancel()
    if not follow and not found.ended:
        hint(f"it has not ended: `datmo task logs {given} -f` shows what it goes on to print")


async def _show_output(updates: AsyncGenerator[TaskUpdate, None], *, only_stderr: bool) -> None:
    from datmo.core.frames import STDERR, LineJoiner, frame

    joiner = LineJoiner()
    async with aclosing(updates) as each:
        async for update in each:
            for stream, data in update.output:
                if stream == STDERR or not only_stderr:
                    lines = joiner.feed(frame(stream, data))
                    if lines:
                        await put_bytes(lines)
    rest = joiner.close()
    if rest:
        await put_bytes(rest)


async def _put_lines(task_id: str, updates: AsyncGenerator[TaskUpdate, None], *, only_stderr: bool) -> None:
    """Write output as JSON, a document a line."""
    from datmo.cli.documents import line
    from datmo.cli.task_stream import OutputLines
    from datmo.core.frames import STDERR

    output = OutputLines(task_id)
    async with aclosing(updates) as each:
        async for update in each:
            for stream, data in update.output:
                if stream == STDERR or not only_stderr:
                    await put_json("".join(line(found) + "\n" for found in output.take(update, stream, data)))
    await put_json("".join(line(found) + "\n" for found in output.close()))


@click.command("inspect", cls=Command, examples=["datmo task inspect 7k2m", "datmo task inspect 7k2m --format json"])
@click.argument("given", metavar="ID")
@format_option("text")
async def inspect(given: str, form: str) -> None:
    """Show all that is known of a task. ID is its id or a unique prefix of it."""
    async with opened() as project:
        found = await project.tasks.inspect(given)
        sessions = {each.id: each.name for each in await project.sessions.ls()}
    if form == "json":
        from datmo.cli.documents import page, put_document

        await put_document(page(found))
    else:
        from datmo.cli.pages import task_page

        await put(task_page(found, sessions.get(found["session_id"])))
        if found["output_size"]:
            hint(f"`datmo task logs {given}` shows what it printed")


@click.command(
    "stop", cls=Command, examples=["datmo task stop 7k2m", "datmo task stop --id 7k2m", "datmo task stop --all"]
)
@click.argument("given", metavar="[ID]", required=False)
@click.option("--id", "option", metavar="ID", help="The task, by its id or a unique prefix of it.")
@click.option("--all", "-a", "every", is_flag=True, help="All tasks of this project that have not ended.")
@click.pass_context
async def stop(ctx: click.Context, given: str | None, option: str | None, every: bool) -> None:
    """Stop a task, or all that run; what has ended is left as it is.

    It is asked to end, and after ten seconds made to. It does not matter which process runs it.
    """
    if sum(bool(each) for each in (given is not None, option is not None, every)) != 1:
        raise click.UsageError("say once what shall be stopped: an id, or --all", ctx)
    async with opened() as project, _patience(await project.config.get("stop.grace")):
        if every:
            ended = await project.tasks.stop_all()
            if not ended:
                say("no tasks run")
        else:
            before = await project.tasks.get(given or option or "")
            ended = [] if before.ended else [await project.tasks.stop(before.id)]
            if before.ended:
                say(f"task {Shortened([before.id])(before.id)} has ended already: {before.status}")
    say_ended(ended)


@asynccontextmanager
async def _patience(grace: float) -> AsyncGenerator[None, None]:
    """Say what is waited for, where that takes a while."""
    import anyio

    async def tell() -> None:
        await anyio.sleep(_A_WHILE)
        say(f"asked to end; what has not done so after {grace:g} s is killed")

    async with anyio.create_task_group() as workers:
        workers.start_soon(tell, name="word of what is waited for")
        yield
        workers.cancel_scope.cancel()


@click.command("wait", cls=Command, examples=["datmo task wait 7k2m", "datmo task wait 7k2m 91cd"])
@click.argument("given", metavar="ID...", nargs=-1, required=True)
@format_option("text")
async def wait(given: tuple[str, ...], form: str) -> int:
    """Wait until tasks have ended. Exits with 1 where one of them did not succeed."""
    async with opened() as project:
        ended = await project.tasks.wait(*given)
    if form == "json":
        from datmo.cli.documents import entity, put_list

        await put_list(entity(each) for each in ended)
    say_ended(ended)
    failed = next((each for each in ended if each.status != "SUCCESS"), None)
    if failed is not None:
        hint(f"`datmo task logs {Shortened(each.id for each in ended)(failed.id)}` shows what it printed")
    return 0 if failed is None else _SOME_FAILED


@click.command("recover", cls=Command, examples=["datmo task recover", "datmo task recover --no-wait"])
@click.option("--no-wait", is_flag=True, help="Only finish what has ended; leave what still runs.")
@click.option("--give-up", is_flag=True, help="Record those as LOST whose Docker engine does not answer.")
async def recover(no_wait: bool, give_up: bool) -> None:
    """Finish tasks whose supervisor was killed: output, exit code, results and files as they should be.

    What still runs is attended to its end; Ctrl-C leaves it running.
    """
    async with opened() as project:
        ended = await project.tasks.recover(stay=not no_wait, give_up=give_up)
        left = [each for each in (await project.status(changes=False)).running if each.unattended]
    say_ended(ended)
    if left:
        ids = Shortened(each.id for each in left)
        say(f"still unattended: {', '.join(ids(each.id) for each in left)}")
    elif not ended:
        say("no task is unattended")


def say_ended(ended: Iterable[Task]) -> None:
    """Say of each of some tasks how it ended."""
    ended = list(ended)
    ids = Shortened(each.id for each in ended)
    for each in ended:
        say(painted(f"task {end_words(ids(each.id), each)}", each))


def end_words(said: str, task: Task, *, config: bool = False) -> str:
    """Return how a task ended, in one line.

    Parameters:
        said: what it is called.
        task: the task.
        config: name its configuration, too, which tells the tasks of a sweep apart, or else its command.
    """
    parts = [said, task.status]
    if task.duration is not None:
        parts.append(f"after {duration(task.duration)}")
    if because := why(task):
        parts.append(f"({because})")
    told = [values(task.config) or clean(task.name or task.command)] if config else []
    return " ".join([*parts, *(f"· {each}" for each in (*told, values(task.results)) if each)])


def painted(words: str, task: Task) -> str:
    """Return what is said of the end of a task, its status in a colour where standard error has some."""
    said = paint(task.status, STATUS_STYLES.get(task.status), sys.stderr)
    return words.replace(f" {task.status} ", f" {said} ", 1)


def why(task: Task) -> str:
    """Return why a task did not succeed, nothing where it did."""
    return clean(task.reason) if task.reason else f"exit code {task.exit_code}" if task.exit_code else ""


def hint_at_unattended(found: Sequence[Task]) -> None:
    """Say what it means, where one of some tasks is unattended."""
    if any(each.unattended for each in found):
        hint("unattended: whoever ran it was killed; `datmo task recover` takes over, and records what it did since")


COMMANDS = (logs, inspect, stop, wait, recover)
"""What `datmo task` takes from here."""
