"""Run everything that a change must pass: style, types, layering, and the tests with a real Docker engine.

    python3 tools/check.py                  # on the Python at hand
    python3 tools/check.py --all            # on every Python from 3.11 to 3.13 that is found
    python3 tools/check.py -k snapshot -x   # what it does not know goes on to pytest

It needs nothing but Python and git: the tools come into a virtual environment in the user's cache. Where no
Docker engine answers, a Debian machine on which one is root gets one for as long as the check runs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import _base_image
from _dockerd import apt_install, install, own_engine, why_not_here
from _engine import EngineError, default_host, ping
from _venv import make_venv, pip_install

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ["tox>=4.23,<5", "tox-uv>=1.20"]
SHELLS = ("bash", "zsh", "fish")
PYTHONS = ("3.11", "3.12", "3.13")
AT_HAND = f"{sys.version_info.major}.{sys.version_info.minor}"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="test on every supported Python that is found")
    options, for_pytest = parser.parse_known_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "datmo-check"
    pythons = versions(every=options.all)
    if not pythons:
        print(f"check: this is Python {AT_HAND}, Datmo is for {' '.join(PYTHONS)}", file=sys.stderr)
        return 1
    try:
        install_shells()
        with engine(cache, pythons) as host:
            return run_tox(tools(cache), host, pythons, for_pytest)
    except EngineError as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def install_shells() -> None:
    """Install the shells in which completion is tried, where they can be installed."""
    missing = [name for name in SHELLS if shutil.which(name) is None]
    if missing and (why := why_not_here()):
        raise EngineError(f"missing: {', '.join(missing)}, in which completion is tried; not installed here: {why}")
    if missing:
        apt_install(*missing)


@contextmanager
def engine(cache: Path, pythons: list[str]) -> Iterator[str]:
    """The address of an engine with the base image: the one that answers, else one brought up for now."""
    host = default_host()
    problem = ping(host)
    if problem and not os.environ.get("DOCKER_HOST") and not why_not_here():
        install("dockerd", "iptables")
        problem = ping(host)  # a service manager may have started it
        if problem:
            with own_engine(cache / "engine") as own:
                print(f"started a Docker engine at {own}", flush=True)
                _base_image.provide(own, cache, pythons, may_pull=False)
                yield own
            return
    if problem:
        why = why_not_here() or "DOCKER_HOST names another"
        raise EngineError(f"missing: a Docker engine at {host} ({problem}); none is brought up here: {why}")
    print(f"a Docker engine answers at {host}", flush=True)
    _base_image.provide(host, cache, pythons, may_pull=True)
    yield host


def tools(cache: Path) -> Path:
    """The folder of the programs of a virtual environment that has tox."""
    folder = cache / f"tools-{AT_HAND}"
    done = folder / "installed"
    if not done.exists() or done.read_text(encoding="utf-8") != "\n".join(TOOLS):
        print("installing tox", flush=True)
        make_venv(folder)
        pip_install(folder, *TOOLS)
        done.write_text("\n".join(TOOLS), encoding="utf-8")
    return folder / "bin"


def versions(*, every: bool) -> list[str]:
    """The Pythons to test on: the one at hand, or every one that is found."""
    return [version for version in PYTHONS if version == AT_HAND or (every and shutil.which(f"python{version}"))]


def run_tox(programs: Path, host: str, pythons: list[str], for_pytest: list[str]) -> int:
    """Run tox and return its exit code; whatever ends this ends tox, too."""
    names = ["lint", "types", "layering", *(f"py{version.replace('.', '')}" for version in pythons)]
    command = [str(programs / "tox"), "run", "-e", ",".join(names), "--", *for_pytest]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"DOCKER_HOST": host})
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _leave(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
