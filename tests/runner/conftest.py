"""Real containers for the tests of the Docker executor."""

from __future__ import annotations

import os
import uuid
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from datmo.core.frames import STDERR, STDOUT, split_frames
from datmo.runner.executors.base import RunSpec
from datmo.runner.executors.docker import DockerExecutor
from datmo.runner.executors.docker_config import TASK_LABEL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from datmo.runner.executors.base import Chunk, Ended, Handle


class Tasks:
    """Makes tasks with folders of their own, and forgets none."""

    def __init__(self, executor: DockerExecutor, folder: Path, image: str) -> None:
        self.executor = executor
        self.folder = folder
        self.image = image
        self.ids: list[str] = []

    def spec(self, *argv: str, owner: int | None = None, **more: Any) -> RunSpec:
        task_id = uuid.uuid4().hex[:16]
        self.ids.append(task_id)
        folder = self.folder / task_id
        for each in (folder, folder / "code", folder / "files", folder / "home"):
            each.mkdir()
            if owner is not None:
                os.chown(each, owner, owner)
        more = {"image": self.image, **more}
        return RunSpec(task_id=task_id, argv=argv, folder=folder, code=folder / "code", files=folder / "files", **more)

    async def start(self, *argv: str, **more: Any) -> Handle:
        return await self.executor.start(self.spec(*argv, **more))

    async def python(self, source: str, **more: Any) -> Handle:
        return await self.start("python", "-c", source, **more)

    async def run(self, *argv: str, **more: Any) -> tuple[Ended, bytes, bytes]:
        """Run a task to its end, and return how it ended and what it printed."""
        handle = await self.start(*argv, **more)
        ended = await self.executor.wait(handle)
        chunks = await read(self.executor, handle)
        await self.executor.remove(handle)
        return ended, text(chunks, STDOUT), text(chunks, STDERR)


async def read(
    executor: DockerExecutor, handle: Handle, cursor: int = 0, *, follow: bool = False, mark: bytes = b""
) -> list[Chunk]:
    async with aclosing(executor.output(handle, cursor, follow=follow, mark=mark)) as chunks:
        return [chunk async for chunk in chunks]


async def read_to_the_end(executor: DockerExecutor, handle: Handle) -> list[Chunk]:
    """Follow a task, and read what is missing then, as its supervisor does: a busy engine ends following early."""
    chunks = await read(executor, handle, follow=True)
    await executor.wait(handle)
    cursor, mark = (chunks[-1].cursor, chunks[-1].mark) if chunks else (0, b"")
    return chunks + await read(executor, handle, cursor, mark=mark)


def text(chunks: list[Chunk], stream: int = STDOUT) -> bytes:
    """Return what one stream got."""
    frames = (each for chunk in chunks for each in split_frames(chunk.frames))
    return b"".join(data for number, data in frames if number == stream)


@pytest.fixture
async def executor(engine: str) -> AsyncIterator[DockerExecutor]:
    async with DockerExecutor(engine) as executor:
        yield executor


@pytest.fixture
async def tasks(executor: DockerExecutor, base_image: str, tmp_path: Path) -> AsyncIterator[Tasks]:
    tasks = Tasks(executor, tmp_path, base_image)
    try:
        yield tasks
    finally:
        for task_id in tasks.ids:
            for container in await executor.containers(f"{TASK_LABEL}={task_id}"):
                await executor.remove(container.handle)
