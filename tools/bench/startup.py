"""Start-up of the command line, against an empty asyncclick command; many snapshots, listed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median

import anyio

from bench import history
from bench.frame import Case, Unavailable
from datmo.core import snapshot
from datmo.core.ids import new_id

EMPTY = """
import asyncclick as click
@click.command()
async def main():
    pass
main()
"""
SNAPSHOTS, TIMES = 10_000, 5
WHERE = "stats.accuracy>0.9 and config.rate==0.1".replace(" ", "\t")
"""With blanks at which a command line is not split here."""


def cases(scale: float) -> list[Case]:
    """Return the cases."""
    empty = {"an empty asyncclick command": lambda _: clock([sys.executable, "-c", EMPTY])}
    limit = "an empty asyncclick command"
    count = int(SNAPSHOTS * scale)
    return [
        *[
            Case(f"`datmo {name}`", "ms", {"ours": partial(datmo, name), **empty}, limit, "≤ 1.2")
            for name in ("--help", "version")
        ],
        *[
            Case(
                f"`datmo {command}` of {count:,}",
                "ms",
                {"ours": partial(listed, command=command, count=count), **empty},
                limit,
                "≤ 2",
            )
            for command in ("snapshot ls", f"snapshot ls --where {WHERE}")
        ],
    ]


def datmo(arguments: str, folder: Path) -> float:
    """Return the milliseconds of one command."""
    return clock([sys.executable, "-m", "datmo", *arguments.split(" ")], cwd=folder)


def listed(folder: Path, command: str, count: int) -> float:
    """Return the milliseconds of listing a project's snapshots."""
    anyio.run(_fill, folder, count)
    return datmo(command, folder)


def clock(command: list[str], cwd: Path | None = None) -> float:
    """Return the median milliseconds of a command."""
    root = Path(__file__).resolve().parent.parent.parent
    environment = os.environ | {"PYTHONPATH": str(root)}
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, check=False)
        taken.append((time.perf_counter() - started) * 1000)
        if done.returncode:
            raise Unavailable(f"`{' '.join(command[1:])}` fails: {done.stderr.decode().strip()[-200:]}")
    return median(taken)


async def _fill(folder: Path, count: int) -> None:
    async with history.opened(folder) as log:
        session = await anext(log.read(types=["session.created"]))
        for start in range(0, count, 1000):
            await log.append(
                *[
                    snapshot.create(
                        new_id(),
                        snapshot.SnapshotCreated(
                            session_id=session.entity_id,
                            task_id=None,
                            message=f"model {number}",
                            label=None,
                            code_id="c" * 40,
                            environment_id="e" * 64,
                            file_collection_id="f" * 64,
                            config={"rate": 0.1, "layers": 3},
                            config_path=None,
                            stats={"accuracy": number / count},
                            stats_path=None,
                        ),
                    )[0]
                    for number in range(start, min(count, start + 1000))
                ]
            )
