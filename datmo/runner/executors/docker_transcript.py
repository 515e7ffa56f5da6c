"""What the engine's classic builder says, understood."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import StreamReader

__all__ = ["Transcript"]

_TAIL = 40


class Transcript:
    """What the engine says while it builds or pulls.

    Parameters:
        line: told each line.
    """

    _STEP = re.compile(r"Step \d+/\d+ : (?P<word>\w+)\s+(?P<rest>.*)")
    _FROM = re.compile(r"(?:--platform=\S+\s+)?(?P<image>\S+)(?:\s+AS\s+(?P<stage>\S+))?", re.IGNORECASE)
    _ARROW = re.compile(r" ---> (?:(?P<running>Running in )?(?P<id>[0-9a-f]{12,64}))?\s*$")

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._last: deque[str] = deque(maxlen=_TAIL)
        self._unfinished = ""
        self._from: re.Match[str] | None = None
        self._stages: dict[str, str | None] = {}
        self._step_begins = False
        self.step: str = ""
        self.image: str | None = None
        self.base: str | None = None
        self.container: str | None = None
        self.failure: str | None = None

    @property
    def tail(self) -> str:
        """The last lines."""
        return "\n".join(self._last)

    async def follow(self, body: StreamReader) -> None:
        """Take all messages until the end."""
        async with aclosing(_messages(body)) as messages:
            async for message in messages:
                self.take(message)
        if self._unfinished:
            self._say(self._unfinished)

    def take(self, message: Mapping[str, Any]) -> None:
        """Take one message."""
        if "stream" in message:
            # Marks of its own that the engine puts around standard error.
            text = message["stream"].replace("\x1b[91m", "").replace("\x1b[0m", "")
            *whole, self._unfinished = (self._unfinished + text).split("\n")
            for each in whole:
                self._say(each)
                self._understand(each)
        elif "error" in message:
            self.failure = " ".join(message["error"].split())
        elif "ID" in message.get("aux", {}):
            self.image = message["aux"]["ID"]
        elif "status" in message and not message.get("progressDetail"):
            self._say(": ".join(filter(None, (message.get("id"), message["status"]))))

    def _say(self, text: str) -> None:
        if text.strip():
            self._last.append(text)
            self._line(text)

    def _understand(self, text: str) -> None:
        """Note the base image, and the container of a step: what its first line names."""
        if step := self._STEP.match(text):
            self.step = f"{step['word']} {step['rest']}".strip()
            self._step_begins = True
            self._from = self._FROM.match(step["rest"]) if step["word"].upper() == "FROM" else None
        elif self._step_begins and (arrow := self._ARROW.match(text)):
            self._step_begins = False
            if arrow["running"]:
                self.container = arrow["id"]
            elif self._from is not None:
                # A stage may stand on an earlier one, and then on what that stands on.
                self.base = self._stages.get(self._from["image"].lower(), arrow["id"])
                if self._from["stage"]:
                    self._stages[self._from["stage"].lower()] = self.base


async def _messages(body: StreamReader) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the JSON objects of a body, one a line."""
    rest = b""
    while data := await body.readany():
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.strip():
                yield json.loads(line)
    if rest.strip():
        yield json.loads(rest)
