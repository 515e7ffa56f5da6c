"""A door to the real engine that can be shut: what a reader sees of a connection that breaks."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class EngineProxy:
    """Hands connections on to an engine's socket.

    With `allowance`, a connection is cut after so many bytes of answers, the second after twice as many, and
    so on; `shut()` cuts all and lets none in until `open()`.
    """

    def __init__(self, engine: str, socket: Path) -> None:
        self.engine = engine.removeprefix("unix://")
        self.socket = socket
        self.url = f"unix://{socket}"
        self.allowance: int | None = None
        self.cuts = 0
        self.answered = 0  # bytes
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, str(self.socket))

    async def shut(self) -> None:
        assert self._server is not None
        self._server.close()
        self.socket.unlink(missing_ok=True)
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_unix_connection(self.engine)
        both = {writer, engine_writer}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, engine_writer, both, None))
                group.create_task(self._pump(engine_reader, writer, both, self.allowance, answers=True))
        finally:
            self._writers -= both

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        both: set[asyncio.StreamWriter],
        allowance: int | None,
        *,
        answers: bool = False,
    ) -> None:
        left = None if allowance is None else allowance * (self.cuts + 1)
        try:
            while data := await reader.read(65536 if left is None else min(left, 65536)):
                writer.write(data)
                await writer.drain()
                self.answered += len(data) if answers else 0
                if left is not None and (left := left - len(data)) <= 0:
                    self.cuts += 1
                    break
        except ConnectionError:
            pass
        finally:
            for each in both:
                each.close()


@asynccontextmanager
async def engine_proxy(engine: str, socket: Path) -> AsyncIterator[EngineProxy]:
    proxy = EngineProxy(engine, socket)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.shut()
