"""The output of a container, read from the engine's record of it.

The engine sends what it has recorded from the start, one record after the other, each with the stream that it
came from. A reading goes on where another ended by leaving out as many records as that one took: counting
never loses or doubles any, timestamps did.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import anyio

from datmo.core.frames import STDERR, STDOUT, frame
from datmo.errors import RunnerError
from datmo.runner.executors.base import Chunk

if TYPE_CHECKING:
    from aiohttp import StreamReader

    from datmo.runner.executors.docker_client import Engine

__all__ = ["Records", "read_output"]

GATHER_BYTES = 64 * 1024
GATHER_SECONDS = 0.05

_HEADER = struct.Struct(">BxxxL")
_ENGINE_ERROR = 3
_REPLACED = "\ufffd".encode()


class Records:
    """Cuts the engine's bytes into records, and frames those that come after the first `cursor`."""

    def __init__(self, cursor: int) -> None:
        self._skip = cursor
        self._rest = b""
        self.cursor: int = cursor

    def feed(self, data: bytes) -> bytes:
        """Return the frames of the records that are whole now."""
        data = self._rest + data
        frames: list[bytes] = []
        offset = 0
        while offset + _HEADER.size <= len(data):
            stream, length = _HEADER.unpack_from(data, offset)
            start = offset + _HEADER.size
            if start + length > len(data):
                break
            offset = start + length
            if stream not in {STDOUT, STDERR}:
                self._refuse(stream, data[start:offset])
            elif self._skip:
                self._skip -= 1
            else:
                frames.append(frame(stream, data[start:offset]))
        self._rest = data[offset:]
        self.cursor += len(frames)
        return b"".join(frames)

    @property
    def torn(self) -> bool:
        """Whether the end of a record is still missing."""
        return bool(self._rest)

    def _refuse(self, stream: int, data: bytes) -> None:
        if stream == _ENGINE_ERROR:
            raise RunnerError(f"the engine cannot read its record: {data.decode('utf-8', 'replace').strip()}")
        raise RunnerError(f"the engine's answer is no record of output: stream {stream}")


async def read_output(engine: Engine, container: str, cursor: int, *, follow: bool) -> AsyncGenerator[Chunk, None]:
    """Yield the output of a container from record `cursor` on, until its end or that of the connection.

    Raises:
        EngineUnreachable: the connection broke; what was not yielded yet can be read again.
    """
    params = {"stdout": True, "stderr": True, "follow": follow}
    async with engine.request(f"containers/{container}/logs", params=params) as body:
        records = Records(cursor)
        while data := await _gather(body):
            frames = records.feed(data)
            if frames:
                # A program may have written the sign itself: then nothing is lost but the certainty.
                yield Chunk(frames, records.cursor, _REPLACED not in frames)
        if records.torn:
            raise ConnectionError("the record broke off")


async def _gather(body: StreamReader) -> bytes:
    """Return what arrives until there is a good deal of it or a moment has passed; nothing at the end."""
    pieces = [await body.readany()]
    size = len(pieces[0])
    if size:
        with anyio.move_on_after(GATHER_SECONDS):
            while size < GATHER_BYTES and (more := await body.readany()):
                pieces.append(more)
                size += len(more)
    return b"".join(pieces)
