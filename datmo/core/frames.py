"""The one form in which output is kept: in a keeper's file, and in the payloads of `task.output` events.

A frame is one byte that names the stream (1 standard output, 2 standard error), four bytes of length (big endian) and
that many bytes. Frames follow one another in the order of arrival.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["STDERR", "STDOUT", "LineJoiner", "frame", "join_text", "split_frames", "whole_frames"]

STDOUT = 1
STDERR = 2

_HEADER = struct.Struct(">BI")


def frame(stream: int, data: bytes) -> bytes:
    """Return one frame.

    Parameters:
        stream: `STDOUT` or `STDERR`.
        data: what arrived; at most 4 GiB.
    """
    return _HEADER.pack(stream, len(data)) + data


def split_frames(frames: bytes | memoryview) -> Iterator[tuple[int, bytes]]:
    """Yield `(stream, data)` for each whole frame; a torn last one is left out."""
    offset = 0
    view = memoryview(frames)
    while offset + _HEADER.size <= len(view):
        stream, length = _HEADER.unpack_from(view, offset)
        offset += _HEADER.size
        if offset + length > len(view):
            return
        yield stream, bytes(view[offset : offset + length])
        offset += length


def whole_frames(frames: bytes | memoryview) -> int:
    """Return how many bytes at the start are whole frames: where a reader of a growing file may stop."""
    offset = 0
    while offset + _HEADER.size <= len(frames):
        length: int = _HEADER.unpack_from(frames, offset)[1]
        if offset + _HEADER.size + length > len(frames):
            break
        offset += _HEADER.size + length
    return offset


class LineJoiner:
    """Joins both streams in the order of arrival, no line of one broken by a line of the other.

    A line that is still unfinished is held back until its own stream ends it, so that what the other stream says
    meanwhile does not fall into its middle. Beyond a mebibyte it is let go as it is.
    """

    _LONGEST = 1 << 20

    def __init__(self) -> None:
        self._unfinished = {STDOUT: bytearray(), STDERR: bytearray()}
        self._at_line_start = True

    def feed(self, frames: bytes | memoryview) -> bytes:
        """Return the lines that some more frames finish."""
        joined: list[bytes] = []
        for stream, data in split_frames(frames):
            pending = self._unfinished[stream]
            pending += data
            end = pending.rfind(b"\n") + 1 or (len(pending) if len(pending) > self._LONGEST else 0)
            if end:
                joined.append(bytes(pending[:end]))
                del pending[:end]
        return self._note(b"".join(joined))

    def close(self) -> bytes:
        """Return what is left: last lines without an end."""
        rest = [bytes(pending) for pending in self._unfinished.values() if pending]
        lead = b"" if self._at_line_start or not rest else b"\n"
        return lead + b"\n".join(rest)

    def _note(self, joined: bytes) -> bytes:
        if joined:
            self._at_line_start = joined.endswith(b"\n")
        return joined


def join_text(frames: bytes | memoryview) -> str:
    """Return frames as one text, as `LineJoiner` joins them; bytes that are not UTF-8 become U+FFFD."""
    joiner = LineJoiner()
    return (joiner.feed(frames) + joiner.close()).decode("utf-8", "replace")
