"""The supervisor: owns one running task and turns what it does into events.

What it records is in this order, and whoever comes after a crash reads from it how far things are:

1. `task.created`, by the command: what is going to be run. A container or keeper is found by the task's id.
2. `task.started`: the handle that finds what runs.
3. `task.output`, again and again: a part of the record, from where the last one ended.
4. `files.stored` and `task.finished`, `.failed` or `.stopped`, in one append: what it left and how it ended.
5. Only then is the container, or the keeper's folder, removed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import anyio
import anyio.to_thread

from datmo.capture.collect import Stamp
from datmo.core import task as rules
from datmo.core.event import NewEvent
from datmo.core.frames import LineJoiner, split_frames
from datmo.errors import StartFailed
from datmo.eventlog.log import EventLog
from datmo.objects.store import ObjectStore
from datmo.runner.collecting import LOG_NAME, Leftovers, collect
from datmo.runner.executors.base import Chunk, Ended, Executor, Handle, RunSpec
from datmo.runner.results import ResultLines

__all__ = ["Live", "Supervisor"]

Live = Callable[[int, bytes], Awaitable[None]]
"""Called with a stream and some bytes of output, once they are recorded; while it waits, no more is read."""

_GRACE = 10.0
_DRAIN = 5.0


@dataclass
class Supervisor:
    """Runs one task to its end.

    Parameters:
        log: where events go.
        store: where files go.
        executor: where the task runs.
        spec: what is run.
        runs_on: the image or interpreter, for the record.
        before: the stamps of the checkout before the run.
        live: called with output as it comes.
        notices: what was already said to the user about this run; what the run itself gives is added.
    """

    log: EventLog
    store: ObjectStore
    executor: Executor
    spec: RunSpec
    runs_on: str
    before: Mapping[str, Stamp]
    live: Live | None = None
    notices: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._cursor = 0
        self._recorded = 0
        self._results = ResultLines()
        self._stop = anyio.Event()
        self._stopping = False

    async def run(self) -> None:
        """Start the task, follow it, and record its end.

        Cancelling the caller stops the task in order: it is recorded as stopped and nothing is left behind; then the
        cancellation goes on.
        """
        ended = anyio.Event()

        async def shielded() -> None:
            # In a child task, because Ctrl-C breaks a shield in the main one.
            with anyio.CancelScope(shield=True):
                await self._supervise()
            ended.set()

        async with anyio.create_task_group() as workers:
            workers.start_soon(shielded, name=f"supervisor of task {self.spec.task_id}")
            try:
                await ended.wait()
            except anyio.get_cancelled_exc_class():
                self._stop.set()
                raise

    async def _supervise(self) -> None:
        try:
            handle = await self.executor.start(self.spec)
        except StartFailed as error:
            await self._record_end(Ended(error.code, str(error)))
            return
        await self.log.append(rules.start(self.spec.task_id, {"handle": dict(handle), "runs_on": self.runs_on}))
        async with anyio.create_task_group() as workers:
            workers.start_soon(self._obey_requests, name=f"stop requests of task {self.spec.task_id}")
            workers.start_soon(self._stop_when_asked, handle, name=f"stopping of task {self.spec.task_id}")
            followed = anyio.Event()
            workers.start_soon(self._follow, handle, followed, name=f"output of task {self.spec.task_id}")
            ended = await self.executor.wait(handle)
            with anyio.move_on_after(_DRAIN):
                await followed.wait()
            workers.cancel_scope.cancel()
        # Following ends without an unterminated last line; this reading has it.
        await self._take(handle, follow=False)
        await self._record_end(ended)
        await self.executor.remove(handle)

    async def _follow(self, handle: Handle, followed: anyio.Event) -> None:
        await self._take(handle, follow=True)
        followed.set()

    async def _take(self, handle: Handle, *, follow: bool) -> None:
        async with aclosing(self.executor.output(handle, self._cursor, follow=follow)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                await self._record_output(chunk)

    async def _record_output(self, chunk: Chunk) -> None:
        if self._recorded < self.spec.output_limit:
            event = rules.output(self.spec.task_id, self._cursor, chunk.cursor, chunk.frames)
            # Shielded, so that the cursor here and in the log cannot part.
            with anyio.CancelScope(shield=True):
                await self.log.append(event, durable=False)
                self._cursor = chunk.cursor
            self._recorded += len(chunk.frames)
        else:
            self._cursor = chunk.cursor
        self._results.feed(chunk.frames)
        if self.live is not None:
            for stream, data in split_frames(chunk.frames):
                await self.live(stream, data)

    async def _obey_requests(self) -> None:
        stream = f"task/{self.spec.task_id}"
        async with aclosing(self.log.follow(after=0, stream=stream, types=["task.stop_requested"])) as requests:  # type: ignore[type-var]
            async for _ in requests:
                self._stop.set()

    async def _stop_when_asked(self, handle: Handle) -> None:
        await self._stop.wait()
        self._stopping = True
        await self.executor.stop(handle, grace=_GRACE)

    async def _record_end(self, ended: Ended) -> None:
        task_id = self.spec.task_id
        left = await self._collect()
        results = {**self._results.results(), **left.stats}
        data = rules.TaskEnded(
            exit_code=ended.exit_code,
            reason=ended.reason,
            ended_us=ended.ended_us,
            results=results,
            config=left.config,
            file_collection_id=left.collection_id,
            notices=[*self.notices, *left.notices],
        )
        stored = NewEvent(f"files/{left.collection_id}", "files.stored", {"count": left.files, "size": left.size})
        await self.log.append(stored, rules.end(task_id, data, stopped=self._stopping))

    async def _collect(self) -> Leftovers:
        await self._write_log()
        return await anyio.to_thread.run_sync(collect, self.store, self.spec, self.before)

    async def _write_log(self) -> None:
        """Write the recorded output as text, part by part, from the log: whoever finishes a task has it there."""
        joiner = LineJoiner()
        async with await anyio.open_file(self.spec.folder / LOG_NAME, "wb") as file:
            async for event in self.log.read(stream=f"task/{self.spec.task_id}", types=["task.output"]):
                frames = await self.log.payload(event.position)
                if frames is not None:
                    await file.write(joiner.feed(frames))
            await file.write(joiner.close())
