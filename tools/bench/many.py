"""Many tasks at once, against a bare loop that does as much: aiodocker for containers, subprocesses for processes."""

from __future__ import annotations

import shutil
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

import datmo.aio
from bench.frame import Case, Unavailable
from bench.task import IMAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

AT_A_TIME, CONTAINERS, PROCESSES, LINES = 8, 64, 200, 2000
CHATTY = f"""
import sys, os
for number in range({LINES}):
    sys.stdout.write(f"out {{number}}\\n")
    sys.stderr.write(f"err {{number}}\\n")
open("/task/left.bin", "wb").write(os.urandom(10_000))
"""


def cases(scale: float) -> list[Case]:
    """Return the cases."""
    containers, processes = (max(AT_A_TIME, int(count * scale)) for count in (CONTAINERS, PROCESSES))
    return [
        Case(
            f"{containers} containers at {AT_A_TIME}, {LINES:,} lines on each stream",
            "tasks/s",
            {"ours": partial(ours_docker, count=containers), "a bare aiodocker loop": partial(bare, count=containers)},
            "a bare aiodocker loop",
            "≥ 0.9",
        ),
        Case(
            f"{processes} trivial processes at {AT_A_TIME}",
            "tasks/s",
            {"ours": partial(ours_process, count=processes), "a bare loop": partial(bare_processes, count=processes)},
            "a bare loop",
        ),
    ]


def ours_docker(folder: Path, count: int) -> float:
    """Return tasks a second, each one's output checked to its last line afterwards."""
    if shutil.which("docker") is None:
        raise Unavailable("no docker program here")
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\n", encoding="utf-8")
    return anyio.run(_ours, folder, ["python3", "-c", CHATTY], count, _check)


def ours_process(folder: Path, count: int) -> float:
    """Return tasks a second."""
    return anyio.run(_ours, folder, ["true"], count, None)


async def _ours(folder: Path, command: list[str], count: int, check: Callable[[Any], Awaitable[None]] | None) -> float:
    async with datmo.aio.init(folder, name="bench") as project:
        await project.tasks.run("true")  # the environment is built, the executor imported
        started = time.perf_counter()
        tasks = await project.tasks.map([command] * count, limit=AT_A_TIME)
        taken = time.perf_counter() - started
        for task in tasks:
            if task.status != "SUCCESS":
                raise Unavailable(f"a task ended {task.status}: {task.reason}")
            if check is not None:
                await check(task)
    return count / taken


async def _check(task: datmo.aio.Task) -> None:
    lines = (await task.logs()).splitlines()
    for stream in ("out", "err"):
        if [line for line in lines if line.startswith(stream)] != [f"{stream} {number}" for number in range(LINES)]:
            raise Unavailable(f"task {task.id} lost, doubled or mixed up lines of {stream}")


def bare(folder: Path, count: int) -> float:
    """Return containers a second of a loop that creates, starts, follows, waits, deletes."""
    return anyio.run(_bare, folder, count)


async def _bare(folder: Path, count: int) -> float:
    import aiodocker

    limit = anyio.CapacityLimiter(AT_A_TIME)
    started = time.perf_counter()
    async with aiodocker.Docker() as docker, anyio.create_task_group() as group:

        async def one(number: int) -> None:
            async with limit:
                left = folder / f"bare-{number}"
                left.mkdir()
                mount = {"Type": "bind", "Source": str(left), "Target": "/task"}
                config: dict[str, Any] = {
                    "Image": IMAGE,
                    "Cmd": ["python3", "-c", CHATTY],
                    "HostConfig": {"Mounts": [mount]},
                }
                container = await docker.containers.create(config)
                await container.start()
                async for _ in container.log(stdout=True, stderr=True, follow=True):
                    pass
                await container.wait()
                await container.delete()

        for number in range(count):
            group.start_soon(one, number)
    return count / (time.perf_counter() - started)


def bare_processes(_: Path, count: int) -> float:
    """Return processes a second of a loop that starts, reads, waits."""
    return anyio.run(_bare_processes, count)


async def _bare_processes(count: int) -> float:
    limit = anyio.CapacityLimiter(AT_A_TIME)

    async def one() -> None:
        async with limit:
            await anyio.run_process(["true"])

    started = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(one)
    return count / (time.perf_counter() - started)
