"""One trivial task: in a container, against a bare aiodocker script and `docker run`; as a process, against itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import anyio

import datmo.aio
from bench.frame import Case, Unavailable
from bench.startup import EMPTY

IMAGE = "python:3.11-slim"
BARE = f"""
import asyncio, aiodocker
async def main():
    docker = aiodocker.Docker()
    container = await docker.containers.create({{"Image": "{IMAGE}", "Cmd": ["true"]}})
    await container.start()
    await container.wait()
    await container.delete()
    await docker.close()
asyncio.run(main())
"""


def cases(_: float) -> list[Case]:
    """Return the cases."""
    return [
        Case(
            "`datmo task run true`, built environment, in a container",
            "ms",
            {"ours": command, "a bare aiodocker script": bare},
            "a bare aiodocker script",
            "≤ 1.25",
        ),
        Case(
            "task by the SDK in an open project, in a container",
            "ms",
            {"ours": sdk, "docker run": docker_run},
            "docker run",
            "at most 100 ms more",
        ),
        Case(
            "`datmo task run true`, as a process",
            "ms",
            {
                "ours": process_command,
                "an empty asyncclick command": lambda _: _clock([sys.executable, "-c", EMPTY], None),
            },
            "an empty asyncclick command",
            "≤ 2.5",
        ),
        Case(
            "task by the SDK in an open project, as a process",
            "ms",
            {"ours": process_sdk, "the bare command": true},
            "the bare command",
            "at most 100 ms more",
        ),
    ]


def command(folder: Path) -> float:
    """Return the milliseconds of the command line's second run."""
    anyio.run(_built, folder)
    return _clock([sys.executable, "-m", "datmo", "task", "run", "true"], folder)


def sdk(folder: Path) -> float:
    """Return the milliseconds of the third run in one open project."""
    return anyio.run(_built, folder)


def empty(_: Path) -> float:
    """Return the milliseconds of a command line that does nothing."""
    return _clock([sys.executable, "-c", EMPTY], None)


def true(_: Path) -> float:
    """Return the milliseconds of the command itself."""
    return _clock(["true"], None)


def process_command(folder: Path) -> float:
    """Return the milliseconds of the command line's second run."""
    anyio.run(_run_thrice, folder)
    return _clock([sys.executable, "-m", "datmo", "task", "run", "true"], folder)


def process_sdk(folder: Path) -> float:
    """Return the milliseconds of the third run in one open project."""
    return anyio.run(_run_thrice, folder)


def bare(_: Path) -> float:
    """Return the milliseconds of a script that imports, creates, starts, waits, deletes."""
    return _clock([sys.executable, "-c", BARE], None)


def docker_run(_: Path) -> float:
    """Return the milliseconds of `docker run`."""
    return _clock(["docker", "run", "--rm", IMAGE, "true"], None)


async def _built(folder: Path) -> float:
    if shutil.which("docker") is None:
        raise Unavailable("no docker program here")
    if not (folder / "Dockerfile").exists():
        (folder / "Dockerfile").write_text(f"FROM {IMAGE}\n", encoding="utf-8")
    return await _run_thrice(folder)


async def _run_thrice(folder: Path) -> float:
    async with datmo.aio.init(folder, name="bench") as project:
        await project.tasks.run("true")
        await project.tasks.run("true")
        started = time.perf_counter()
        task = await project.tasks.run("true")
        taken = (time.perf_counter() - started) * 1000
    if task.status != "SUCCESS":
        raise Unavailable(f"the task ended {task.status}: {task.reason}")
    return taken


def _clock(arguments: list[str], cwd: Path | None) -> float:
    root = Path(__file__).resolve().parent.parent.parent
    # Compiled once, as a user has it: without its cache Python compiles our modules at each start, and not the others.
    environment = {**os.environ, "PYTHONPATH": str(root)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.perf_counter()
    done = subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, check=False)
    taken = (time.perf_counter() - started) * 1000
    if done.returncode:
        raise Unavailable(f"`{' '.join(arguments[:4])}` fails: {done.stderr.decode().strip()[-200:]}")
    return taken
