"""What happens to tasks as JSON, one document a line: what `task run` and `task logs` write for programs."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from datmo.engine.tasks import TaskUpdate

__all__ = ["OutputLines", "Updates"]

_STREAMS = {1: "stdout", 2: "stderr"}


class _Texts:
    """The text of streams of bytes; a character that comes in parts is held back until it is whole."""

    def __init__(self) -> None:
        self._decoders: dict[tuple[str, int], codecs.IncrementalDecoder] = {}

    def take(self, task_id: str, stream: int, data: bytes) -> str:
        """Return the text that some more bytes make; those that are not UTF-8 become U+FFFD."""
        new = codecs.getincrementaldecoder("utf-8")("replace")
        return self._decoders.setdefault((task_id, stream), new).decode(data)

    def rest(self, task_id: str, stream: int) -> str:
        """Return what is left of a stream that has ended."""
        decoder = self._decoders.pop((task_id, stream), None)
        return "" if decoder is None else decoder.decode(b"", final=True)


class Updates:
    """What happened to tasks, as documents, with what they printed as text."""

    def __init__(self) -> None:
        self._texts = _Texts()

    def document(self, each: TaskUpdate) -> dict[str, Any]:
        """Return the document of the next thing that happened."""
        task_id = each.event.entity_id
        parts: list[tuple[int, str]] = []
        for stream, data in each.output:
            text = self._texts.take(task_id, stream, data)
            if parts and parts[-1][0] == stream:
                text = parts.pop()[1] + text
            parts.append((stream, text))
        return {
            "task_id": task_id,
            "position": each.event.position,
            "type": each.event.type,
            "recorded_at": each.event.recorded_at,
            "data": each.event.data,
            "output": [{"stream": _STREAMS.get(stream, str(stream)), "text": text} for stream, text in parts if text],
        }


class OutputLines:
    """What one task printed, as documents: a whole line each.

    Parameters:
        task_id: the task.
    """

    _LONGEST = 1 << 20
    """Characters of a line; a longer one comes in parts."""

    def __init__(self, task_id: str) -> None:
        self._task_id = task_id
        self._texts = _Texts()
        self._unfinished: dict[int, tuple[str, datetime]] = {}

    def take(self, each: TaskUpdate, stream: int, data: bytes) -> Iterator[dict[str, Any]]:
        """Yield the lines that some more output finishes."""
        recorded_at = each.event.recorded_at
        text = self._unfinished.pop(stream, ("", recorded_at))[0] + self._texts.take(self._task_id, stream, data)
        *lines, last = text.split("\n")
        yield from (self._document(stream, line + "\n", recorded_at) for line in lines)
        if len(last) > self._LONGEST:
            yield self._document(stream, last, recorded_at)
            last = ""
        self._unfinished[stream] = (last, recorded_at)

    def close(self) -> Iterator[dict[str, Any]]:
        """Yield what is left: last lines without an end, and characters without theirs."""
        for stream, (text, recorded_at) in self._unfinished.items():
            if rest := text + self._texts.rest(self._task_id, stream):
                yield self._document(stream, rest, recorded_at)

    def _document(self, stream: int, text: str, recorded_at: datetime) -> dict[str, Any]:
        name = _STREAMS.get(stream, str(stream))
        return {"task_id": self._task_id, "stream": name, "recorded_at": recorded_at, "text": text}
