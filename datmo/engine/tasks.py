"""Commands on tasks."""

from __future__ import annotations

import os
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from datmo.core.agreement import Rerun
from datmo.core.ids import new_id
from datmo.core.options import Limits, TaskOptions
from datmo.core.sweep import TaskSpec
from datmo.core.task import ENDED
from datmo.engine.attendance import Attendance, TaskUpdate
from datmo.engine.attending import tasks_of
from datmo.engine.edge import single_error
from datmo.engine.entities import Task
from datmo.engine.executors import Executors
from datmo.engine.recovering import Recovering
from datmo.engine.running_tasks import RunningTasks
from datmo.engine.workspace import Workspace
from datmo.engine.workspace import command as one_command
from datmo.errors import EntityNotFound, Refused
from datmo.projections import tasks as view
from datmo.projections.projection import Row

if TYPE_CHECKING:
    from datmo.engine.starting import ManyLive
    from datmo.runner.supervisor import Live

__all__ = ["RunningTasks", "TaskUpdate", "Tasks", "TasksPage"]


class TasksPage(NamedTuple):
    """Some tasks, newest first, and how many there are in all."""

    entities: list[Task]
    total: int


class Tasks:
    """`project.tasks`: run and list tasks.

    Parameters:
        workspace: the project.
        executors: where tasks run.
    """

    def __init__(self, workspace: Workspace, executors: Executors) -> None:
        self._workspace = workspace
        self._executors = executors
        self._recovering = Recovering(workspace, executors)
        self._attendance = Attendance(workspace, self._recovering)

    async def run(
        self,
        command: str | Sequence[str],
        *,
        env: str | os.PathLike[str] | None = None,
        gpu: bool = False,
        ports: Sequence[str] = (),
        session_id: str | None = None,
        name: str | None = None,
        executor: str | None = None,
        options: TaskOptions | None = None,
        live: Live | None = None,
    ) -> Task:
        """Run a command in the project's environment, to its end, and record it.

        It runs on exactly the captured code, in a checkout of its own. Cancelling the caller stops it in order.

        Parameters:
            command: text, split as a shell splits words, or a list of words.
            env: an environment definition, relative to the project's root; by default the one in force.
            gpu: use GPUs where there are any; else run without, and say so.
            ports: `HOST:CONTAINER` or `ADDRESS:HOST:CONTAINER`, bound to 127.0.0.1 by default.
            session_id: the session that it belongs to, by name, id or prefix; the current one by default.
            name: a name for people.
            executor: `docker` or `process`; by default the environment decides.
            options: data, limits, variables, timeout ...
            live: awaited with each part of the output, once it is recorded.

        Returns:
            The task, also where its command failed: see `status`, `exit_code` and `reason`.

        Raises:
            InvalidArgument: there is no command, or an option cannot be used.
            EngineUnreachable: the environment asks for a container, and no engine answers.
            BuildFailed: the environment could not be built.
            CaptureError: code or environment could not be captured.
        """
        from datmo.engine.ordering import Order
        from datmo.engine.running import Running  # heavy, and reading commands do without

        order = Order.of(
            command,
            env=env,
            gpu=gpu,
            ports=ports,
            session_id=session_id,
            name=name,
            executor=executor,
            limits=Limits.of(options),
        )
        task_id = new_id()
        with one_command(), single_error():
            async with self._recovering.beside():
                await Running(self._workspace, self._executors, order, task_id).run(live)
        return await self._entity(task_id)

    async def rerun(
        self,
        task: str,
        *,
        variables: Mapping[str, str] | None = None,
        name: str | None = None,
        live: Live | None = None,
    ) -> Rerun[Task]:
        """Run a task again, to its end: on the same code, in the same environment, with the same parameters and data.

        The new task's `rerun_of` names the first one, which stays as it is.

        Parameters:
            task: its id or a unique prefix; it has ended in whatever way.
            variables: environment variables whose values were not recorded, as they are secrets; or other ones.
            name: a name for people; by default that of the first one.
            live: as for `run`.

        Returns:
            The new task, and whether it came to the same results.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
            Refused: it has not ended.
            InvalidArgument: a secret is missing, or data is no longer there.
            EngineUnreachable, BuildFailed: as for `run`.
        """
        from datmo.engine.rerunning import agreement_of, created_data, order_again, prepare_again
        from datmo.engine.running import Running

        first = await self._workspace.task(task)
        if first["status"] not in ENDED.values():
            raise Refused(f"task {first['id']} has not ended", hint="wait for it, or stop it: `datmo task stop`")
        created = await created_data(self._workspace, first["id"])
        order = order_again(self._workspace, first["id"], created, name, variables or {})
        task_id = new_id()
        running = Running(self._workspace, self._executors, order, task_id, {"rerun_of": first["id"]})
        with one_command(), single_error():
            async with self._recovering.beside():
                prepared, notices = await prepare_again(self._workspace, running, first["id"], created)
                await running.run_prepared(prepared, notices, live)
        agreement = await agreement_of(self._workspace, first, await self._row(task_id))
        return Rerun(await self._entity(task_id), agreement)

    @asynccontextmanager
    async def start(
        self,
        specs: Iterable[TaskSpec | str | Sequence[str]],
        *,
        limit: int | None = None,
        retries: int = 0,
        max_failures: int | None = None,
        env: str | os.PathLike[str] | None = None,
        gpu: bool = False,
        session_id: str | None = None,
        executor: str | None = None,
        options: TaskOptions | None = None,
        live: ManyLive | None = None,
    ) -> AsyncIterator[RunningTasks]:
        """Run many tasks, so many at a time, as an async context manager; leaving the block stops what still runs.

        Code and environment are captured once, and made ready once. All tasks are recorded before the first one starts;
        one that never does ends STOPPED, with the reason.

        ```python
        async with project.tasks.start(specs, limit=8) as running:
            async for task in running.finished():
                print(task.id, task.status, task.results)
        ```

        Parameters:
            specs: what is run: `TaskSpec`, or commands as for `run`.
            limit: how many at a time; by default what the setting `jobs` says, or as many as there are processors.
            retries: how often a task that fails is run again; each attempt is a task of its own, whose `retry_of` names
                the first. A command that is not there is not tried again.
            max_failures: after so many tasks that failed, the last attempt too, the others are stopped.
            env, gpu, session_id, executor, options: as for `run`, for all of them.
            live: awaited with a task's id, a stream and a part of the output, once it is recorded.

        Raises:
            InvalidArgument: a command or an option cannot be used.
            EngineUnreachable, BuildFailed, CaptureError: as for `run`.
        """
        from datmo.engine.ordering import Order
        from datmo.engine.running import Running
        from datmo.engine.starting import Plan, Sweep, start_all

        limits, plan = (
            Limits.of(options),
            Plan.of(self._workspace.settings["jobs"] if limit is None else limit, retries, max_failures),
        )
        orders = [
            Order.of(
                spec.command,
                env=env,
                gpu=gpu,
                ports=(),
                session_id=session_id,
                name=spec.name,
                executor=executor,
                limits=limits,
                parameters=spec.parameters,
            )
            for spec in (each if isinstance(each, TaskSpec) else TaskSpec(each) for each in specs)
        ]
        sweep = Sweep(self._workspace, partial(Running, self._workspace, self._executors), orders, plan, live)
        with one_command(), single_error():
            async with self._recovering.beside(), start_all(sweep):
                yield RunningTasks(self._workspace, sweep, self._attendance, self._entity)

    async def map(
        self,
        specs: Iterable[TaskSpec | str | Sequence[str]],
        *,
        limit: int | None = None,
        retries: int = 0,
        max_failures: int | None = None,
        env: str | os.PathLike[str] | None = None,
        gpu: bool = False,
        session_id: str | None = None,
        executor: str | None = None,
        options: TaskOptions | None = None,
        live: ManyLive | None = None,
    ) -> list[Task]:
        """Run many tasks to their ends, so many at a time, and return them in the order in which they were given.

        See `start` for the parameters and errors. Of one that was tried again it is the last attempt. Cancelling the
        caller stops what runs.
        """
        async with self.start(
            specs,
            limit=limit,
            retries=retries,
            max_failures=max_failures,
            env=env,
            gpu=gpu,
            session_id=session_id,
            executor=executor,
            options=options,
            live=live,
        ) as running:
            ended = {task.retry_of or task.id: task async for task in running.finished()}
        return [ended[task_id] for task_id in running.ids]

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

    async def get(self, task: str) -> Task:
        """Return a task by id or unique prefix.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
        """
        (found,) = await tasks_of(self._workspace, [await self._workspace.task(task)])
        return found

    async def inspect(self, task: str) -> dict[str, Any]:
        """Return everything that is known of a task: itself, its code, environment and files, as plain values."""
        from datmo.engine.inspecting import inspect_task

        found = await self.get(task)
        return await inspect_task(self._workspace, await self._workspace.task(found.id), unattended=found.unattended)

    async def stop(self, task: str) -> Task:
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

    async def wait(self, *tasks: str) -> list[Task]:
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

    async def follow(
        self, task: str, *, after: int = 0, since: datetime | None = None, live: bool = True
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
        with one_command(), single_error():
            await self._attendance.wait([row["id"] for row in rows])
        return await tasks_of(self._workspace, [await self._row(row["id"]) for row in rows])

    async def _entity(self, task_id: str) -> Task:
        (task,) = await tasks_of(self._workspace, [await self._row(task_id)])
        return task

    async def _row(self, task_id: str) -> Row:
        # Not by `get`, which hides the task where its session was deleted meanwhile.
        row = await self._workspace.query(lambda connection: view.TASKS.load(connection, task_id))
        if row is None:
            raise EntityNotFound("task", task_id)
        return row
