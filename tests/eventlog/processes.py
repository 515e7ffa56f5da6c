"""Programs that the tests and benches run as processes of their own, and kill.

python -m tests.eventlog.processes append FOLDER STREAM COUNT     # prints each wait when it is done
python -m tests.eventlog.processes follow FOLDER COUNT            # prints each position
python -m tests.eventlog.processes acknowledge FOLDER STREAM      # prints each acknowledged text, for ever
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import anyio

from datmo.core.event import NewEvent
from tests.eventlog.support import created, note, opened, printed


async def append(folder: Path, stream: str, count: int) -> None:
    """Append events one by one, as fast as they are acknowledged."""
    async with opened(folder) as log:
        print("ready", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.readline)
        waits: list[float] = []
        for number in range(count):
            started = time.perf_counter()
            await log.append(note(f"{stream} {number}", f"note/{stream}"), expected=number)
            waits.append(time.perf_counter() - started)
    print(max(waits), sum(waits), flush=True)


async def follow(folder: Path, count: int) -> None:
    """Follow until so many events were seen, each once and in order."""
    async with opened(folder) as log:
        print("ready", flush=True)
        seen = 0
        async for event in log.follow(after=0):
            seen += 1
            if event.position != seen:
                raise ValueError(f"position {event.position} was seen as number {seen}")
            if seen == count:
                break
    print(seen, flush=True)


async def acknowledge(folder: Path, stream: str) -> None:
    """Append in every manner there is, and say what was acknowledged once it is."""
    task_id = f"{stream:0>16}"
    async with opened(folder) as log:
        await log.append(created(task_id))
        async with anyio.create_task_group() as group:
            group.start_soon(_acknowledge_output, log, task_id)
            for worker in range(3):
                group.start_soon(_acknowledge_notes, log, f"{stream}-{worker}", worker)


async def _acknowledge_notes(log, stream: str, worker: int) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    number = 0
    while True:
        events: list[NewEvent] = [
            note(f"{stream} {number}", f"note/{stream}", os.urandom(99) if worker else None),
            *(note("", f"note/{stream}") for _ in range(number % 5)),
        ]
        await log.append(*events, durable=worker != 2)
        print(f"{stream} {number}", flush=True)
        number += 1


async def _acknowledge_output(log, task_id: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    start = 0
    while True:
        await log.append(printed(start, start + 3, task_id), printed(start + 3, start + 10, task_id), durable=False)
        start += 10


if __name__ == "__main__":
    name, folder, *rest = sys.argv[1:]
    match name:
        case "append":
            anyio.run(append, Path(folder), rest[0], int(rest[1]))
        case "follow":
            anyio.run(follow, Path(folder), int(rest[0]))
        case "acknowledge":
            anyio.run(acknowledge, Path(folder), rest[0])
