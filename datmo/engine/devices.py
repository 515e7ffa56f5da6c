"""The GPUs of this machine, each given to one task of the project at a time, as long as it runs as a process.

A device is taken by the lock of its file in `.datmo/devices`, which is free again whenever its holder dies; and a
task whose supervisor was killed still has those that its handle names.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from datmo.engine.workspace import Workspace
from datmo.errors import InvalidArgument
from datmo.projections import tasks

if TYPE_CHECKING:
    from datmo.runner.witness import FileLock

__all__ = ["Devices", "check_gpus", "gpus_here"]

_PAUSE = 0.1


def gpus_here() -> list[str]:
    """Return the GPUs that we may use, as `CUDA_VISIBLE_DEVICES` names them. Blocks for a moment."""
    from datmo.capture.machine import hardware

    here = [str(number) for number in range(len(hardware()["gpus"]))]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return here if visible is None or not here else [name.strip() for name in visible.split(",") if name.strip()]


def check_gpus(wanted: str | None, here: list[str]) -> None:
    """Refuse GPUs that are not here.

    Raises:
        InvalidArgument: there are none, or too few, or not these.
    """
    if not here:
        raise InvalidArgument(
            f"there is no GPU here, and gpus {wanted!r} asks for it", hint="run without, or use --gpu: it tries"
        )
    listed = f"{len(here)} ({', '.join(here)})"
    if wanted is not None and wanted.isdecimal() and int(wanted) > len(here):
        raise InvalidArgument(f"there are not {wanted} GPUs here, but {listed}", hint="ask for fewer")
    if missing := [name for name in _named(wanted) if name not in here]:
        raise InvalidArgument(f"there is no GPU {missing[0]!r} here: there are {listed}", hint="give others")


def _named(wanted: str | None) -> list[str]:
    kind, _, names = (wanted or "").partition("=")
    return names.split(",") if kind == "device" else []


class Devices:
    """Gives GPUs to tasks.

    Parameters:
        workspace: the project.
        shared: they are shared, or shared out by somebody else: then this does nothing.
    """

    def __init__(self, workspace: Workspace, *, shared: bool) -> None:
        self._workspace = workspace
        self._shared = shared

    @asynccontextmanager
    async def taken(self, wanted: str | None) -> AsyncIterator[str | None]:
        """Take the GPUs that are asked for, as an async context manager, waiting until enough are free.

        Returns:
            What the executor is to be asked for: `device=...` with those that were taken.
        """
        if wanted is None or self._shared:
            yield wanted
            return
        from datmo.runner.witness import FileLock

        here = await anyio.to_thread.run_sync(gpus_here)
        pool = _named(wanted) or here
        count = int(wanted) if wanted.isdecimal() else len(pool)
        folder = self._workspace.folder / "devices"
        locks = {name: FileLock(folder / name.replace("/", "_")) for name in pool}
        await anyio.to_thread.run_sync(lambda: folder.mkdir(exist_ok=True))
        try:
            while len(names := await self._take(locks, count)) < count:  # noqa: ASYNC110
                await anyio.sleep(_PAUSE)  # of another process's locks nobody tells us
            yield f"device={','.join(names)}"
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_release, locks.values())

    async def _take(self, locks: dict[str, FileLock], count: int) -> list[str]:
        """Take so many devices, or none: whoever waited with some in hand would keep others waiting for ever."""
        taken = await anyio.to_thread.run_sync(_acquire, locks)
        # After the locks: the task of a supervisor that died since then is unfinished in the view.
        busy = {
            name
            for row in await self._workspace.query(tasks.unfinished)
            for name in (row["handle"] or {}).get("devices", ())
        }
        free = [name for name in taken if name not in busy]
        kept = free[:count] if len(free) >= count else []
        await anyio.to_thread.run_sync(_release, [lock for name, lock in locks.items() if name not in kept])
        return kept


def _acquire(locks: dict[str, FileLock]) -> list[str]:
    return [name for name, lock in locks.items() if lock.try_acquire()]


def _release(locks: Iterable[FileLock]) -> None:
    for lock in locks:
        lock.release()
