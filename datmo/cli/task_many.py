"""Several tasks of one `datmo task run`: their output line by line, each line with its task, and a table at the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from datmo.cli.base import opened
from datmo.cli.task_control import end_words
from datmo.cli.terminal import ReaderGone, hint, paint, put_bytes, say
from datmo.cli.words import Shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datmo.core.entity.task import Task
    from datmo.core.sweep import TaskSpec

__all__ = ["run_many", "specs_of"]

_SOME_FAILED = 1


def specs_of(commands: Sequence[str | list[str]], grid: Sequence[str], repeat: int, name: str | None) -> list[TaskSpec]:
    """Return what a command line asks for: each command for each combination of the grid, so many times.

    Raises:
        InvalidArgument: an axis of the grid is not of the form `NAME=VALUES`, or there are too many.
    """
    from datmo.core.sweep import TaskSpec, combinations, parse_axis

    points = combinations([parse_axis(text) for text in grid])
    return [
        TaskSpec(command, parameters=point, name=name)
        for command in commands
        for point in points
        for _ in range(repeat)
    ]


async def run_many(specs: Sequence[TaskSpec], jobs: int | None, options: dict[str, Any]) -> int:
    """Run tasks, so many at a time, and return the exit code: 1 where one of them failed."""
    import anyio

    ended: list[Task] = []
    async with opened() as project, anyio.create_task_group() as workers:
        stopping = _Stopping()
        workers.start_soon(stopping.say_when_stopped, name="word of a stop")
        lines = _Lines()
        async with project.tasks.start(specs, limit=jobs, live=lines.take, **options) as running:
            ids = Shortened(running.ids)
            lines.name(running.ids, ids)
            async for task in running.finished():
                await lines.close(task.id)
                ended.append(task)
                say(f"{len(ended)}/{len(running.ids)}  {end_words(ids(task.id), task, config=True)}")
        stopping.over = True
        workers.cancel_scope.cancel()
    failed = [task for task in ended if task.status != "SUCCESS"]
    say(f"{len(ended) - len(failed)} of {len(ended)} tasks succeeded")
    hint("`datmo task ls` lists them")
    return _SOME_FAILED if failed else 0


class _Stopping:
    """Says what a Ctrl-C does, while anything runs."""

    over = False

    async def say_when_stopped(self) -> None:
        """Wait to be cancelled, and say so where tasks still run."""
        import anyio

        try:
            await anyio.sleep_forever()
        finally:
            if not self.over:
                say("\nstopping the tasks in order; Ctrl-C once more leaves at once")


class _Lines:
    """Shows whole lines of many tasks, each behind the id of its task."""

    _LONGEST = 1 << 16

    def __init__(self) -> None:
        import anyio

        self._writing = anyio.Lock()
        self._unfinished: dict[tuple[str, int], bytes] = {}
        self._names: dict[str, str] = {}
        self._gone: set[int] = set()

    def name(self, ids: Sequence[str], shortened: Shortened) -> None:
        """Say what the tasks are called; what came before is behind their whole ids."""
        self._names = {task_id: shortened(task_id) for task_id in ids}

    async def take(self, task_id: str, stream: int, data: bytes) -> None:
        """Show the lines that some more output finishes; a very long one is shown as far as it has come."""
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

    async def _put(self, task_id: str, stream: int, lines: bytes) -> None:
        target = sys.stderr if stream == 2 else sys.stdout
        front = paint(f"{self._names.get(task_id, task_id)} |", "cyan", target).encode() + b" "
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
