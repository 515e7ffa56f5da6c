"""Capture: a snapshot of many small files that have not changed, against `git status` of the same tree."""

from __future__ import annotations

import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

import anyio

import datmo.aio
from bench.frame import Case

if TYPE_CHECKING:
    from pathlib import Path

FILES = 5_000


def cases(scale: float) -> list[Case]:
    """Return the cases."""
    count = int(FILES * scale)
    return [
        Case(
            f"a first snapshot of {count:,} tracked files",
            "ms",
            {"ours": partial(first, count=count), "git add + commit": partial(git, count=count)},
            "git add + commit",
        ),
        Case(
            f"a second snapshot of {count:,} unchanged files",
            "ms",
            {"ours": partial(second, count=count), "git status": status},
            "git status",
        ),
    ]


def first(folder: Path, count: int) -> float:
    """Return the milliseconds of a snapshot of a new repository."""
    return anyio.run(_snapshots, _tree(folder / "ours", count), 1)


def second(folder: Path, count: int) -> float:
    """Return the milliseconds of a snapshot when nothing has changed since the one before."""
    return anyio.run(_snapshots, _tree(folder / "ours", count), 2)


def git(folder: Path, count: int) -> float:
    """Return the milliseconds of adding and committing the same tree."""
    root = _tree(folder / "git", count)
    started = time.perf_counter()
    _git(root, "add", "-A")
    _git(root, "commit", "-q", "-m", "all")
    return (time.perf_counter() - started) * 1000


def status(folder: Path) -> float:
    """Return the milliseconds of `git status`."""
    started = time.perf_counter()
    _git(folder / "ours", "status", "--porcelain")
    return (time.perf_counter() - started) * 1000


async def _snapshots(root: Path, times: int) -> float:
    taken = 0.0
    async with datmo.aio.init(root, name="bench") as project:
        for number in range(times):
            started = time.perf_counter()
            await project.snapshots.create(f"number {number}")
            taken = (time.perf_counter() - started) * 1000
    return taken


def _tree(root: Path, count: int) -> Path:
    for number in range(count):
        file = root / f"package{number // 100}" / f"module{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"VALUE = {number}\n" * 100, encoding="utf-8")
    _git(root, "init", "-q")
    return root


def _git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)
