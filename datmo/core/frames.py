"""The one form in which output is kept: in a keeper's file, and in the payloads of `task.output` events.

A frame is one byte that names the stream (1 standard output, 2 standard error), four bytes of length (big endian) and
that many bytes. Frames follow one another in the order of arrival.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["STDERR", "STDOUT", "frame", "join_text", "split_frames", "whole_frames"]

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


def join_text(frames: bytes | memoryview) -> str:
    """Return both streams in the order of arrival as text, no line of one broken by a line of the other.

    A line that is still unfinished is held back until its own stream ends it, so that what the other stream says
    meanwhile does not fall into its middle. Bytes that are not UTF-8 become U+FFFD.
    """
    unfinished = {STDOUT: b"", STDERR: b""}
    joined: list[bytes] = []
    for stream, data in split_frames(frames):
        whole, newline, rest = (unfinished.get(stream, b"") + data).rpartition(b"\n")
        if newline:
            joined.append(whole + newline)
        unfinished[stream] = rest
    for rest in unfinished.values():
        if rest:
            if joined and not joined[-1].endswith(b"\n"):
                joined.append(b"\n")
            joined.append(rest)
    return b"".join(joined).decode("utf-8", "replace")
