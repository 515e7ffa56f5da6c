"""Commands on tasks."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from datmo.core.task import ENDED
from datmo.engine.attendance import TaskUpdate
from datmo.engine.attending import tasks_of
from datmo.engine.edge import single_error
from datmo.engine.entities import Task
from datmo.engine.launching import Launching
from datmo.engine.measuring import series_of
from datmo.engine.running_tasks import RunningTasks
from datmo.engine.showing_tasks import shown_wait
from datmo.engine.workspace import command as one_command
from datmo.errors import Refused
from datmo.projections import tasks as view
from datmo.projections.metrics import of_task
from datmo.projections.projection import Row

if TYPE_CHECKING:
    from datmo.core.ids import Named
    from datmo.core.points import Series, Summary
    from datmo.runner.executors.base import Screen

__all__ = ["RunningTasks", "TaskUpdate", "Tasks", "TasksPage"]


class TasksPage(NamedTuple):
    """Some tasks, newest first, and how many there are in all."""

    entities: list[Task]
    total: int


class Tasks(Launching):
    """`project.tasks`: run and list tasks.

    Parameters:
        workspace: the project.
        executors: where tasks run.
    """

    async def ls(
        self,
        *,
        session_id: str | None = None,
        filter: str | None = None,  # noqa: A002  # the seed's name
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> list[Task]:
        """Return tasks, newest first where no other order is asked for.

        Parameters:
            session_id: only those of one session, by name, id or prefix.
            filter: only those with this in their command or name.
            where: only those for which this expression holds, such as `results.accuracy > 0.9`; its language is told
                in `datmo.core.expression`.
            sort: the key that they are sorted by, the largest first; `duration asc` has the smallest first. Those
                without it come last, the newest of equal ones first.
            limit: at most that many.

        Raises:
            EntityNotFound: there is no such session.
            InvalidArgument: an expression cannot be read; the message names the column.
        """
        found = await self.page(session_id=session_id, filter=filter, where=where, sort=sort, limit=limit)
        return found.entities

    async def page(
        self,
        *,
        session_id: str | None = None,
        filter: str | None = None,  # noqa: A002  # the seed's name
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> TasksPage:
        """Return what `ls` does, and how many there are beside those within the limit."""
        session = None if session_id is None else (await self._workspace.session(session_id))["id"]
        rows, total = await self._workspace.query(
            lambda connection: view.ls(connection, session_id=session, text=filter, where=where, sort=sort, limit=limit)
        )
        return TasksPage(await tasks_of(self._workspace, rows), total)

    async def get(self, task: str | Named) -> Task:
        """Return a task by id or unique prefix.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
        """
        (found,) = await tasks_of(self._workspace, [await self._workspace.task(task)])
        return found

    async def inspect(self, task: str | Named) -> dict[str, Any]:
        """Return everything that is known of a task: itself, its code, environment and files, as plain values."""
        from datmo.engine.inspecting import inspect_task

        found = await self.get(task)
        return await inspect_task(self._workspace, await self._workspace.task(found.id), unattended=found.unattended)

    async def summaries(self, task: str | Named) -> dict[str, Summary]:
        """Return what is known of each of a task's metrics by its name, also while it runs.

        That is `count`, `first_step`, `last_step`, `last_time` (seconds since 1970), `last`, and `min` and `max`, which
        leave NaN out and are None where there is nothing else.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
        """
        task_id = (await self._workspace.task(task))["id"]
        return await self._workspace.query(lambda connection: of_task(connection, task_id))

    async def metrics(
        self,
        task: str | Named,
        name: str,
        *,
        start: int | None = None,
        end: int | None = None,
        points: int | None = None,
    ) -> Series:
        """Return the points of one of a task's metrics, as arrays; also while it runs.

        ```python
        loss = await project.tasks.metrics(task.id, "loss", points=1000)
        print(loss.steps[-1], loss.values[-1])
        ```

        Parameters:
            task: its id or a unique prefix.
            name: the metric; `summaries` names all of a task, with their last, least and greatest values.
            start, end: only steps from the one to the other, both included.
            points: at most so many: the series is cut into half as many parts of equally many points, and of each the
                least and the greatest value are returned, so that no peak is lost.

        Raises:
            EntityNotFound, AmbiguousId: no task fits, or several do; or the task has no such metric.
            InvalidArgument: `points` is less than 2.
        """
        task_id = (await self._workspace.task(task))["id"]
        return await series_of(self._workspace, task_id, name, start=start, end=end, points=points)

    async def stop(self, task: str | Named) -> Task:
        """Stop a task, whichever process runs it, and return it as it ended; one that has ended stays as it is.

        It is asked to end, and after ten seconds made to. Where whoever ran it was killed, this process takes it over.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
        """
        row = await self._workspace.task(task)
        await self._attendance.request_stop([row])
        return (await self._ended([row]))[0]

    async def stop_all(self) -> list[Task]:
        """Stop all tasks of the project that have not ended, and return them as they ended."""
        rows = await self._workspace.query(view.unfinished)
        await self._attendance.request_stop(rows)
        return await self._ended(rows)

    async def wait(self, *tasks: str | Named) -> list[Task]:
        """Return when tasks have ended, as they ended; those that nobody attends are taken over first.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
        """
        return await self._ended([await self._workspace.task(task) for task in tasks])

    async def recover(self, *, stay: bool = True, give_up: bool = False) -> list[Task]:
        """Take over the tasks whose supervisor was killed, and finish them as they should have been.

        What ended meanwhile is recorded with all its output, its exit code, results and files; what still runs is
        attended. Cancelling the caller leaves it running, for whoever comes next.

        Parameters:
            stay: attend what still runs to its end; False only finishes what has ended.
            give_up: record as LOST those whose Docker engine does not answer, which else are left as they are.

        Returns:
            The tasks that were finished here.
        """
        with one_command(), single_error():
            await self._recovering.tidy()
            finished = await self._recovering.adopt(stay=stay, give_up=give_up)
        rows = [await self._row(task_id) for task_id in finished]
        return await tasks_of(self._workspace, rows)

    @asynccontextmanager
    async def attach(self, task: str | Named) -> AsyncIterator[Screen]:
        """Show the live screen of a task, as an async context manager, whichever process runs it; waits for its start.

        It has what the task has printed so far, and what it prints, at once: progress bars without a line's end, too.
        Nothing of it is recorded. Leaving the block leaves the task running.

        ```python
        async with project.tasks.attach("7k2m") as screen:
            while (part := await screen.read()) is not None:
                stream, data = part
        ```

        Parameters:
            task: its id or a unique prefix. Where it was run with `interactive`, `screen.write` types on its terminal.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
            Refused: it has ended.
        """
        from datmo.engine.screens import Screens

        task_id = (await self._workspace.task(task))["id"]
        screens = Screens(self._workspace, self._executors, self._recovering)
        with single_error():
            async with screens.attached(task_id) as screen:
                yield screen

    async def write_files(
        self, task: str | Named, to: str | os.PathLike[str], *, only: str | None = None
    ) -> list[Path]:
        """Write the files that a task left into a folder, over nothing that is there, and return where they are.

        Parameters:
            task: its id or a unique prefix; it has ended.
            to: the folder, relative to the working folder; it is made where it is not there.
            only: only those whose path or name fits this pattern, such as `*.pkl`.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
            Refused: it has not ended.
            InvalidArgument: a file is there already, or none fits; nothing was written.
            FilesError: something cannot be written.
        """
        from datmo.engine.giving_files import give_files

        row = await self._workspace.task(task)
        if row["status"] not in ENDED.values():
            raise Refused(f"task {row['id']} has not ended", hint="wait for it, or stop it: `datmo task stop`")
        return await self._workspace.in_thread(lambda: give_files(self._workspace, row, Path(to).absolute(), only))

    async def follow(
        self, task: str | Named, *, after: int = 0, since: datetime | None = None, live: bool = True
    ) -> AsyncGenerator[TaskUpdate, None]:
        """Yield what happened to a task, with its output, and what happens, up to its end, whichever process runs it.

        Parameters:
            task: its id or a unique prefix.
            after: only what lies behind this position of the log.
            since: only what was recorded at or after this time.
            live: wait for more where it has not ended.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
        """
        task_id = (await self._workspace.task(task))["id"]
        async for update in self._attendance.follow(task_id, after=after, since=since, live=live):
            yield update

    async def _ended(self, rows: Sequence[Row]) -> list[Task]:
        ids = [row["id"] for row in rows]
        with one_command(), single_error():
            async with shown_wait(self._workspace, ids):
                await self._attendance.wait(ids)
        return await tasks_of(self._workspace, [await self._row(row["id"]) for row in rows])
