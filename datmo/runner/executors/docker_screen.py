"""The live screen of a container: what it prints, as it prints it, and on a terminal what is typed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from datmo.errors import EngineUnreachable
from datmo.runner.executors.docker_client import DockerContainer, DockerError, Engine, Stream

__all__ = ["ContainerScreen", "attach", "container_screen"]

_LAST_WORDS = 1.0
"""Seconds for which more may come once a container has ended."""


class ContainerScreen:
    """A `Screen` (`datmo.runner.executors.base`) of a container."""

    def __init__(self, engine: Engine, container: DockerContainer, stream: Stream, *, interactive: bool) -> None:
        self._engine = engine
        self._container = container
        self._stream = stream
        self.interactive = interactive
        self._ended = False
        self._reading: anyio.CancelScope | None = None

    async def read(self) -> tuple[int, bytes] | None:
        """Return a stream and some bytes; None at the end, or where the engine went away: the task may go on."""
        message = None
        try:
            with anyio.move_on_after(_LAST_WORDS if self._ended else None) as self._reading, self._engine.speaking():
                message = await self._stream.read_out()
        except EngineUnreachable:
            return None
        return None if message is None else (message.stream, message.data)

    async def end_with_container(self) -> None:
        """See to it that there is an end: of a container that ended before it was attached to, the engine says none."""
        try:
            with self._engine.speaking():
                await self._container.wait()
        except (DockerError, EngineUnreachable):
            pass  # the container or the engine is gone: either way nothing more is shown
        self._ended = True
        if self._reading is not None:
            self._reading.deadline = anyio.current_time() + _LAST_WORDS

    async def write(self, data: bytes) -> None:
        """Type something."""
        with self._engine.speaking():
            await self._stream.write_in(data)

    async def resize(self, rows: int, columns: int) -> None:
        """Say how large the terminal is; of a container that has just ended it does not matter any more."""
        try:
            with self._engine.speaking():
                await self._container.resize(h=rows, w=columns)
        except DockerError:
            return


@asynccontextmanager
async def container_screen(
    engine: Engine, container: DockerContainer, stream: Stream | None = None, *, interactive: bool
) -> AsyncIterator[ContainerScreen]:
    """Show a container's screen: what it has printed so far, and then what it prints.

    Parameters:
        engine: the connection.
        container: the container.
        stream: what was attached to it before it started, where that was done; it is closed.
        interactive: whether it takes what is typed.

    Raises:
        EngineUnreachable: the engine does not answer.
        RunnerError: it refuses.
    """
    with engine.asking():
        stream = stream or await attach(container, interactive=interactive, record=True)
    try:
        screen = ContainerScreen(engine, container, stream, interactive=interactive)
        async with anyio.create_task_group() as workers:
            workers.start_soon(screen.end_with_container, name="end of a container's screen")
            yield screen
            workers.cancel_scope.cancel()
    finally:
        await stream.close()


async def attach(container: DockerContainer, *, interactive: bool, record: bool) -> Stream:
    """Return a stream of what a container prints.

    Parameters:
        container: the container; one that has not started yet has printed nothing.
        interactive: whether what is written to the stream is typed there.
        record: with what it has printed so far, as far as the engine has recorded it: whole lines.
    """
    stream = container.attach(stdout=True, stderr=True, stdin=interactive, logs=record)
    await stream.__aenter__()
    return stream
