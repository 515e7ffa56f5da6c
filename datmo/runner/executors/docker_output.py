"""The output of a container, read from the engine's record of it.

The engine sends what it has recorded from the start, one record after the other, each with the stream that it
came from. A reading goes on where another ended by leaving out as many records as that one took: counting
never loses or doubles any, asking for those since a time did. The time of a record only serves to tell whether the
last one is known already.
"""

from __future__ import annotations

import re
import struct
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING

import anyio

from datmo.core.frames import STDERR, STDOUT, frame
from datmo.errors import RunnerError
from datmo.runner.executors.base import Chunk

if TYPE_CHECKING:
    from aiohttp import StreamReader

    from datmo.runner.executors.docker_client import Engine

__all__ = ["Records", "read_output", "read_terminal"]

GATHER_BYTES = 64 * 1024
GATHER_SECONDS = 0.05

_HEADER = struct.Struct(">BxxxL")
_ENGINE_ERROR = 3
_REPLACED = "\ufffd".encode()
_STAMP = len("2026-01-02T03:04:05.123456789Z")
_ZULU = ord("Z")
_OTHER_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:\d\d) ")


class Records:
    """Cuts the engine's bytes into records, and frames those that come after the first `cursor`.

    Parameters:
        cursor: how many records are left out.
        stamped: whether each begins with the time at which it was recorded, which is no part of the output.

    Attributes:
        cursor: how many records were taken or left out.
        mark: the last record as it was sent, with its time: no other one of the container is the same.
    """

    def __init__(self, cursor: int, *, stamped: bool = False) -> None:
        self._skip = cursor
        self._stamped = stamped
        self._rest = b""
        self.cursor: int = cursor
        self.mark: bytes = b""

    def feed(self, data: bytes) -> bytes:
        """Return the frames of the records that are whole now; what one stream said in a row is one frame."""
        data = self._rest + data
        frames: list[bytes] = []
        row: list[bytes] = []
        of_row = before = offset = 0
        while offset + _HEADER.size <= len(data):
            stream, length = _HEADER.unpack_from(data, offset)
            start, end = offset + _HEADER.size, offset + _HEADER.size + length
            if end > len(data):
                break
            before, offset = offset, end
            if stream not in {STDOUT, STDERR}:
                self._refuse(stream, data[start:end])
            elif self._skip:
                self._skip -= 1
            else:
                if stream != of_row and row:
                    frames.append(frame(of_row, b"".join(row)))
                    row = []
                of_row = stream
                row.append(data[_after_stamp(data, start, end) : end] if self._stamped else data[start:end])
                self.cursor += 1
        if row:
            frames.append(frame(of_row, b"".join(row)))
        if offset:
            self.mark = data[before:offset]
        self._rest = data[offset:]
        return b"".join(frames)

    @property
    def torn(self) -> bool:
        """Whether the end of a record is still missing."""
        return bool(self._rest)

    def _refuse(self, stream: int, data: bytes) -> None:
        if stream == _ENGINE_ERROR:
            raise RunnerError(f"the engine cannot read its record: {data.decode('utf-8', 'replace').strip()}")
        raise RunnerError(f"the engine's answer is no record of output: stream {stream}")


def _after_stamp(data: bytes, start: int, end: int) -> int:
    """Return where a record's own bytes begin, behind the time that the engine puts in front."""
    usual = start + _STAMP
    # The first blank ends it: another form is shorter, and what follows there may be anything.
    if data.find(b" ", start, end) == usual and data[start + 10 : start + 11] == b"T" and data[usual - 1] == _ZULU:
        return usual + 1
    found = _OTHER_STAMP.match(data, start, end)
    if found is None:
        raise RunnerError(f"the engine's answer is no record with its time: {data[start : start + _STAMP]!r}")
    return found.end()


async def read_output(
    engine: Engine, container: str, cursor: int, *, follow: bool, mark: bytes = b""
) -> AsyncGenerator[Chunk, None]:
    """Yield the output of a container from record `cursor` on, until its end or that of the connection.

    Parameters:
        engine: where it is.
        container: its id.
        cursor: how many records are left out.
        follow: go on until the container has ended. Then the last records may still be missing.
        mark: that of the last record which is known. Where a container that has ended has no later one, there is
            nothing to read, and the engine need not send again all that it has.

    Raises:
        EngineUnreachable: the connection broke; what was not yielded yet can be read again.
    """
    params = {"stdout": True, "stderr": True, "timestamps": True}
    if mark and not follow and await _last(engine, container, params) == mark:
        return
    async with engine.request(f"containers/{container}/logs", params=params | {"follow": follow}) as body:
        records = Records(cursor, stamped=True)
        while data := await _gather(body):
            frames = records.feed(data)
            if frames:
                # A program may have written the sign itself: then nothing is lost but the certainty.
                yield Chunk(frames, records.cursor, _REPLACED not in frames, records.mark)
        if records.torn:
            raise ConnectionError("the record broke off")


async def read_terminal(engine: Engine, container: str, cursor: int, *, follow: bool) -> AsyncGenerator[Chunk, None]:
    """Yield what a container with a terminal has put on it, from byte `cursor` on: there is but one stream, unframed.

    Raises:
        EngineUnreachable: the connection broke; what was not yielded yet can be read again.
    """
    params = {"stdout": True, "stderr": True, "follow": follow}
    async with engine.request(f"containers/{container}/logs", params=params) as body:
        known = cursor
        while data := await _gather(body):
            fresh = data[known:]
            known = max(known - len(data), 0)
            if fresh:
                cursor += len(fresh)
                yield Chunk(frame(STDOUT, fresh), cursor, _REPLACED not in fresh)


async def _last(engine: Engine, container: str, params: Mapping[str, bool]) -> bytes:
    """Return the mark of a container's last record."""
    async with engine.request(f"containers/{container}/logs", params={**params, "tail": 1}) as body:
        last = Records(0, stamped=True)
        while data := await _gather(body):
            last.feed(data)
    return last.mark


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
