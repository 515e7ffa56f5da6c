"""Metrics: logging one point a call against a bare write of the same line, and reading a long series back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from array import array
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

import datmo.aio
from bench.frame import Case, Unavailable
from datmo.runner.outbox import Outbox

if TYPE_CHECKING:
    from datmo.core.outbox import Artifact

ROOT = Path(__file__).resolve().parent.parent.parent
PROCESSES = 8
TASK = "t" * 16

COMMON = """
import os, sys, time
path, count, with_orjson = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "orjson"
if not with_orjson:
    sys.modules["orjson"] = None
"""
OURS = """
from datmo.inside import CurrentTask
log = CurrentTask("t" * 16, path, ".").log
log(step=0, loss=0.0)
print("ready", flush=True); sys.stdin.readline()
started = time.perf_counter()
for step in range(1, count):
    log(step=step, loss=step / 8)
print(time.perf_counter() - started)
"""
BARE = """
if with_orjson:
    from orjson import dumps
else:
    import json
    def dumps(content):
        return json.dumps(content).encode()
fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.write(fd, b"{}\\n")
print("ready", flush=True); sys.stdin.readline()
started = time.perf_counter()
for step in range(1, count):
    os.write(fd, dumps({"step": step, "loss": step / 8, "time": time.time()}) + b"\\n")
print(time.perf_counter() - started)
"""


def cases(scale: float) -> list[Case]:
    """Return the cases."""
    count, many = int(300_000 * scale), int(40_000 * scale)
    points = int(1_000_000 * scale)
    ways = {"orjson": "≥ 0.60", "json": "≥ 0.50"}
    return [
        *(
            Case(
                f"log(), a point a call, with {way}",
                "points/s",
                {
                    "ours": partial(logged, source=OURS, count=count, way=way),
                    f"{way}.dumps and os.write": partial(logged, source=BARE, count=count, way=way),
                },
                f"{way}.dumps and os.write",
                goal,
            )
            for way, goal in ways.items()
        ),
        Case(
            f"log() of {PROCESSES} processes at once, none lost",
            "points/s",
            {
                "ours": partial(logged, source=OURS, count=many, way="orjson", processes=PROCESSES),
                "orjson.dumps and os.write": partial(
                    logged, source=BARE, count=many, way="orjson", processes=PROCESSES
                ),
            },
            "orjson.dumps and os.write",
        ),
        Case(
            f"a series of {points:,} points, read back as arrays in a project just opened",
            "ms",
            {"ours": partial(read, count=points), "arrays from a file": partial(arrays, count=points)},
            "arrays from a file",
            "at most 100 ms",
        ),
    ]


def logged(folder: Path, *, source: str, count: int, way: str, processes: int = 1) -> float:
    """Return points a second of processes that write to one file, and check that all are there."""
    path = folder / f"outbox-{len(list(folder.iterdir()))}"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", COMMON + source, path, str(count), way],
            env={"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    seconds = []
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        said, _ = process.communicate()
        seconds.append(float(said))
    lines = path.read_bytes().splitlines()
    if len(lines) != processes * count or not all(type(json.loads(line)) is dict for line in lines[:: len(lines) // 9]):
        raise Unavailable(f"{processes * count - len(lines)} lines of {processes * count} are missing")
    return processes * (count - 1) / max(seconds)


def read(folder: Path, *, count: int) -> float:
    """Return the milliseconds that reading all points of a metric takes."""
    return anyio.run(_read, folder, count)


async def _read(folder: Path, count: int) -> float:
    path = folder / "outbox"
    path.write_bytes(b"".join(_line(step) for step in range(count)))
    async with datmo.aio.init(folder, name="bench") as project:
        task = await project.tasks.run("true")
        workspace = project._workspace
        await Outbox(workspace.log, workspace.store, task.id, path, _refuse).finish()
    async with datmo.aio.open(folder) as project:  # as whoever wants to see it later
        started = time.perf_counter()
        series = await project.tasks.metrics(task.id, "loss")
        taken = (time.perf_counter() - started) * 1000
    if len(series.values) != count or series.values[-1] != (count - 1) / 8:
        raise Unavailable(f"{len(series.values)} points came back")
    return taken


def _line(step: int) -> bytes:
    return f'{{"log":{{"loss":{step / 8}}},"step":{step},"time":{1.7e9 + step / 3}}}\n'.encode()


def _refuse(path: str, _: str | None) -> list[Artifact]:
    raise NotImplementedError(path)


def arrays(folder: Path, *, count: int) -> float:
    """Return the milliseconds of the least that can be done: three arrays from a file."""
    path = folder / "arrays"
    path.write_bytes(bytes(24 * count))
    started = time.perf_counter()
    with path.open("rb") as file:
        for code in "qdd":
            array(code).fromfile(file, count)
    return (time.perf_counter() - started) * 1000
