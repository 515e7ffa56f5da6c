"""`datmo task run --interactive` and `datmo task attach`: a task's screen on ours, and what is typed here, there."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import asyncclick as click

from datmo.cli.base import Command, named_session, opened
from datmo.cli.task_control import say_ended
from datmo.cli.task_output import exit_code, say_end
from datmo.cli.terminal import hint, put_bytes, say

if TYPE_CHECKING:
    from datmo.core.entity.task import Task
    from datmo.core.sweep import TaskSpec
    from datmo.engine.project import Project
    from datmo.runner.executors.base import Screen

__all__ = ["TERMINAL", "run_interactive"]

_STDERR = 2
_LEAVE = b"\x10\x11"
"""Ctrl-P Ctrl-Q, by which the engine lets a terminal go."""
_PATIENCE = 30.0
"""Seconds that the end may take to be recorded; a screen also ends where the engine goes away, and the task runs on."""


@click.command("attach", cls=Command, examples=["datmo task attach 7k2m"])
@click.argument("given", metavar="ID")
async def attach(given: str) -> int:
    """Show the live screen of a task that runs, whichever process runs it: progress bars, too.

    Ctrl-C leaves it running. Of a task with a terminal (`task run --interactive`) all keys are its own; Ctrl-P Ctrl-Q
    leaves it.
    """
    async with opened() as project:
        found = await project.tasks.get(given)
        left = await _show(project, found.id)
        found = await project.tasks.get(found.id)
        if not found.ended and (left or await _still_runs(project, found.id)):
            say("it runs on")
            return 0
        (ended,) = await project.tasks.wait(found.id)
    say_ended([ended])
    return exit_code(ended)


async def run_interactive(spec: TaskSpec, options: dict[str, Any]) -> int:
    """Run a task with a terminal, that is ours for as long as it runs."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        message = "--interactive needs a terminal: standard input and output are none"
        raise click.UsageError(message, click.get_current_context())
    async with opened() as project:
        await named_session(project, options)
        async with project.tasks.start([spec], limit=1, **options) as running:
            await _show(project, running.ids[0])
            ended: list[Task] = [task async for task in running.finished()]
    say_end(ended[0])
    return exit_code(ended[0])


async def _still_runs(project: Project, task_id: str) -> bool:
    """Say whether a task runs whose screen has ended: most often its end is recorded only a moment later."""
    import anyio

    with anyio.move_on_after(_PATIENCE):
        await project.tasks.wait(task_id)
        return False
    return True


async def _show(project: Project, task_id: str) -> bool:
    """Show a task's screen to its end, and type there what is typed here; returns whether somebody has left it so."""
    import anyio

    from datmo.errors import Refused

    typed = bytearray()
    try:
        async with project.tasks.attach(task_id) as screen, anyio.create_task_group() as workers:
            typing = screen.interactive and sys.stdin.isatty()
            with _raw() if typing else nullcontext():
                if typing:
                    workers.start_soon(_follow_size, screen, name="the size of the terminal")
                    workers.start_soon(_type, screen, typed, name="what is typed")
                while (part := await screen.read()) is not None:
                    await put_bytes(part[1], sys.stderr if part[0] == _STDERR else sys.stdout)
                workers.cancel_scope.cancel()
    except Refused:  # it had ended before it could be shown
        hint(f"`datmo task logs {task_id}` shows what it printed")
    return typed.endswith(_LEAVE)


async def _type(screen: Screen, typed: bytearray) -> None:
    """Type what is typed here; the last of it stays in `typed`."""
    import anyio

    while True:
        await anyio.wait_readable(sys.stdin.fileno())
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:  # the terminal is gone
            return
        typed[:] = (typed + data)[-len(_LEAVE) :]
        await screen.write(data)


async def _follow_size(screen: Screen) -> None:
    """Give the task's terminal the size of ours, now and whenever that changes."""
    import anyio

    with anyio.open_signal_receiver(signal.SIGWINCH) as changes:
        size = os.get_terminal_size(sys.stdout.fileno())
        await screen.resize(size.lines, size.columns)
        async for _ in changes:
            size = os.get_terminal_size(sys.stdout.fileno())
            await screen.resize(size.lines, size.columns)


@contextmanager
def _raw() -> Iterator[None]:
    """Let every key through as it is, Ctrl-C too; at the end the terminal is as it was."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


TERMINAL = (attach,)
"""What `datmo task` takes from here."""
