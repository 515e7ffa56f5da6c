"""Tasks that are a part of the process that runs them: `project.track(...)`.

While that process lives it attends the task itself. Should it be killed, whoever takes over finds what it logged in the
outbox, and waits for nothing but the end of the process.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import anyio
from anyio.to_thread import run_sync

from datmo.errors import RunnerError
from datmo.runner.executors.base import Chunk, Ended, Handle, RunSpec
from datmo.runner.watch import Watch
from datmo.runner.witness import Witness, alive, witness

__all__ = ["OwnProcess", "TrackExecutor"]


class TrackExecutor:
    """Tasks of other processes: they are waited for, and are nobody's to start."""

    name = "track"

    async def start(self, spec: RunSpec) -> Handle:
        """Refuse: only a process itself begins to track itself."""
        raise RunnerError(f"task {spec.task_id} is a part of another process: it cannot be started from outside")

    async def find(self, task_id: str, folder: Path) -> Handle | None:
        """Return None: what was not recorded as started never began."""
        return None

    async def output(
        self, handle: Handle, cursor: int, *, follow: bool, mark: bytes = b""
    ) -> AsyncGenerator[Chunk, None]:
        """Yield nothing: what the process prints is its own."""
        return
        yield Chunk(b"", 0)  # it is a generator

    async def wait(self, handle: Handle) -> Ended:
        """Return when the process has ended; how the task did, nobody can say."""
        watch = await run_sync(Watch, _process(handle))
        try:
            await watch.ended()
        finally:
            watch.close()
        return Ended(None, "its process ended without leaving the block that is tracked: it was killed, or crashed")

    async def running(self, handle: Handle) -> bool:
        """Say whether the process still lives."""
        return await run_sync(alive, _process(handle))

    async def process(self, handle: Handle) -> int | None:
        """Return the process's number."""
        return int(handle["pid"])

    async def stop(self, handle: Handle, *, grace: float) -> None:
        """Ask the process to end; it is never made to, for it may be more than the task.

        Raises:
            RunnerError: it does not end.
        """
        process = _process(handle)
        watch = await run_sync(Watch, process)
        try:
            await run_sync(watch.signal, signal.SIGTERM)
            if not await watch.ended(grace):
                raise RunnerError(
                    f"the process {process.pid} does not end, though it was asked to", hint=f"kill {process.pid}"
                )
        finally:
            watch.close()

    async def hand_back(self, spec: RunSpec) -> None:
        """Do nothing: the process's files are its own."""

    async def remove(self, handle: Handle) -> None:
        """Do nothing: there is nothing but the process."""


class OwnProcess(TrackExecutor):
    """The task of this process.

    Parameters:
        interrupt: makes the code of the block end.

    Attributes:
        started: set once it is recorded that the task runs.
        asked: whether somebody asked it to end.
    """

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self.started: anyio.Event = anyio.Event()
        self.asked: bool = False
        self._interrupt = interrupt
        self._left = anyio.Event()
        self._ended = Ended(None)

    def leave(self, ended: Ended) -> None:
        """Say how the block ended."""
        if not self._left.is_set():
            self._ended = ended
            self._left.set()

    async def start(self, spec: RunSpec) -> Handle:
        """Return what names this process."""
        return {"executor": self.name, **(await run_sync(witness))._asdict()}

    async def wait(self, handle: Handle) -> Ended:
        """Return when the block was left."""
        self.started.set()
        await self._left.wait()
        return self._ended

    async def stop(self, handle: Handle, *, grace: float) -> None:
        """Have the block end, and wait until it has."""
        if not self._left.is_set():
            self.asked = True
            self._interrupt()
            await self._left.wait()


def _process(handle: Any) -> Witness:
    return Witness(int(handle["pid"]), int(handle["start_time"]), str(handle["boot_id"]))
