"""What one task prints, shown as it comes, and how it ended."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from datmo.cli.task_control import end_words, painted
from datmo.cli.terminal import ReaderGone, hint, put_bytes, say
from datmo.cli.words import Shortened

if TYPE_CHECKING:
    from datmo.core.entity.task import Task

__all__ = ["OUR_FAILURE", "Output", "exit_code", "say_end", "shown"]

T = TypeVar("T")

OUR_FAILURE = 125
"""What `docker run` exits with where it was not the command that failed."""


async def shown(run: Callable[[Callable[[int, bytes], Awaitable[None]]], Awaitable[T]]) -> T:
    """Run a task and show what it prints; Ctrl-C stops it, and that is said.

    Parameters:
        run: runs it, telling its output.
    """
    import anyio

    output = Output()
    async with anyio.create_task_group() as workers:
        workers.start_soon(output.say_when_stopped, name="word of a stop")
        try:
            ended = await run(output.take)
        except anyio.get_cancelled_exc_class():
            say("stopped; `datmo task ls` shows it")
            raise
        finally:
            output.ended = True
        workers.cancel_scope.cancel()
    return ended


def exit_code(ended: Task) -> int:
    """Return the command's own exit code, or ours where it was not the command that failed."""
    return OUR_FAILURE if ended.exit_code is None else ended.exit_code


def say_end(ended: Task) -> None:
    """Say how a task ended, and what to do with it."""
    said = Shortened([ended.id])(ended.id)
    say(painted(f"task {end_words(said, ended)}", ended))
    if ended.status == "SUCCESS":
        hint(f'`datmo snapshot create -m "…" --task-id {said}` keeps what it ran and left')


class Output:
    """Shows a task's output as it comes: each stream on ours of the same name, byte for byte."""

    def __init__(self) -> None:
        self.ended = False
        self._gone: set[int] = set()

    async def take(self, stream: int, data: bytes) -> None:
        """Write a part of the output; where nobody reads it any more the task goes on without."""
        from datmo.core.frames import STDERR

        if stream in self._gone:
            return
        self._gone.add(stream)  # until it is written: if the write is given up, there shall be no other
        try:
            await put_bytes(data, sys.stderr if stream == STDERR else sys.stdout)
        except ReaderGone:
            return
        self._gone.discard(stream)

    async def say_when_stopped(self) -> None:
        """Wait to be cancelled, and say so where the task still runs."""
        import anyio

        try:
            await anyio.sleep_forever()
        finally:
            if not self.ended:
                say("\nstopping the task in order; Ctrl-C once more leaves at once")
