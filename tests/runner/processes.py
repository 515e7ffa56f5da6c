"""Real processes for the tests of the process executor and its keeper."""

from __future__ import annotations

import json
import os
import signal
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from datmo.core.frames import STDERR, STDOUT, split_frames
from datmo.core.ids import new_id
from datmo.runner.executors.base import RunSpec
from datmo.runner.executors.process import ProcessExecutor
from datmo.runner.witness import alive, witness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datmo.runner.executors.base import Ended, Executor, Handle


class Tasks:
    """Makes tasks with folders of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.executor: Executor = ProcessExecutor(root)

    def spec(self, *argv: str, **more: Any) -> RunSpec:
        task_id = new_id()
        folder = self.root / task_id
        (folder / "code").mkdir(parents=True)
        return RunSpec(task_id=task_id, argv=argv, folder=folder, code=folder / "code", files=folder / "files", **more)

    async def run(self, *argv: str, **more: Any) -> tuple[Ended, bytes, bytes]:
        """Run a task to its end, and return how it ended and what it printed."""
        handle = await self.executor.start(self.spec(*argv, **more))
        ended = await self.executor.wait(handle)
        return ended, *await self.said(handle)

    async def said(self, handle: Handle, *, follow: bool = False) -> tuple[bytes, bytes]:
        return streams(await self.frames(handle, 0, follow=follow))

    async def frames(self, handle: Handle, cursor: int, *, follow: bool) -> bytes:
        frames = b""
        async for chunk in self.executor.output(handle, cursor, follow=follow):
            frames += chunk.frames
            assert chunk.cursor == cursor + len(frames)
        return frames

    async def until_it_says(self, handle: Handle, text: bytes) -> int:
        """Follow the output until a text has come, and return the cursor after it."""
        said = b""
        async with aclosing(self.executor.output(handle, 0, follow=True)) as chunks:
            async for chunk in chunks:
                said += streams(chunk.frames)[0]
                if text in said:
                    return chunk.cursor
        raise AssertionError(f"it ended and said {said!r}")


@contextmanager
def tasks_below(root: Path) -> Iterator[Tasks]:
    """Make tasks in a folder, and end what still runs of them afterwards."""
    yield Tasks(root)
    for note in root.glob("*/keeper"):
        for pid in members(json.loads(note.read_bytes())["pid"]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def streams(frames: bytes) -> tuple[bytes, bytes]:
    pieces = list(split_frames(frames))
    return (
        b"".join(data for stream, data in pieces if stream == STDOUT),
        b"".join(data for stream, data in pieces if stream == STDERR),
    )


async def session(leader: int) -> list[int]:
    """Return what lives of a session."""
    return await anyio.to_thread.run_sync(members, leader)


def members(leader: int) -> list[int]:
    found = []
    for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
        try:
            if os.getsid(pid) == leader and alive(witness(pid)):
                found.append(pid)
        except ProcessLookupError:
            continue
    return found


def children() -> set[str]:
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            found.update((task / "children").read_text().split())
    return found
