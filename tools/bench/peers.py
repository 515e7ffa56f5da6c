"""Measure what people would pick instead, on this machine, beside Datmo: size, start-up, logging.

    python tools/bench/peers.py                 # all of them; each into a virtual environment of its own
    python tools/bench/peers.py datmo mlflow    # some
    python tools/bench/peers.py --rounds 3

The environments stay in the user's cache for the next time. Each figure is a median of interleaved rounds. Points are
logged one a call, in a loop, as a training script would; the rate includes what it takes until all are stored.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

from _venv import make_venv, pip_install  # noqa: E402

NOT_OURS = {"pip", "setuptools", "wheel", "_distutils_hack", "distutils-precedence.pth", "pkg_resources"}


class Peer(NamedTuple):
    """A tool: what is installed, what a script imports, its command, and a script that logs `POINTS` points."""

    packages: tuple[str, ...]
    imported: str
    command: str
    points: int
    script: str


PEERS = {
    "datmo": Peer(
        (str(ROOT),),
        "datmo",  # which loads the rest when it is first used
        "datmo",
        50_000,
        """
import datmo
with datmo.init(name="bench"):
    pass
with datmo.track("bench") as task:
    started = clock()
    for step in range(POINTS):
        task.log(step=step, loss=step / 8)
taken = clock() - started
""",
    ),
    "mlflow": Peer(
        ("mlflow",),
        "mlflow",
        "mlflow",
        1_000,
        """
import mlflow
mlflow.set_tracking_uri("sqlite:///bench.db")
with mlflow.start_run():
    mlflow.log_metric("loss", 0.0, step=0)
    started = clock()
    for step in range(1, POINTS):
        mlflow.log_metric("loss", step / 8, step=step)
taken = clock() - started
""",
    ),
    "dvclive": Peer(
        ("dvc", "dvclive"),
        "dvclive",
        "dvc",
        20_000,
        """
from dvclive import Live
with Live(save_dvc_exp=False, report=None) as live:
    started = clock()
    for step in range(POINTS):
        live.log_metric("loss", step / 8)
        live.step = step + 1
taken = clock() - started
""",
    ),
    "wandb": Peer(
        ("wandb",),
        "wandb",
        "wandb",
        10_000,
        """
import wandb
run = wandb.init(mode="offline", project="bench")
started = clock()
for step in range(POINTS):
    run.log({"loss": step / 8}, step=step)
run.finish()
taken = clock() - started
""",
    ),
}


class Measured(NamedTuple):
    """One tool's figures."""

    megabytes: float
    packages: int
    imported: float
    helped: float
    points: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {' '.join(PEERS)}")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if unknown := set(options.names) - set(PEERS):
        parser.error(f"no tool is named {' '.join(sorted(unknown))}; there are: {' '.join(PEERS)}")
    names = options.names or list(PEERS)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "datmo-check" / "peers"
    pythons = {name: installed(cache / name, PEERS[name]) for name in names}
    figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
    for number in range(options.rounds):
        for name in names:
            print(f"round {number + 1} of {options.rounds}: {name}", file=sys.stderr, flush=True)
            figures[name].append(once(pythons[name], PEERS[name]))
    print("| | installed, MB / packages | import, ms | `--help`, ms | points/s, one a call |")
    print("|---|---:|---:|---:|---:|")
    for name in names:
        imported, helped, points = (median(column) for column in zip(*figures[name], strict=True))
        size, count = weight(pythons[name])
        print(f"| {name} | {size:.0f} / {count} | {imported:,.0f} | {helped:,.0f} | {points:,.0f} |")
    return 0


def installed(folder: Path, peer: Peer) -> Path:
    """Return the Python of an environment in which a tool is installed; ours is installed anew."""
    python = folder / "bin" / "python"
    ours = str(ROOT) in peer.packages
    if ours:
        shutil.rmtree(folder, ignore_errors=True)
    if not python.exists():
        make_venv(folder)
        pip_install(folder, *peer.packages)
    return python


def once(python: Path, peer: Peer) -> tuple[float, float, float]:
    """Return the milliseconds of an import above a bare interpreter, those of `--help`, and points a second."""
    bare = clock([str(python), "-c", "pass"])
    imported = clock([str(python), "-c", f"import {peer.imported}"]) - bare
    helped = clock([str(python.parent / peer.command), "--help"])
    folder = tempfile.mkdtemp(prefix="datmo-peers-")
    try:
        code = f"from time import perf_counter as clock\nPOINTS = {peer.points}\n{peer.script}\nprint('took', taken)\n"
        done = subprocess.run([str(python), "-c", code], cwd=folder, capture_output=True, text=True, check=True)
        taken = next(float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("took "))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return imported, helped, peer.points / taken


def clock(command: list[str]) -> float:
    """Return the milliseconds that a command takes."""
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return (time.perf_counter() - started) * 1000


def weight(python: Path) -> tuple[float, int]:
    """Return the megabytes of what is installed beside pip itself, and how many packages it is."""
    (site,) = (python.parent.parent / "lib").glob("python3.*/site-packages")
    own = [path for path in site.iterdir() if path.name.partition("-")[0] not in NOT_OURS]
    files = [file for path in own for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    return size / 1e6, sum(path.name.endswith(".dist-info") for path in own)


if __name__ == "__main__":
    sys.exit(main())
