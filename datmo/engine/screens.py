"""The live screen of a task that runs, whichever process runs it; nothing of it is recorded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import anyio

from datmo.core import task as rules
from datmo.core.frames import split_frames
from datmo.engine.executors import Executors
from datmo.engine.recovering import Recovering
from datmo.engine.workspace import Workspace
from datmo.errors import Refused, RunnerError
from datmo.projections.projection import Row
from datmo.projections.tasks import TASKS
from datmo.runner.executors.base import Chunk, Screen, Screening

__all__ = ["Screens"]

_BEGUN = ("task.started", *rules.ENDED)


class Screens:
    """Shows what tasks print.

    Parameters:
        workspace: the project.
        executors: where tasks run.
        recovering: takes over tasks that nobody attends.
    """

    def __init__(self, workspace: Workspace, executors: Executors, recovering: Recovering) -> None:
        self._workspace = workspace
        self._executors = executors
        self._recovering = recovering

    @asynccontextmanager
    async def attached(self, task_id: str) -> AsyncIterator[Screen]:
        """Give the screen of a task, once it has started.

        Raises:
            Refused: it has ended.
        """
        async with anyio.create_task_group() as workers:
            # Whoever looks at a task that nobody attends takes it over, or its end would not be recorded.
            workers.start_soon(self._recovering.adopt, [task_id])
            row = await self._started(task_id)
            executor = await self._executors.get(row["executor"])
            async with AsyncExitStack() as stack:
                if isinstance(executor, Screening):
                    try:
                        screen = await stack.enter_async_context(executor.screen(row["handle"]))
                    except RunnerError:
                        await self._started(task_id)  # what it ran in may be gone, because it ended meanwhile
                        raise
                    yield screen
                else:
                    chunks = executor.output(row["handle"], 0, follow=True)
                    yield _Followed(await stack.enter_async_context(aclosing(chunks)))
            workers.cancel_scope.cancel()

    async def _started(self, task_id: str) -> Row:
        position, _ = await self._workspace.log.head()
        row = await self._workspace.query(lambda connection: TASKS.load(connection, task_id))
        if row is not None and row["status"] == "CREATED":
            async for _ in self._workspace.log.follow(after=position, stream=f"task/{task_id}", types=_BEGUN):
                break
            row = await self._workspace.query(lambda connection: TASKS.load(connection, task_id))
        assert row is not None, "a task does not vanish from its view"
        if row["status"] in rules.ENDED.values():
            raise Refused(f"task {task_id} has ended", hint="`datmo task logs` shows what it printed")
        return row


class _Followed:
    """The screen of a task whose executor has none of its own: its output, which comes at once all the same."""

    interactive = False

    def __init__(self, chunks: AsyncGenerator[Chunk, None]) -> None:
        self._chunks = chunks
        self._pending: list[tuple[int, bytes]] = []

    async def read(self) -> tuple[int, bytes] | None:
        if not self._pending:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                return None
            self._pending = list(reversed(list(split_frames(chunk.frames))))
        return self._pending.pop()

    async def write(self, data: bytes) -> None:
        raise Refused("the task has no terminal: nothing can be typed", hint="run it with --interactive")

    async def resize(self, rows: int, columns: int) -> None:
        return
