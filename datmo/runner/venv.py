"""Cached virtual environments, in which the process executor runs.

Each lies in `.datmo/environments/<key>/` and is built once, by whichever process comes first:

    lock          held by the builder, and by the installer that it started: should the builder be killed,
                  nobody else touches the folder before the installer has ended too
    definition/   the files that the installer reads
    venv/         the environment
    complete      written last; an environment without it, or moved since, is built anew
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import anyio
import anyio.to_thread
from blake3 import blake3

from datmo.capture.environment import EnvironmentCapture
from datmo.errors import EnvironmentInvalid
from datmo.runner.install import Installer, Report, choose_installer

__all__ = ["VirtualEnvironment", "ensure_venv", "find_python", "remove_venv", "venv_key"]


class VirtualEnvironment(NamedTuple):
    """A Python to run a task with.

    Parameters:
        python: its interpreter.
        bin: the folder to put in front of PATH.
        built: whether it was built just now; else it was there.
        seconds: how long that took, waiting for another builder included.
    """

    python: Path
    bin: Path
    built: bool
    seconds: float


class _Place(NamedTuple):
    """The folder of one environment."""

    folder: Path

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def venv(self) -> Path:
        return self.folder / "venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def definition(self) -> Path:
        return self.folder / "definition"

    @property
    def complete(self) -> Path:
        return self.folder / "complete"


class _Wanted(NamedTuple):
    place: _Place
    installer: Installer
    base: str


def venv_key(environment_id: str, python: str) -> str:
    """Return the name of the folder that the environment lies in, made with the interpreter at a path."""
    # Short: the path stands in the first line of every script in it, which Linux cuts at 255 bytes.
    return blake3(f"{environment_id} {os.path.realpath(python)}".encode()).hexdigest()[:24]


async def ensure_venv(
    environments: Path,
    environment: EnvironmentCapture,
    definition: Mapping[str, bytes],
    *,
    python: str | None = None,
    report: Report = lambda line: None,
) -> VirtualEnvironment:
    """Return the virtual environment for a captured environment, built if it is not there yet.

    Of several callers, in any number of processes, one builds and the others wait. A cancelled builder
    ends its installer.

    Parameters:
        environments: the folder of all of them, `.datmo/environments`.
        environment: what was captured.
        definition: the bytes of its files, by name.
        python: the interpreter to make it with, a path or a name on PATH; None for the running one, or
            another version where the definition asks for it.
        report: gets each line that the installer prints; called on the event loop, so it must not block.

    Raises:
        EnvironmentInvalid: the definition cannot be installed here.
        BuildFailed: the installer failed; nothing is left behind.
    """
    if environment.kind == "interpreter":
        running = Path(sys.executable)
        return VirtualEnvironment(running, running.parent, built=False, seconds=0.0)
    began = time.monotonic()
    wanted, ready = await anyio.to_thread.run_sync(_look, environments, environment, definition, python)
    place, built = wanted.place, False
    if not ready:
        async with _sole_builder(place, report) as lock:
            if not await anyio.to_thread.run_sync(_is_ready, place):
                await _build(wanted, lock, report)
                built = True
    return VirtualEnvironment(place.python, place.python.parent, built, time.monotonic() - began)


async def remove_venv(environments: Path, environment: EnvironmentCapture, definition: Mapping[str, bytes]) -> None:
    """Remove the virtual environment of a captured environment; who builds it meanwhile is waited for."""
    wanted, _ = await anyio.to_thread.run_sync(_look, environments, environment, definition, None)
    if not await anyio.to_thread.run_sync(wanted.place.folder.exists):
        return
    async with _sole_builder(wanted.place, lambda _: None):
        await anyio.to_thread.run_sync(_remove, wanted.place)


def find_python(wanted: str | None) -> str:
    """Return the path of an interpreter: the running one, one on PATH by its name, or that of a version.

    Raises:
        EnvironmentInvalid: there is none.
    """
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if wanted is None or wanted == running:
        return sys.executable
    program = f"python{wanted}" if wanted[0].isdigit() else wanted
    found = shutil.which(program)
    if found is None:
        raise EnvironmentInvalid(
            f"the environment needs {program}, which is not found (this is Python {running})",
            hint="install it, or give a Dockerfile",
        )
    return found


def _look(
    environments: Path, environment: EnvironmentCapture, definition: Mapping[str, bytes], python: str | None
) -> tuple[_Wanted, bool]:
    """Return where an environment lies and how it is made, and whether it is there."""
    installer = choose_installer(environment.kind, environment.definition, definition)
    base = find_python(python or installer.plan.python)
    place = _Place(Path(os.path.realpath(environments), venv_key(environment.environment_id, base)))
    return _Wanted(place, installer, base), _is_ready(place)


async def _build(wanted: _Wanted, lock: int, report: Report) -> None:
    place, installer, base = wanted
    await anyio.to_thread.run_sync(_prepare, place, installer.plan.files)
    try:
        await installer.install(place.venv, place.definition, base, lock=lock, report=report)
        await anyio.to_thread.run_sync(_mark_complete, place)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_clear, place)
        raise


def _is_ready(place: _Place) -> bool:
    """Whether a whole environment is there, made where it lies now, of a Python that still exists."""
    try:
        made = json.loads(place.complete.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return made == {"prefix": str(place.venv)} and place.python.exists()


def _prepare(place: _Place, files: Mapping[str, bytes]) -> None:
    _clear(place)
    for name, content in files.items():
        path = place.definition / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _clear(place: _Place) -> None:
    for mark in (place.complete, place.complete.with_suffix(".new")):
        mark.unlink(missing_ok=True)
    for folder in (place.venv, place.definition):
        if folder.exists():
            shutil.rmtree(folder)


def _remove(place: _Place) -> None:
    """Remove an environment with its folder, unless somebody comes meanwhile and makes the lock anew in it."""
    _clear(place)
    place.lock.unlink()
    with suppress(OSError):
        place.folder.rmdir()


def _mark_complete(place: _Place) -> None:
    # All of it first, or after a power cut the mark could stand beside empty files.
    os.sync()
    beside = place.complete.with_suffix(".new")
    with beside.open("w") as file:
        json.dump({"prefix": str(place.venv)}, file)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(place.complete)


@asynccontextmanager
async def _sole_builder(place: _Place, report: Report) -> AsyncIterator[int]:
    """Hold the lock of a place; gives the descriptor that holds it."""
    lock = await anyio.to_thread.run_sync(_try_lock, place)
    pause = 0.02
    if lock is None:
        report("another process is building this environment: waiting for it")
    while lock is None:
        await anyio.sleep(pause)
        pause = min(pause * 1.5, 0.5)
        lock = await anyio.to_thread.run_sync(_try_lock, place)
    try:
        yield lock
    finally:
        # Let go of explicitly: a child forked meanwhile would keep the lock as long as it lives.
        fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def _try_lock(place: _Place) -> int | None:
    """Return a descriptor that holds the lock, or None while another process does."""
    while True:
        place.folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            place.folder.mkdir()  # with `exist_ok` it fails where the folder is there, and has gone at a second look
        try:
            descriptor = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            continue  # a clean-up has just removed the folder
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        # A clean-up may have removed the file meanwhile: the lock of a removed file keeps nobody out.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(place.lock)):
                return descriptor
        os.close(descriptor)
