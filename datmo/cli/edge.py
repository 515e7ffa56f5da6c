"""The edge of the program: the event loop, signals, errors, exit codes."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence

import anyio
import asyncclick as click
from anyio.abc import TaskStatus

from datmo.cli.base import Root
from datmo.cli.failures import INTERRUPTED, report, report_bug, report_group, report_usage
from datmo.cli.terminal import ReaderGone, say, set_verbosity
from datmo.engine.edge import single_error
from datmo.errors import DatmoError

__all__ = ["execute", "root", "run"]

_LEVELS = ("quiet", "normal", "verbose")
_READER_GONE = 128 + signal.SIGPIPE
_SHORT = 1.0
"""Seconds."""

root: Root = Root(
    name="datmo",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        code, signalled = anyio.run(_until_signalled, arguments, backend="asyncio")
    except KeyboardInterrupt:  # before the loop took care of it, or after
        return INTERRUPTED
    if signalled:
        # Everything is closed. A thread may still wait for a reader or a writer that never comes: it is not waited for.
        sys.stderr.flush()
        os._exit(code)
    return code


async def _until_signalled(arguments: Sequence[str]) -> tuple[int, bool]:
    """Run a command; the first signal cancels it, so that it ends in order, and the second ends everything at once."""
    signalled = 0
    code = 0
    command = anyio.CancelScope()

    async def listen(*, task_status: TaskStatus[None]) -> None:
        nonlocal signalled
        with anyio.open_signal_receiver(*_signals()) as received:
            task_status.started()
            async for number in received:
                if signalled:
                    say("left at once: what still runs goes on by itself")
                    os._exit(128 + number)
                signalled = 128 + number
                command.cancel()

    async with anyio.create_task_group() as workers:
        await workers.start(listen, name="signals")
        workers.start_soon(_collect_garbage_later, name="garbage collector")
        with command:
            code = await execute(arguments)
        workers.cancel_scope.cancel()
    return signalled or code, bool(signalled)


async def _collect_garbage_later() -> None:
    """Let a command that takes longer have its garbage collected; of a short one, whatever it leaves goes with it."""
    await anyio.sleep(_SHORT)
    gc.freeze()  # all the modules are there to stay
    gc.enable()


def _signals() -> list[signal.Signals]:
    """Return the signals that end us; those that our caller ignores (`nohup`, `&`) stay ignored."""
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return [number for number in ending if signal.getsignal(number) is not signal.SIG_IGN]


def command_of(arguments: Sequence[str]) -> str:
    """Return the command that a command line calls, as people write it: `datmo snapshot create`."""
    context = click.Context(root, info_name="datmo")
    words = ["datmo"]
    found: click.Command | None = root
    for word in (each for each in arguments if not each.startswith("-")):
        if not isinstance(found, click.Group):
            break
        below = found.get_command(context, word)
        if below is not None:
            words.append(word)
            found = below
    return " ".join(words)


async def execute(arguments: Sequence[str]) -> int:
    """Run a command on the present event loop, show its errors, and return its exit code."""
    set_verbosity(None)
    if (level := os.environ.get("DATMO_VERBOSITY")) in _LEVELS:
        set_verbosity(level)
    try:
        with single_error():
            code = await root.main(list(arguments), "datmo", standalone_mode=False)
    except DatmoError as error:
        return report(error, command_of(arguments))
    except click.ClickException as error:
        return report_usage(error)
    except ReaderGone:
        return _READER_GONE
    except BaseExceptionGroup as group:
        if not isinstance(group, Exception):
            raise
        return report_group(group, command_of(arguments))
    except Exception as error:  # noqa: BLE001  # the last one who could show it
        return report_bug(error)
    return code if isinstance(code, int) else 0
