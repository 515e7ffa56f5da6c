"""The live screen of a container: what it prints, as it prints it, and on a terminal what is typed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from datmo.runner.executors.docker_client import DockerContainer, DockerError, Engine, Stream

__all__ = ["ContainerScreen", "container_screen"]


class ContainerScreen:
    """A `Screen` (`datmo.runner.executors.base`) of a container."""

    def __init__(self, engine: Engine, container: DockerContainer, stream: Stream, *, interactive: bool) -> None:
        self._engine = engine
        self._container = container
        self._stream = stream
        self.interactive = interactive

    async def read(self) -> tuple[int, bytes] | None:
        """Return a stream and some bytes; None at the end."""
        with self._engine.speaking():
            message = await self._stream.read_out()
        return None if message is None else (message.stream, message.data)

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
    engine: Engine, container: DockerContainer, *, interactive: bool
) -> AsyncIterator[ContainerScreen]:
    """Show a container's screen: what it has printed so far, and then what it prints.

    Raises:
        EngineUnreachable: the engine does not answer.
        RunnerError: it refuses.
    """
    with engine.asking():
        stream = container.attach(stdout=True, stderr=True, stdin=interactive, logs=True)
        await stream.__aenter__()
    try:
        yield ContainerScreen(engine, container, stream, interactive=interactive)
    finally:
        await stream.close()
