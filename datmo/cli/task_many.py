"""Several tasks of one `datmo task run`: their output line by line, each line with its task, and a table at the end."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from datmo.cli.base import named_session, opened
from datmo.cli.table import Column, cut, table
from datmo.cli.task_control import STATUS_STYLES, end_words, painted, why
from datmo.cli.terminal import (
    ReaderGone,
    colourful,
    hint,
    interactive_display,
    paint,
    put,
    put_bytes,
    put_json,
    say,
    width,
)
from datmo.cli.words import Shortened, amount, clean, duration, value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from datmo.cli.task_live import View
    from datmo.cli.task_sweep import SweepOptions
    from datmo.core.entity.task import Task
    from datmo.core.expression import Order
    from datmo.core.sweep import TaskSpec
    from datmo.engine.tasks import RunningTasks

__all__ = ["detach", "run_many"]

_SOME_FAILED = 1
_OUR_FAILURE = 125
_MOST_ROWS = 50
_UNIQUE = 8
"""Characters of an id that no other task of a project begins with, for all practical purposes."""
_STDERR = 2


async def run_many(specs: Sequence[TaskSpec], sweep: SweepOptions, form: str, options: dict[str, Any]) -> int:
    """Run tasks, so many at a time, and return the exit code: 1 where one of them failed; that of a single one.

    Parameters:
        specs: what is run.
        sweep: how many at a time, and so on.
        form: `text`, or `json` for a stream of events.
        options: what `Tasks.start` takes beside.
    """
    import anyio

    ended: list[Task] = []
    async with opened() as project, anyio.create_task_group() as workers:
        stopping = _Stopping()
        workers.start_soon(stopping.say_when_stopped, name="word of a stop")
        await named_session(project, options)
        show = _Show() if form == "text" else None
        async with project.tasks.start(
            specs,
            limit=sweep.jobs,
            retries=sweep.retries,
            max_failures=sweep.max_failures,
            live=None if show is None else show.take,
            **options,
        ) as running:
            stopping.over = False
            if show is not None:
                ended = await show.to_the_end(running)
            else:
                async with anyio.create_task_group() as tellers:
                    tellers.start_soon(_tell, running, name="events as JSON")
                    ended = [task async for task in running.finished()]
        stopping.over = True
        workers.cancel_scope.cancel()
    return _summary(ended, sweep.rank, form)


async def detach(specs: Sequence[TaskSpec], sweep: SweepOptions, form: str, options: dict[str, Any]) -> int:
    """Leave tasks to a process of their own, and write their ids, a line each, or the list of them as JSON."""
    async with opened() as project:
        await named_session(project, options)
        tasks = await project.tasks.detach(
            specs, limit=sweep.jobs, retries=sweep.retries, max_failures=sweep.max_failures, **options
        )
    ids = Shortened(task.id for task in tasks)
    if form == "json":
        from datmo.cli.documents import entity, put_list

        await put_list(entity(task) for task in tasks)
    else:
        await put("".join(f"{task.id}\n" for task in tasks))
    say(f"{amount(len(tasks), 'task')} left to a process of their own")
    hint(f"`datmo task logs -f {ids(tasks[0].id)}` follows, `datmo task stop` stops, `datmo task wait` waits")
    return 0


async def _tell(running: RunningTasks) -> None:
    """Write every event of the tasks as one line of JSON, as it happens."""
    from datmo.cli.documents import line
    from datmo.cli.task_stream import Updates

    updates = Updates()
    async with aclosing(running.events()) as events:
        async for each in events:
            try:
                await put_json(line(updates.document(each)) + "\n")
            except ReaderGone:  # the tasks go on without
                return


def _summary(ended: Sequence[Task], rank: Order | None, form: str) -> int:
    failed = [task for task in ended if task.status != "SUCCESS"]
    if form == "text":
        if len(ended) > 1:
            say(("\n" if interactive_display() else "") + results_table(ended, rank).rstrip("\n"))
        say(f"{len(ended) - len(failed)} of {len(ended)} tasks succeeded")
        best = _best(ended, rank)
        if best is None:
            hint("`datmo task ls` lists them")
        else:
            hint(f'`datmo snapshot create -m "…" --task-id {Shortened([best.id], _UNIQUE)(best.id)}` keeps the best')
    if len(ended) == 1:
        return _OUR_FAILURE if ended[0].exit_code is None else ended[0].exit_code
    return _SOME_FAILED if failed else 0


def _best(ended: Sequence[Task], rank: Order | None) -> Task | None:
    from datmo.core.ranking import ranked, ranked_value

    first = None if rank is None else next(iter(ranked(ended, rank)), None)
    return None if first is None or rank is None or ranked_value(first, rank) is None else first


def results_table(ended: Iterable[Task], rank: Order | None) -> str:
    """Return tasks with what they were given and what came of it, the best first where they are ranked."""
    from datmo.cli.value_columns import value_columns
    from datmo.core.ranking import ranked, ranked_value

    listed = list(ended)
    order = sorted(listed, key=lambda task: task.created_at) if rank is None else ranked(listed, rank)
    ids = Shortened(task.id for task in listed)
    shown = order[:_MOST_ROWS]
    space = width(sys.stderr)
    heading = "" if rank is None else ".".join([rank.key.field, *rank.key.path])
    key = f"results.{heading.removeprefix('stats.')}" if heading.startswith("stats.") else heading
    config = value_columns("config", [task.config for task in shown], width=space, spare=2, sort=key)
    results = value_columns("results", [task.results for task in shown], width=space, spare=3, sort=key)
    # What ranks them has a column of its own, where it has none among these.
    apart = key not in {column.name for column in (*config.columns, *results.columns)}
    columns = [
        Column("", right=True, optional=True),
        Column("id", styles={"": "cyan"}),
        Column("status", styles=STATUS_STYLES),
        Column("took", right=True),
        Column("command", flexible=True, optional=True),
        Column(heading, right=True, optional=True, styles={"": "bold"}),
        *config.columns,
        *results.columns,
        Column("why", flexible=True, optional=True, spare=4),
    ]
    # Where not all have parameters that tell them apart, their commands do.
    different = len({task.command for task in shown}) > 1 and not all(task.config for task in shown)
    commands = {task.id: clean(task.name or task.command) for task in shown} if different else {}
    rows = []
    for i, task in enumerate(shown):
        found = None if rank is None else ranked_value(task, rank)
        place = "" if found is None else str(i + 1)
        best = value(found) if apart and found is not None else ""
        row = [place, ids(task.id), task.status, duration(task.duration), commands.get(task.id, ""), best]
        rows.append([*row, *config.rows[i], *results.rows[i], why(task)])
    text = table(columns, rows, width=space, colour=colourful(sys.stderr))
    left_out = len(order) - len(rows)
    return text + (f"and {left_out} more\n" if left_out else "")


class _Stopping:
    """Says what a Ctrl-C does, while anything runs."""

    over = True

    async def say_when_stopped(self) -> None:
        """Wait to be cancelled, and say so where tasks run."""
        import anyio

        try:
            await anyio.sleep_forever()
        finally:
            if not self.over:
                say("\nstopping the tasks in order; Ctrl-C once more leaves at once")


class _Show:
    """Shows what tasks print and how they end: on a terminal their state, elsewhere every line."""

    def __init__(self) -> None:
        self._live = interactive_display()
        self._view: View | None = None
        # What they print is on the screen by its last line alone; into a file or a pipe it goes all the same.
        self._lines = None if self._live and sys.stdout.isatty() else _Lines(only_stdout=self._live)

    async def take(self, task_id: str, stream: int, data: bytes) -> None:
        """Hear what a task prints."""
        if self._view is not None:
            await self._view.take(task_id, stream, data)
        if self._lines is not None:
            await self._lines.take(task_id, stream, data)

    async def to_the_end(self, running: RunningTasks) -> list[Task]:
        """Show tasks until all have ended, and return them."""
        if self._lines is not None:
            self._lines.shortened = Shortened(running.ids)
        if not self._live:
            return await self._ends(running)
        from datmo.cli.task_live import View, shown_live

        self._view = View(running.ids)
        async with shown_live(running, self._view):
            return await self._ends(running)

    async def _ends(self, running: RunningTasks) -> list[Task]:
        ended: list[Task] = []
        ids = Shortened(running.ids)
        async for task in running.finished():
            if self._lines is not None:
                await self._lines.close(task.id)
            ended.append(task)
            if self._view is not None:
                self._view.ended(task)
            say(self._end(task, ids, f"{len(ended):>{len(str(len(running.ids)))}}/{len(running.ids)}"))
        if self._lines is not None:
            await self._lines.close_all()
        return ended

    def _end(self, task: Task, ids: Shortened, place: str) -> str:
        """Return how a task ended, in one line; on a terminal in one that fits, as the table at the end has it all."""
        again = f" (tried again, after {ids(task.retry_of)})" if task.retry_of else ""
        line = f"{place}  {end_words(ids(task.id), task, config=True)}{again}"
        room = width(sys.stderr)
        if self._live and room:
            line = cut(line, room - 1)
        return painted(line.replace(f" {task.status} ", f" {task.status:7} ", 1) if self._live else line, task)


class _Lines:
    """Shows whole lines of many tasks, each behind the id of its task.

    Parameters:
        only_stdout: what they print on standard error is left out.
    """

    _LONGEST = 1 << 16

    def __init__(self, *, only_stdout: bool = False) -> None:
        import anyio

        self._only_stdout = only_stdout
        self._writing = anyio.Lock()
        self._unfinished: dict[tuple[str, int], bytes] = {}
        self._gone: set[int] = set()
        self.shortened: Shortened | None = None
        """What the tasks are called; until it is known, lines are behind whole ids."""

    async def take(self, task_id: str, stream: int, data: bytes) -> None:
        """Show the lines that some more output finishes; a very long one is shown as far as it has come."""
        if stream == _STDERR and self._only_stdout:
            return
        pending = self._unfinished.get((task_id, stream), b"") + data
        end = pending.rfind(b"\n") + 1 or (len(pending) if len(pending) > self._LONGEST else 0)
        self._unfinished[task_id, stream] = pending[end:]
        if end:
            await self._put(task_id, stream, pending[:end])

    async def close(self, task_id: str) -> None:
        """Show what a task has left unfinished."""
        for stream in (1, 2):
            if rest := self._unfinished.pop((task_id, stream), b""):
                await self._put(task_id, stream, rest)

    async def close_all(self) -> None:
        """Show what is left unfinished by attempts that were not the last."""
        for task_id in {task_id for task_id, _ in self._unfinished}:
            await self.close(task_id)

    async def _put(self, task_id: str, stream: int, lines: bytes) -> None:
        target = sys.stderr if stream == _STDERR else sys.stdout
        name = task_id if self.shortened is None else self.shortened(task_id)
        front = paint(f"{name} |", "cyan", target).encode() + b" "
        shown = b"".join(front + line + b"\n" for line in lines.removesuffix(b"\n").split(b"\n"))
        async with self._writing:  # one after another: lines of two tasks do not meet
            if stream in self._gone:
                return
            self._gone.add(stream)  # until it is written: if the write is given up, there shall be no other
            try:
                await put_bytes(shown, target)
            except ReaderGone:
                return
            self._gone.discard(stream)
