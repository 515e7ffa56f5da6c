"""Taking over tasks whose supervisor was killed: whoever comes next finishes the job."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from datmo.core import task as rules
from datmo.core.ids import short
from datmo.engine.attending import unattended
from datmo.engine.executors import Executors
from datmo.engine.workspace import Workspace
from datmo.errors import EngineUnreachable, RunnerError
from datmo.projections import tasks
from datmo.projections.projection import Row

if TYPE_CHECKING:
    from datmo.runner.supervisor import Supervisor

__all__ = ["Recovering"]


class Recovering:
    """Finds orphans and takes them over. Two who try at once do not meet: the task's lock has one holder.

    Parameters:
        workspace: the project.
        executors: where the tasks run.
    """

    def __init__(self, workspace: Workspace, executors: Executors) -> None:
        self._workspace = workspace
        self._executors = executors

    async def orphans(self, only: Collection[str] | None = None) -> list[Row]:
        """Return the tasks that have not ended and that nobody attends.

        Parameters:
            only: their ids; all by default.
        """
        unfinished = await self._workspace.query(tasks.unfinished)
        rows = [row for row in unfinished if only is None or row["id"] in only]
        alone = await unattended(self._workspace, rows)
        return [row for row in rows if row["id"] in alone]

    async def adopt(
        self,
        only: Collection[str] | None = None,
        *,
        stay: bool = True,
        give_up: bool = False,
        strict: bool = False,
    ) -> list[str]:
        """Take over the orphans, all at once; returns the ids of those that were finished here.

        Cancelling the caller leaves what still runs as it is.

        Parameters:
            only: as for `orphans`.
            stay: follow what still runs to its end; False only finishes what has ended meanwhile.
            give_up: record those as LOST whose Docker engine does not answer; else they are left, and it is said.
            strict: raise where an engine does not answer, instead of saying so.

        Raises:
            EngineUnreachable: only where `strict`.
        """
        finished: list[str] = []

        async def one(row: Row) -> None:
            if await self._take(row, stay=stay, give_up=give_up, strict=strict):
                finished.append(row["id"])

        async with anyio.create_task_group() as workers:
            for row in await self.orphans(only):
                workers.start_soon(one, row, name=f"recovery of task {row['id']}")
        return finished

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """Attend orphans for as long as the block runs; what still runs then is left for whoever comes next."""
        if not await self.orphans():
            yield
            return
        async with anyio.create_task_group() as workers:
            workers.start_soon(self._adopt_beside, name="recovery beside other work")
            yield
            workers.cancel_scope.cancel()

    async def _adopt_beside(self) -> None:
        try:
            await self.adopt()
        except* RunnerError as group:  # another task's trouble is not the caller's
            self._workspace.notice(f"not all unattended tasks could be taken over: {group.exceptions[0]}")

    async def _take(self, row: Row, *, stay: bool, give_up: bool, strict: bool) -> bool:
        said = short(row["id"])
        try:
            supervisor = await self._supervisor(row)
            ended = await supervisor.adopt(row, stay=stay)
        except EngineUnreachable as error:
            if strict:
                raise
            if not give_up:
                self._workspace.notice(f"task {said} cannot be looked after now: {error}")
                return False
            return await self._lose(row, str(error))
        if ended:
            self._workspace.notice(f"task {said} was finished: whoever ran it had been killed")
        return ended

    async def _supervisor(self, row: Row) -> Supervisor:
        from datmo.runner.executors.base import RunSpec
        from datmo.runner.supervisor import Supervisor

        folder = self._workspace.tasks_folder / row["id"]
        spec = RunSpec(
            task_id=row["id"],
            argv=tuple(row["argv"]),
            folder=folder,
            code=folder / "code",
            files=folder / "files",
            user=row["options"].get("user") or "me",
        )
        return Supervisor(
            log=self._workspace.log,
            store=self._workspace.store,
            executor=await self._executors.get(row["executor"]),
            spec=spec,
            runs_on=row["runs_on"] or "unknown",
            created=(),
            check_out=dict,
            notices=row["notices"],
            notice=self._workspace.notice,
        )

    async def _lose(self, row: Row, reason: str) -> bool:
        """Record as lost a task of which nobody can say what became of it, unless somebody took it meanwhile."""
        if not await self.orphans([row["id"]]):
            return False
        ended = rules.TaskEnded(
            exit_code=None,
            reason=reason,
            ended_us=None,
            results={},
            config={},
            file_collection_id=None,
            notices=list(row["notices"]),
        )
        await self._workspace.log.append(rules.end(row["id"], ended, stopped=False))
        return True
