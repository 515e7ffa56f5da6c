"""Snapshots of large trees and large files, in an open project, against what git and plain copying take."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
from blake3 import blake3

import datmo.aio
from bench.frame import Case

GIGABYTE = 1_000_000_000
CHUNK = 4 << 20
MEMORY = """
import sys
import datmo
with datmo.init(sys.argv[1]) as project:
    project.snapshots.create("large", filepaths=sys.argv[2:])
for line in open("/proc/self/status"):  # what `getrusage` says has the peak of who started us in it
    if line.startswith("VmHWM"):
        print(int(line.split()[1]) / 1000)
"""


def cases(scale: float) -> list[Case]:
    """Return the cases."""
    files, many, large = int(20_000 * scale), int(10_000 * scale), int(GIGABYTE * scale)
    add, status = "git add -A + write-tree", "git status"
    return [
        Case(f"code of {files:,} files", "ms", {"ours": partial(first, count=files), add: git_add}, add, "≤ 1.5"),
        Case("... one changed", "ms", {"ours": partial(changed, count=files), status: git_status}, status, "≤ 1.5"),
        Case(
            f"a new file of {large / 1e9:g} GB",
            "MB/s",
            {"ours": partial(new_file, size=large), "hash and copy": hash_and_copy},
            "hash and copy",
            "≥ 0.8",
        ),
        _goal("... again", "ms", partial(again, size=large), 50),
        _goal(f"{many:,} files of 4 kB", "ms", partial(small, count=many, times=1), 1500),
        _goal("... again", "ms", partial(small, count=many, times=2), 300),
        _goal(f"memory for {5 * large / 1e9:g} GB", "MB", partial(memory, size=5 * large), 150),
    ]


def _goal(name: str, unit: str, ours: Callable[[Path], float], most: float) -> Case:
    return Case(name, unit, {"ours": ours, "at most": lambda _: most}, "at most", "≤ 1")


def first(folder: Path, count: int) -> float:
    """Return the milliseconds of the first snapshot of a work tree whose files git has not seen."""
    return anyio.run(_snapshots, _tree(folder, count), 0)


def git_add(folder: Path) -> float:
    """Return the milliseconds that git takes for the same tree, on an index of its own."""
    environment = os.environ | {"GIT_INDEX_FILE": str(folder / "index")}
    for each in (folder / "tree" / ".git" / "objects").glob("pack/*"):  # what ours has written
        each.unlink()
    started = time.perf_counter()
    for words in (["add", "-A"], ["write-tree"]):
        subprocess.run(["git", *words], cwd=folder / "tree", env=environment, check=True, capture_output=True)
    return (time.perf_counter() - started) * 1000


def changed(folder: Path, count: int) -> float:
    """Return the milliseconds of a snapshot with one file changed since the last."""
    root = _tree(folder, count)
    _git(root, "add", "-A")
    _git(root, "commit", "-q", "-m", "all")
    return anyio.run(_snapshots, root, 2)


def git_status(folder: Path) -> float:
    """Return the milliseconds of `git status`."""
    _git(folder / "tree", "status", "--porcelain")
    started = time.perf_counter()
    _git(folder / "tree", "status", "--porcelain")
    return (time.perf_counter() - started) * 1000


def new_file(folder: Path, size: int) -> float:
    """Return the rate of a snapshot with a large file."""
    file = _random(folder / "large.bin", size)
    return size / 1e3 / anyio.run(_keep, folder / "project", [file], 1)


def again(folder: Path, size: int) -> float:
    """Return the milliseconds of a snapshot with a large file that has not changed."""
    return anyio.run(_keep, folder / "project", [_random(folder / "large.bin", size)], 2)


def hash_and_copy(folder: Path) -> float:
    """Return the rate of the faster of two plain ways to copy, hash and sync a file."""
    source = folder / "large.bin"
    rates = []
    for way in (_by_chunks, _by_kernel):
        started = time.perf_counter()
        way(source, folder / "copy.bin")
        rates.append(source.stat().st_size / 1e6 / (time.perf_counter() - started))
        (folder / "copy.bin").unlink()
    return max(rates)


def _by_chunks(source: Path, target: Path) -> None:
    hasher = blake3(max_threads=blake3.AUTO)
    with source.open("rb", buffering=0) as reading, target.open("wb", buffering=0) as writing:
        while chunk := reading.read(CHUNK):
            hasher.update(chunk)
            writing.write(chunk)
        os.fsync(writing.fileno())
    hasher.digest()


def _by_kernel(source: Path, target: Path) -> None:
    with source.open("rb") as reading, target.open("wb") as writing:
        while os.copy_file_range(reading.fileno(), writing.fileno(), 1 << 30):
            pass
        os.fsync(writing.fileno())
    blake3(max_threads=blake3.AUTO).update_mmap(target).digest()


def small(folder: Path, count: int, times: int) -> float:
    """Return the milliseconds of the last of some snapshots of a folder of small files."""
    inner = folder / "files"
    inner.mkdir()
    pick = random.Random(1)
    for number in range(count):
        (inner / f"{number}.bin").write_bytes(pick.randbytes(4000))
    return anyio.run(_keep, folder / "project", [inner], times)


def memory(folder: Path, size: int) -> float:
    """Return the most memory in MB that a process takes which snapshots a large file."""
    file = _random(folder / "large.bin", size)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(_made(folder / "project")), str(file)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


async def _snapshots(root: Path, warm: int) -> float:
    """Return the milliseconds of one snapshot, after some others, each with another change."""
    async with datmo.aio.init(root, name="bench") as project:
        await project.status()
        for number in range(warm):
            (root / "package0" / "module0.py").write_text(f"VALUE = {-number}\n", encoding="utf-8")
            await project.snapshots.create(f"before {number}")
        if warm:
            (root / "package0" / "module1.py").write_text("VALUE = 'changed'\n", encoding="utf-8")
        started = time.perf_counter()
        await project.snapshots.create("measured")
        return (time.perf_counter() - started) * 1000


async def _keep(home: Path, paths: list[Path], times: int) -> float:
    taken = 0.0
    async with datmo.aio.init(_made(home), name="bench") as project:
        await project.snapshots.create("before")
        for number in range(times):
            started = time.perf_counter()
            await project.snapshots.create(f"number {number}", filepaths=paths)
            taken = (time.perf_counter() - started) * 1000
    return taken


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def _tree(folder: Path, count: int) -> Path:
    root = folder / "tree"
    for number in range(count):
        file = root / f"package{number // 100}" / f"module{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"VALUE = {number}\n" * 100, encoding="utf-8")
    _git(root, "init", "-q")
    return root


def _random(path: Path, size: int) -> Path:
    pick = random.Random(size)
    with path.open("wb") as file:
        for start in range(0, size, CHUNK):
            file.write(pick.randbytes(min(CHUNK, size - start)))
        os.fsync(file.fileno())
    return path


def _git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)
