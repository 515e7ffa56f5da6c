"""What a task uses of the machine, sampled every few seconds: the series `system.*`.

`system.cpu` is in percent of one processor, `system.memory` in bytes, of all its processes together; of each GPU that
it may use there are `system.gpu0.utilization` in percent and `system.gpu0.memory` in bytes. Steps are whole seconds
since the task was started. Processes are looked at in `/proc`, those of a container too, where its engine runs on this
machine and in sight; else there are none of these series.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import time
from array import array
from contextlib import suppress
from functools import cache
from pathlib import Path

import anyio
import anyio.to_thread

from datmo.core.outbox import measured
from datmo.core.points import Columns
from datmo.errors import DatmoError
from datmo.eventlog.log import EventLog
from datmo.runner.executors.base import Executor, Handle

__all__ = ["Usage", "gpu_values", "process_values"]

FIRST = 1.0
EVERY = 5.0
"""Seconds from the start to the first sample, and between two."""

_PATIENCE = 5.0
_MEBI = 1 << 20


class Usage:
    """Samples one task, and records what it sees.

    Parameters:
        log: where events go.
        executor: knows the task's process.
        task_id: the task.
        gpus: which GPUs it may use, as `RunSpec.gpus` says; None for all that are there.

    Attributes:
        started: when the task was started, seconds since 1970.
    """

    def __init__(self, log: EventLog, executor: Executor, task_id: str, gpus: str | None) -> None:
        self._log = log
        self._executor = executor
        self._task_id = task_id
        self._gpus = gpus
        self.started: float = time.time()
        self._due = time.monotonic() + FIRST
        self._process: int | None = None
        self._before: tuple[float, float] | None = None

    async def sample(self, handle: Handle) -> None:
        """Take a sample where it is time for one; a look at the clock where it is not."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY
        try:
            if self._process is None:
                self._process = await self._executor.process(handle)
        except DatmoError:  # the engine is away; the next time it may be there
            return
        if self._process is None:
            self._due = math.inf  # it cannot be seen from here
            return
        values = await anyio.to_thread.run_sync(self._values, self._process)
        if values:
            now = time.time()
            step = max(0, int(now - self.started))
            series = {
                name: Columns(array("q", [step]), array("d", [now]), array("d", [value]))
                for name, value in values.items()
            }
            with anyio.CancelScope(shield=True):
                await self._log.append(measured(self._task_id, series), durable=False)

    def _values(self, process: int) -> dict[str, float]:
        found = process_values(process)
        if found is None:
            return {}
        seconds, memory = found
        now = time.monotonic()
        values = {"system.memory": float(memory)}
        if self._before is not None:
            then, before = self._before
            # Of a process that ended and that nobody waited for, the time is gone.
            values["system.cpu"] = max(0.0, 100 * (seconds - before) / (now - then))
        self._before = (now, seconds)
        return values | gpu_values(self._gpus)


def process_values(process: int) -> tuple[float, int] | None:
    """Return the seconds of processors' time that a process and its descendants took, and their memory in bytes.

    None where the process has ended.
    """
    ticks = pages = 0
    seen = False
    for each in _tree(process):
        try:
            fields = Path(f"/proc/{each}/stat").read_bytes().rpartition(b") ")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        seen = True
        ticks += sum(map(int, fields[11:15]))  # its own in user and system mode, and that of children it waited for
        pages += int(fields[21])
    return (ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE")) if seen else None


def _tree(process: int) -> list[int]:
    """Return a process and its descendants, as far as there are any."""
    found = [process]
    for each in found:  # it grows meanwhile
        with suppress(OSError):
            for thread in os.listdir(f"/proc/{each}/task"):
                children = Path(f"/proc/{each}/task/{thread}/children").read_bytes().split()
                found += map(int, children)
    return found


@cache
def _nvidia_smi() -> str | None:
    return shutil.which("nvidia-smi")


def gpu_values(gpus: str | None, program: str | None = None) -> dict[str, float]:
    """Return how busy the GPUs are, and what of their memory is taken, by all programs together; nothing without any.

    Parameters:
        gpus: `device=0,1` for these alone.
        program: the `nvidia-smi` that is asked; the one on the path by default.
    """
    smi = program or _nvidia_smi()
    if smi is None:
        return {}
    query = [smi, "--query-gpu=index,uuid,utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=_PATIENCE, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    kind, _, names = (gpus or "").partition("=")
    values: dict[str, float] = {}
    for line in said.splitlines():
        index, uuid, *numbers = [part.strip() for part in line.split(",")]
        if kind == "device" and not {index, uuid} & set(names.split(",")):
            continue
        for name, number, scale in zip(("utilization", "memory"), numbers, (1, _MEBI), strict=False):
            with suppress(ValueError):  # `[N/A]`, where the device does not say
                values[f"system.gpu{index}.{name}"] = float(number) * scale
    return values
