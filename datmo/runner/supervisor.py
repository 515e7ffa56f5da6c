"""The supervisor: owns one running task and turns what it does into events.

What it records is in this order, and whoever comes after a crash reads from it how far things are:

1. The task's folder with the lock in it: whose lock is held is not orphaned. A folder without a task is garbage.
2. `task.created`: what is going to be run. A container or keeper is found by the task's id.
3. `task.started`: the handle that finds what runs.
4. `task.output` and `task.metrics`, again and again: a part of the record, from where the last one ended, and of
   what the task says of itself.
5. `files.stored` and `task.finished`, `.failed` or `.stopped`, in one append: what it left and how it ended.
6. Only then is the container removed, and the task's folder.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from datmo.capture.collect import Stamp
from datmo.core import task as rules
from datmo.core.event import NewEvent
from datmo.core.frames import LineJoiner, split_frames
from datmo.core.outbox import Artifact
from datmo.errors import DatmoError, EngineUnreachable, RunnerError, StartFailed
from datmo.eventlog.log import EventLog
from datmo.objects.store import ObjectStore
from datmo.projections.tasks import TASKS, output_of
from datmo.runner.collecting import LOG_NAME, Leftovers, collect, keep
from datmo.runner.executors.base import Chunk, Ended, Executor, Handle, RunSpec
from datmo.runner.folders import claim, claim_again, discard
from datmo.runner.outbox import Outbox
from datmo.runner.results import ResultLines
from datmo.runner.stamps import read_stamps
from datmo.runner.usage import Usage

__all__ = ["Live", "Supervisor"]

Live = Callable[[int, bytes], Awaitable[None]]
"""Called with a stream and some bytes of output, once they are recorded; while it waits, no more is read."""

_NOT_STARTED = 125
"""The exit code that is recorded where it was not the command that failed, as `docker run` has it."""
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
        created: `task.created`, with what it names and is not yet recorded; empty where all of it is.
        check_out: makes the task's folders and returns the stamps of its checkout; runs in a thread.
        live: called with output as it comes.
        notices: what was already said to the user about this run; what the run itself gives is added.
        notice: told what is left behind after the end.
        timeout: seconds after which it is stopped and has failed, or None.
        system_metrics: whether it is sampled what the task uses of the machine.
        grace: seconds that the task may take to end by itself when it is stopped.
    """

    log: EventLog
    store: ObjectStore
    executor: Executor
    spec: RunSpec
    runs_on: str
    created: Sequence[NewEvent]
    check_out: Callable[[], Mapping[str, Stamp]]
    live: Live | None = None
    notices: Sequence[str] = ()
    notice: Callable[[str], None] = lambda _: None
    timeout: float | None = None
    grace: float = 10.0
    system_metrics: bool = True

    def __post_init__(self) -> None:
        self._before: Mapping[str, Stamp] = {}
        self._cursor = 0
        self._mark = b""
        self._recorded = 0
        self._exact = True
        self._results = ResultLines()
        self.outbox: Outbox = Outbox(self.log, self.store, self.spec.task_id, self.spec.outbox, self._keep)
        self._usage = Usage(self.log, self.executor, self.spec.task_id, self.spec.gpus)
        self._stop = anyio.Event()
        self._stopping = False
        self._overtime = False
        self._given_up: Ended | None = None

    async def run(self) -> None:
        """Start the task, follow it, and record its end.

        Cancelling the caller stops the task in order: it is recorded as stopped and nothing is left behind; then the
        cancellation goes on. So it does where `live` raises: its error goes on.
        """
        self._show, shown = anyio.create_memory_object_stream[tuple[int, bytes]](0)
        async with anyio.create_task_group() as workers:
            workers.start_soon(self._to_the_end, name=f"supervisor of task {self.spec.task_id}")
            try:
                with shown:
                    async for stream, data in shown:
                        if self.live is not None:
                            await self.live(stream, data)
            except BaseException:
                self._stop.set()
                raise

    def will_stop(self) -> None:
        """Take the end that is about to come for one that somebody asked for."""
        self._stopping = True

    async def adopt(self, *, stay: bool = True) -> bool:
        """Take over a task whose supervisor has died: go on from what it recorded, and record its end.

        Cancelling the caller leaves the task running, for whoever comes next.

        Parameters:
            stay: follow what still runs to its end; False only finishes what has ended meanwhile.

        Returns:
            Whether the task has ended and this process recorded it.

        Raises:
            EngineUnreachable: its engine does not answer, so nobody knows what became of it.
        """
        folder = self.spec.folder
        lock = await anyio.to_thread.run_sync(claim_again, folder)
        if lock is None:
            return False  # another one was quicker
        ended = False
        try:
            # As it is now that nobody else can take it: another one may have finished it since it was looked for.
            task = await self.log.query(lambda connection: TASKS.load(connection, self.spec.task_id))
            handle: Handle | None = None
            if task is not None and task["status"] not in rules.ENDED.values():
                handle = task["handle"] or await self.executor.find(self.spec.task_id, folder)
                ended = await self._go_on(task, handle, stay=stay)
                if not ended:
                    return False
            with anyio.CancelScope(shield=True):
                if handle is not None:
                    await self._tidy(partial(self.executor.remove, handle))
                await self._tidy(lambda: anyio.to_thread.run_sync(discard, folder))
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(lock.release)
        return ended

    async def _go_on(self, task: Mapping[str, Any], handle: Handle | None, *, stay: bool) -> bool:
        """Record what is left to be recorded of a task; returns whether it has ended."""
        if handle is None:
            self._stopping = task["status"] == "CREATED"
            why = "its supervisor was killed before it was started" if self._stopping else "nothing is left of it"
            await self._record_end(Ended(None, why), Leftovers.none())
            return True
        if not stay and await self.executor.running(handle):
            return False
        if task["status"] == "CREATED":
            if not await self.executor.running(handle) and (await self.executor.wait(handle)).exit_code is None:
                self._stopping = True  # it was made, and never started
            started = rules.TaskStarted(handle=dict(handle), runs_on=self.runs_on)
            await self.log.append(rules.start(self.spec.task_id, started))
        self._cursor, self._recorded = await self.log.query(lambda connection: output_of(connection, task["id"]))
        await self._read_again()
        await self.outbox.resume()
        self._before = await anyio.to_thread.run_sync(read_stamps, self.spec.folder)
        ran = 0.0
        if task["started_at"] is not None:
            self._usage.started = task["started_at"] / 1e6
            ran = time.time() - self._usage.started
        await self._until_end(handle, ran)
        return True

    async def _read_again(self) -> None:
        """Take from the log what the dead supervisor had in memory: the results in the output so far."""
        async for event in self.log.read(stream=f"task/{self.spec.task_id}", types=["task.output"]):
            self._exact = self._exact and event.data.get("exact", True)
            frames = await self.log.payload(event.position)
            if frames is not None:
                self._look_for_results(frames)

    async def _to_the_end(self) -> None:
        # Shielded in a child task, because Ctrl-C breaks a shield in the main one.
        with anyio.CancelScope(shield=True), self._show:
            folder = self.spec.folder
            lock = await anyio.to_thread.run_sync(claim, folder)
            try:
                await self._supervise()
                await self._tidy(lambda: anyio.to_thread.run_sync(discard, folder))
            finally:
                await anyio.to_thread.run_sync(lock.release)

    async def _supervise(self) -> None:
        try:
            if self.created:
                await self.log.append(*self.created)
        except DatmoError:
            await self._tidy(lambda: anyio.to_thread.run_sync(discard, self.spec.folder))
            raise
        handle = await self._start()
        if handle is not None:
            await self._until_end(handle)
            await self._tidy(lambda: self.executor.remove(handle))

    async def _tidy(self, remove: Callable[[], Awaitable[None]]) -> None:
        """Remove something of a task whose end is recorded: failing at that does not change how it ended."""
        try:
            await remove()
        except (DatmoError, OSError) as error:
            self.notice(f"something of task {self.spec.task_id} is left behind: {error}")

    async def _start(self) -> Handle | None:
        """Start the task; None where it could not or shall not be started, which is recorded then."""
        try:
            self._before = await anyio.to_thread.run_sync(self.check_out)
            if self._stop.is_set():
                self._stopping = True
                await self._record_end(Ended(None, "stopped before it was started"), Leftovers.none())
                return None
            handle = await self.executor.start(self.spec)
        except Exception as error:
            code = error.code if isinstance(error, StartFailed) else _NOT_STARTED
            known = isinstance(error, DatmoError | OSError)
            await self._record_end(Ended(code, str(error) if known else repr(error)), Leftovers.none())
            if not known:
                raise
            return None
        started = rules.TaskStarted(handle=dict(handle), runs_on=self.runs_on)
        await self.log.append(rules.start(self.spec.task_id, started))
        return handle

    async def _until_end(self, handle: Handle, ran: float = 0.0) -> None:
        task_id = self.spec.task_id
        ended: Ended | None = None
        async with anyio.create_task_group() as workers:
            self._followers = workers.cancel_scope
            followed = anyio.Event()
            workers.start_soon(self._follow, handle, followed, name=f"output of task {task_id}")
            sample = partial(self._usage.sample, handle) if self.system_metrics else None
            workers.start_soon(self.outbox.follow, sample, name=f"outbox of task {task_id}")
            workers.start_soon(self._hear_requests, name=f"stop requests of task {task_id}")
            workers.start_soon(self._stop_when_asked, handle, name=f"stopping of task {task_id}")
            if self.timeout is not None:
                workers.start_soon(self._limit_time, handle, self.timeout - ran, name=f"time limit of task {task_id}")
            ended = await self.executor.wait(handle)
            with anyio.move_on_after(_DRAIN):
                await followed.wait()
            workers.cancel_scope.cancel()
        ended = self._given_up or ended
        assert ended is not None, "a cancelled supervisor does not get here"
        with anyio.CancelScope(shield=True):
            # Following ends without an unterminated last line; this reading has it.
            await self._take(handle, follow=False)
            await self.outbox.finish()
            hold = await anyio.to_thread.run_sync(self.store.hold)
            try:
                await anyio.to_thread.run_sync(hold.share)
                await self._record_end(ended, await self._collect())
            finally:
                hold.release()

    async def _follow(self, handle: Handle, followed: anyio.Event) -> None:
        await self._take(handle, follow=True)
        followed.set()

    async def _take(self, handle: Handle, *, follow: bool) -> None:
        output = self.executor.output(handle, self._cursor, follow=follow, mark=self._mark)
        async with aclosing(output) as chunks:
            async for chunk in chunks:
                # Whole or not at all, so that the cursors here and in the log cannot part.
                with anyio.CancelScope(shield=True):
                    await self._record_output(chunk)

    async def _record_output(self, chunk: Chunk) -> None:
        task_id, limit = self.spec.task_id, self.spec.output_limit
        if self._recorded < limit:
            said = rules.output(task_id, self._cursor, chunk.cursor, chunk.frames, exact=chunk.exact)
            await self.log.append(said, durable=False)
            self._exact = self._exact and chunk.exact
            self._recorded += len(chunk.frames)
            if self._recorded >= limit:
                await self.log.append(rules.limit_output(task_id, limit))
        self._cursor, self._mark = chunk.cursor, chunk.mark
        self._look_for_results(chunk.frames)
        if self.live is not None:
            for stream, data in split_frames(chunk.frames):
                with suppress(anyio.BrokenResourceError):  # nobody looks any more, and the task goes on or is stopped
                    await self._show.send((stream, data))

    def _look_for_results(self, frames: bytes) -> None:
        if not self.spec.interactive:  # on a terminal it is the user who writes
            self._results.feed(frames)

    async def _hear_requests(self) -> None:
        stream = f"task/{self.spec.task_id}"
        async for _ in self.log.follow(after=0, stream=stream, types=["task.stop_requested"]):
            self._stop.set()

    async def _stop_when_asked(self, handle: Handle) -> None:
        await self._stop.wait()
        self._stopping = True
        await self._end(handle)

    async def _end(self, handle: Handle) -> None:
        """Stop the task; where it does not end though it was killed, give it up: nobody shall wait for it for ever."""
        try:
            await self.executor.stop(handle, grace=self.grace)
        except EngineUnreachable:
            raise
        except RunnerError as error:
            self._given_up = Ended(None, str(error))
            self._followers.cancel()

    async def _limit_time(self, handle: Handle, left: float) -> None:
        await anyio.sleep(max(left, 0.0))
        self._overtime = True
        await self._end(handle)

    async def _record_end(self, ended: Ended, left: Leftovers) -> None:
        events = []
        output = [f"{ended.dropped} bytes of its output were not recorded"] if ended.dropped else []
        if self._results.left_out:
            output.append(f"{self._results.left_out} lines with results were too many to be kept")
        if not self._exact:
            output.append(
                "some of its output is what the engine made of it: not all was UTF-8, or a line was very long"
            )
        if left.collection_id is not None:
            stored = {"count": left.files, "size": left.size}
            events.append(NewEvent(f"files/{left.collection_id}", "files.stored", stored))
        reason = ended.reason
        if self._overtime and not self._stopping and self._given_up is None:
            reason = f"it ran longer than its time limit of {self.timeout or 0:g} s"
        data = rules.TaskEnded(
            exit_code=ended.exit_code,
            reason=reason,
            ended_us=ended.ended_us,
            started_us=ended.started_us,
            results={**self._results.results(), **self.outbox.results, **left.stats},
            config=left.config,
            file_collection_id=left.collection_id,
            notices=[*self.notices, *left.notices, *output, *self.outbox.notices()],
        )
        stopped = self._stopping and self._given_up is None
        await self.log.append(*events, rules.end(self.spec.task_id, data, stopped=stopped, failed=self._overtime))

    def _keep(self, path: str, name: str | None) -> Iterable[Artifact]:
        return keep(self.store, self.spec, path, name)

    async def _collect(self) -> Leftovers:
        not_ours: tuple[str, ...] = ()
        try:
            await self.executor.hand_back(self.spec)
        except (DatmoError, OSError) as error:  # as of an image without `chown`: what may be read is kept all the same
            not_ours = (f"its files could not be handed back: {error}",)
        try:
            await self._write_log()
            artifacts = await self.outbox.artifacts()
            left = await anyio.to_thread.run_sync(collect, self.store, self.spec, self._before, artifacts)
        except (DatmoError, OSError) as error:  # the task has ended all the same, and its output is in the log
            left = Leftovers.none(f"its files could not be collected: {error}")
        return left._replace(notices=(*not_ours, *left.notices))

    async def _write_log(self) -> None:
        """Write the recorded output as text, part by part, from the log: whoever finishes a task has it there."""
        joiner = LineJoiner()
        async with await anyio.open_file(self.spec.folder / LOG_NAME, "wb") as file:
            async for event in self.log.read(stream=f"task/{self.spec.task_id}", types=["task.output"]):
                frames = await self.log.payload(event.position)
                if frames is not None:
                    await file.write(joiner.feed(frames))
            await file.write(joiner.close())
