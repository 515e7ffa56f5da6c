"""Taking over tasks whose supervisor was killed: whoever comes next finishes the job."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from datmo.core import task as rules
from datmo.core.ids import short
from datmo.core.placement import CODE_AT
from datmo.engine.attending import unattended
from datmo.engine.data import paths_in_code
from datmo.engine.executors import Executors
from datmo.engine.queueing import end_abandoned
from datmo.engine.workspace import Workspace
from datmo.errors import DatmoError, EngineUnreachable, RunnerError
from datmo.projections import tasks
from datmo.projections.projection import Row
from datmo.runner.folders import claim_leftover, discard

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
        orphans = await self.orphans(only)
        if any(tasks.queue_of(row) for row in orphans):
            orphans, never_started = await self._without_waiting(orphans)
            finished += [task_id for task_id in never_started if only is None or task_id in only]

        async def one(row: Row) -> None:
            if await self._take(row, stay=stay, give_up=give_up, strict=strict):
                finished.append(row["id"])

        async with anyio.create_task_group() as workers:
            for row in orphans:
                workers.start_soon(one, row, name=f"recovery of task {row['id']}")
        return finished

    async def _without_waiting(self, orphans: list[Row]) -> tuple[list[Row], list[str]]:
        """End the tasks whose turn never came; returns the other orphans, and the ids of those that were ended here."""
        ended = await end_abandoned(self._workspace)
        if ended:
            self._workspace.notice(
                f"{len(ended)} tasks that waited were never started: whoever had queued them was killed"
            )
        begun = await anyio.to_thread.run_sync(_names, self._workspace.tasks_folder)
        return [row for row in orphans if tasks.queue_of(row) is None or row["id"] in begun], ended

    async def tidy(self) -> None:
        """Remove what killed supervisors left of tasks that have ended, or were never recorded."""
        for task_id in await self._leftovers():
            try:
                await self._remove(task_id)
            except (RunnerError, OSError) as error:
                self._workspace.notice(f"something of task {short(task_id)} is left behind: {error}")

    async def _leftovers(self) -> list[str]:
        """Return the ids of the folders that no unfinished task has; they may belong to one that just begins."""
        there = await anyio.to_thread.run_sync(_names, self._workspace.tasks_folder)
        if not there:
            return []
        unfinished = {row["id"] for row in await self._workspace.query(tasks.unfinished)}
        return [task_id for task_id in there if task_id not in unfinished]

    async def _remove(self, task_id: str) -> None:
        folder = self._workspace.tasks_folder / task_id
        # A folder gets its lock before its task is recorded: one that nobody holds is garbage.
        lock = await anyio.to_thread.run_sync(claim_leftover, folder)
        if lock is None:
            return
        try:
            row = await self._workspace.query(lambda connection: tasks.TASKS.load(connection, task_id))
            if row is not None and row["status"] not in rules.ENDED.values():
                return  # somebody has recorded it meanwhile
            if row is not None and row["handle"] is not None:
                await (await self._executors.get(row["executor"])).remove(row["handle"])
            await anyio.to_thread.run_sync(discard, folder)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(lock.release)

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """Attend orphans for as long as the block runs; what still runs then is left for whoever comes next."""
        if not await self.orphans() and not await self._leftovers():
            yield
            return
        async with anyio.create_task_group() as workers:
            workers.start_soon(self._adopt_beside, name="recovery beside other work")
            yield
            workers.cancel_scope.cancel()

    async def _adopt_beside(self) -> None:
        try:
            await self.tidy()
            await self.adopt()
        except* (DatmoError, OSError) as group:  # another task's trouble is not the caller's
            self._workspace.notice(f"not all unattended tasks could be taken over: {group.exceptions[0]}")

    async def _take(self, row: Row, *, stay: bool, give_up: bool, strict: bool) -> bool:
        said = short(row["id"])
        try:
            supervisor = await self._supervisor(row)
            ended = await supervisor.adopt(stay=stay)
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

        folder, options = self._workspace.tasks_folder / row["id"], row["options"]
        spec = RunSpec(
            task_id=row["id"],
            argv=tuple(row["argv"]),
            folder=folder,
            code=folder / "code",
            files=folder / "files",
            in_code=paths_in_code(options.get("data", {}), self._workspace.home),
            user=options.get("user", "me"),
            code_at=options.get("code_at", CODE_AT),
            image=options.get("image"),
            own=row["executor"] == "track",
            interactive=options.get("interactive", False),
            output_limit=self._workspace.settings["output.limit"],
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
            timeout=options.get("timeout"),
            system_metrics=options.get("system_metrics", True),
            grace=self._workspace.settings["stop.grace"],
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


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
