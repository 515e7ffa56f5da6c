"""Taking what a task puts into its outbox, exactly once, whoever supervises it.

The form of the file is described in `datmo.inside`. The cursor lies in the events that take something and in the view
that they fold into, so whoever comes next goes on from there; two who take the same part at once cannot both record it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import anyio.to_thread

from datmo.core.outbox import Artifact, Cursor, Taken, replace, take
from datmo.errors import DatmoError
from datmo.eventlog.log import EventLog
from datmo.objects.store import ObjectStore
from datmo.projections import metrics
from datmo.projections.metrics import METRICS
from datmo.runner.outbox_lines import Lines, Said

__all__ = ["KeepFile", "Outbox"]

KeepFile = Callable[[str, str | None], Iterable[Artifact]]
"""Stores what the task names, under another name where there is one. In a thread; raises DatmoError where it cannot."""

_READ_SIZE = 1 << 20
_SHORTEST_PAUSE = 0.1
_LONGEST_PAUSE = 1.0
"""Seconds between two looks. Each that finds something is an event: they may become many, but not ever more often."""

_INT64 = (1 << 63) - 1
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class _Part(NamedTuple):
    """A part of the file, understood."""

    start: Cursor
    end: Cursor
    said: Said


class Outbox:
    """Takes what comes into one outbox.

    Parameters:
        log: where events go.
        store: where files go.
        task_id: the task.
        path: the file; it may not be there yet.
        keep: stores the files that the task names.

    Attributes:
        results: what was reported so far.
    """

    def __init__(self, log: EventLog, store: ObjectStore, task_id: str, path: Path, keep: KeepFile) -> None:
        self._log = log
        self._store = store
        self._task_id = task_id
        self._path = path
        self._keep = keep
        self._cursor = Cursor()
        self._recorded = Cursor()
        """How far the log says that it was taken: behind the other by empty lines."""
        self._lines = Lines()
        self._bad = 0
        self._why: str | None = None
        self._kept = False
        self._wake = anyio.Event()
        self.results: dict[str, Any] = {}

    async def resume(self) -> None:
        """Go on from where the supervisor before has come."""
        row = await self._log.query(lambda connection: METRICS.load(connection, self._task_id))
        if row is None:
            return
        self._cursor = self._recorded = Cursor(row["inode"], row["cursor"])
        self._bad, self._why, self._kept = row["bad"], row["why"], True
        self._lines = Lines({name: series["last_step"] for name, series in row["series"].items()})

    def wake(self) -> None:
        """Have `follow` look now; to be called on the event loop."""
        self._wake.set()

    async def follow(self, beside: Callable[[], Awaitable[None]] | None = None) -> None:
        """Take what comes, until cancelled.

        Parameters:
            beside: awaited after each look.
        """
        pause = _SHORTEST_PAUSE
        while True:
            with anyio.move_on_after(pause):
                await self._wake.wait()
            self._wake = anyio.Event()
            await self._take(final=False)
            if beside is not None:
                await beside()
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def finish(self) -> None:
        """Take the rest, of a task that has ended; the last line needs no end."""
        await self._take(final=True)

    async def artifacts(self) -> list[Artifact]:
        """Return the files that were stored so far."""
        if not self._kept:
            return []
        return await self._log.query(lambda connection: metrics.artifacts(connection, self._task_id))

    def notices(self) -> list[str]:
        """Return what the user should know of it."""
        if not self._bad:
            return [] if self._why is None else [self._why]
        lines = "a line" if self._bad == 1 else f"{self._bad} lines"
        return [f"{lines} of its outbox could not be used: {self._why}"]

    async def _take(self, *, final: bool) -> None:
        """Take as many parts as there are, each whole or not at all, so that the cursors cannot part."""
        while (part := await anyio.to_thread.run_sync(partial(self._read, final=final))) is not None:
            with anyio.CancelScope(shield=True):
                if part.said.artifacts:
                    # From before they are stored until they are named, no garbage is collected.
                    hold = await anyio.to_thread.run_sync(self._store.hold)
                    try:
                        await anyio.to_thread.run_sync(hold.share)
                        await self._record(part, await anyio.to_thread.run_sync(self._kept_of, part.said))
                    finally:
                        hold.release()
                else:
                    await self._record(part, ())

    async def _record(self, part: _Part, artifacts: Sequence[Artifact]) -> None:
        said, anew = part.said, part.start != self._cursor and self._cursor.inode != 0
        start = part.start if anew else self._recorded
        taken = Taken(start, part.end, said.series, said.config, said.results, artifacts, said.bad, said.why)
        events = [replace(self._task_id, self._recorded, start)] if anew else []
        events += take(self._task_id, taken)
        if events:
            await self._log.append(*events, durable=False)
            self._recorded = part.end
        self._cursor = part.end
        self._lines.taken(said.series)
        self._kept = self._kept or bool(artifacts)
        self._bad += said.bad
        self._why = self._why or said.why
        self.results.update(said.results)

    def _read(self, *, final: bool) -> _Part | None:
        """Return what comes next; None where there is nothing, or no such file."""
        try:
            descriptor = os.open(self._path, _OPEN)
        except OSError:  # not made yet; or something of the task's own is in its place, which nobody reads
            return None
        try:
            state = os.fstat(descriptor)
            start, inode = self._cursor, state.st_ino & _INT64
            if start.inode != inode or state.st_size < start.offset:
                start = Cursor(inode)
            if not stat.S_ISREG(state.st_mode) or state.st_size == start.offset:
                return None
            data = os.pread(descriptor, _READ_SIZE, start.offset)
        finally:
            os.close(descriptor)
        size = data.rfind(b"\n") + 1
        if (final and len(data) < _READ_SIZE) or (not size and len(data) == _READ_SIZE):
            size = len(data)  # the last line needs no end, and one without end is no line
        return _Part(start, Cursor(inode, start.offset + size), self._lines.understand(data[:size])) if size else None

    def _kept_of(self, said: Said) -> list[Artifact]:
        """Store the files that some lines name."""
        kept: dict[str, Artifact] = {}
        for path, name in said.artifacts:
            try:
                kept.update({each.path: each for each in self._keep(path, name)})
            except (DatmoError, OSError) as error:
                said.complain(f"the file {path!r} cannot be kept: {error}")
        return list(kept.values())
