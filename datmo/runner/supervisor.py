"""The supervisor: owns one running task and turns what it does into events.

What it records is in this order, and whoever comes after a crash reads from it how far things are:

1. `task.created`, by the command: what is going to be run. A container or keeper is found by the task's id.
2. `task.started`: the handle that finds what runs.
3. `task.output`, again and again: a part of the record, from where the last one ended.
4. `files.stored` and `task.finished`, `.failed` or `.stopped`, in one append: what it left and how it ended.
5. Only then is the container removed, and the task's folder.
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
from datmo.errors import DatmoError, StartFailed
from datmo.eventlog.log import EventLog
from datmo.objects.store import ObjectStore
from datmo.runner.collecting import LOG_NAME, Leftovers, collect
from datmo.runner.executors.base import Chunk, Ended, Executor, Handle, RunSpec
from datmo.runner.folders import remove_tree
from datmo.runner.results import ResultLines
from datmo.runner.witness import FileLock

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
        check_out: makes the task's folders and returns the stamps of its checkout; runs in a thread.
        live: called with output as it comes.
        notices: what was already said to the user about this run; what the run itself gives is added.
    """

    log: EventLog
    store: ObjectStore
    executor: Executor
    spec: RunSpec
    runs_on: str
    check_out: Callable[[], Mapping[str, Stamp]]
    live: Live | None = None
    notices: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._before: Mapping[str, Stamp] = {}
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
        folder = self.spec.folder
        await anyio.to_thread.run_sync(lambda: folder.mkdir(parents=True))
        lock = FileLock(folder / "lock")
        await anyio.to_thread.run_sync(lock.try_acquire)  # nobody else knows this folder yet
        try:
            handle = await self._start()
            if handle is not None:
                await self._until_end(handle)
            await anyio.to_thread.run_sync(remove_tree, folder)
        finally:
            await anyio.to_thread.run_sync(lock.release)

    async def _start(self) -> Handle | None:
        """Start the task; None where it could not be started, which is recorded then."""
        try:
            self._before = await anyio.to_thread.run_sync(self.check_out)
            handle = await self.executor.start(self.spec)
        except DatmoError as error:
            code = error.code if isinstance(error, StartFailed) else error.exit_code
            await self._record_end(Ended(code, str(error)), Leftovers.none())
            return None
        started = rules.TaskStarted(handle=dict(handle), runs_on=self.runs_on)
        await self.log.append(rules.start(self.spec.task_id, started))
        return handle

    async def _until_end(self, handle: Handle) -> None:
        task_id = self.spec.task_id
        async with anyio.create_task_group() as workers:
            followed = anyio.Event()
            workers.start_soon(self._follow, handle, followed, name=f"output of task {task_id}")
            workers.start_soon(self._hear_requests, name=f"stop requests of task {task_id}")
            workers.start_soon(self._stop_when_asked, handle, name=f"stopping of task {task_id}")
            ended = await self.executor.wait(handle)
            with anyio.move_on_after(_DRAIN):
                await followed.wait()
            workers.cancel_scope.cancel()
        # Following ends without an unterminated last line; this reading has it.
        await self._take(handle, follow=False)
        await self._record_end(ended, await self._collect())
        await self.executor.remove(handle)

    async def _follow(self, handle: Handle, followed: anyio.Event) -> None:
        await self._take(handle, follow=True)
        followed.set()

    async def _take(self, handle: Handle, *, follow: bool) -> None:
        async with aclosing(self.executor.output(handle, self._cursor, follow=follow)) as chunks:
            async for chunk in chunks:
                # Whole or not at all, so that the cursors here and in the log cannot part.
                with anyio.CancelScope(shield=True):
                    await self._record_output(chunk)

    async def _record_output(self, chunk: Chunk) -> None:
        task_id, limit = self.spec.task_id, self.spec.output_limit
        if self._recorded < limit:
            await self.log.append(rules.output(task_id, self._cursor, chunk.cursor, chunk.frames), durable=False)
            self._recorded += len(chunk.frames)
            if self._recorded >= limit:
                await self.log.append(rules.limit_output(task_id, limit))
        self._cursor = chunk.cursor
        self._results.feed(chunk.frames)
        if self.live is not None:
            for stream, data in split_frames(chunk.frames):
                await self.live(stream, data)

    async def _hear_requests(self) -> None:
        stream = f"task/{self.spec.task_id}"
        async for _ in self.log.follow(after=0, stream=stream, types=["task.stop_requested"]):
            self._stop.set()

    async def _stop_when_asked(self, handle: Handle) -> None:
        await self._stop.wait()
        self._stopping = True
        await self.executor.stop(handle, grace=_GRACE)

    async def _record_end(self, ended: Ended, left: Leftovers) -> None:
        events = []
        if left.collection_id is not None:
            stored = {"count": left.files, "size": left.size}
            events.append(NewEvent(f"files/{left.collection_id}", "files.stored", stored))
        data = rules.TaskEnded(
            exit_code=ended.exit_code,
            reason=ended.reason,
            ended_us=ended.ended_us,
            results={**self._results.results(), **left.stats},
            config=left.config,
            file_collection_id=left.collection_id,
            notices=[*self.notices, *left.notices],
        )
        await self.log.append(*events, rules.end(self.spec.task_id, data, stopped=self._stopping))

    async def _collect(self) -> Leftovers:
        try:
            await self.executor.hand_back(self.spec)
            await self._write_log()
            return await anyio.to_thread.run_sync(collect, self.store, self.spec, self._before)
        except (DatmoError, OSError) as error:
            # The task has ended all the same, and its output is in the log.
            return Leftovers.none(f"its files could not be collected: {error}")

    async def _write_log(self) -> None:
        """Write the recorded output as text, part by part, from the log: whoever finishes a task has it there."""
        joiner = LineJoiner()
        async with await anyio.open_file(self.spec.folder / LOG_NAME, "wb") as file:
            async for event in self.log.read(stream=f"task/{self.spec.task_id}", types=["task.output"]):
                frames = await self.log.payload(event.position)
                if frames is not None:
                    await file.write(joiner.feed(frames))
            await file.write(joiner.close())
