"""Commands that run tasks: one, many, again, detached."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from datmo.core.agreement import Rerun
from datmo.core.ids import new_id
from datmo.core.options import Limits, TaskOptions
from datmo.core.sweep import TaskSpec
from datmo.core.task import ENDED
from datmo.engine.attendance import Attendance
from datmo.engine.attending import tasks_of
from datmo.engine.edge import single_error
from datmo.engine.entities import Task
from datmo.engine.executors import Executors
from datmo.engine.recovering import Recovering
from datmo.engine.running_tasks import RunningTasks
from datmo.engine.showing_tasks import shown_run, shown_sweep
from datmo.engine.workspace import Workspace
from datmo.engine.workspace import command as one_command
from datmo.errors import EntityNotFound, InvalidArgument, Refused
from datmo.projections import tasks as view
from datmo.projections.projection import Row

if TYPE_CHECKING:
    from datmo.core.ids import Named
    from datmo.engine.ordering import Order
    from datmo.engine.starting import ManyLive, Plan
    from datmo.runner.supervisor import Live

__all__ = ["Launching"]


class Launching:
    """The part of `project.tasks` that runs tasks; see `datmo.engine.tasks.Tasks`."""

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
            async with self._recovering.beside(), shown_run(self._workspace, task_id, live) as told:
                await Running(self._workspace, self._executors, order, task_id).run(told)
        return await self._entity(task_id)

    async def rerun(
        self,
        task: str | Named,
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
        if first["executor"] == "track":
            raise Refused(
                f"task {first['id']} was a part of a process that tracked itself",
                hint="run its program again, or as a task of its own: `datmo task run`",
            )
        created = await created_data(self._workspace, first["id"])
        order = order_again(self._workspace, first["id"], created, name, variables or {})
        task_id = new_id()
        running = Running(self._workspace, self._executors, order, task_id, {"rerun_of": first["id"]})
        with one_command(), single_error():
            async with self._recovering.beside(), shown_run(self._workspace, task_id, live) as told:
                prepared, notices = await prepare_again(self._workspace, running, first["id"], created)
                await running.run_prepared(prepared, notices, told)
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
        ports: Sequence[str] = (),
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
            ports: as for `run`, where it is one task.
            live: awaited with a task's id, a stream and a part of the output, once it is recorded.

        Raises:
            InvalidArgument: a command or an option cannot be used.
            EngineUnreachable, BuildFailed, CaptureError: as for `run`.
        """
        from datmo.engine.running import Running
        from datmo.engine.starting import Sweep, start_all

        how = {"env": env, "gpu": gpu, "ports": ports, "session_id": session_id, "executor": executor}
        orders, plan = self._asked(specs, (limit, retries, max_failures), how, options)
        make = partial(Running, self._workspace, self._executors)
        with one_command(), single_error():
            async with self._recovering.beside(), shown_sweep(self._workspace, live) as show:
                sweep = Sweep(self._workspace, make, orders, plan, show.live)
                async with start_all(sweep):
                    running = RunningTasks(self._workspace, sweep, self._attendance, self._entity)
                    async with show.watching(running):
                        yield running

    async def map(
        self,
        specs: Iterable[TaskSpec | str | Sequence[str]],
        *,
        limit: int | None = None,
        retries: int = 0,
        max_failures: int | None = None,
        env: str | os.PathLike[str] | None = None,
        gpu: bool = False,
        ports: Sequence[str] = (),
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
            ports=ports,
            session_id=session_id,
            executor=executor,
            options=options,
            live=live,
        ) as running:
            ended = {task.retry_of or task.id: task async for task in running.finished()}
        return [ended[task_id] for task_id in running.ids]

    async def detach(
        self,
        specs: Iterable[TaskSpec | str | Sequence[str]],
        *,
        limit: int | None = None,
        retries: int = 0,
        max_failures: int | None = None,
        env: str | os.PathLike[str] | None = None,
        gpu: bool = False,
        ports: Sequence[str] = (),
        session_id: str | None = None,
        executor: str | None = None,
        options: TaskOptions | None = None,
    ) -> list[Task]:
        """Have tasks run by a process of their own, which outlives this one, and return them once all are recorded.

        From then on `follow`, `stop` and `wait` reach them from any process. See `start` for the parameters and errors.

        Raises:
            RunnerError: the process could not be started.
        """
        from datmo.engine.detaching import detach, request_of

        listed = [each if isinstance(each, TaskSpec) else TaskSpec(each) for each in specs]
        how = {"env": env, "gpu": gpu, "ports": ports, "session_id": session_id, "executor": executor}
        numbers = (limit, retries, max_failures)
        if not self._asked(listed, numbers, how, options)[0]:  # refuses here what would be refused there
            return []
        ids = await detach(
            request_of(self._workspace.home, listed, numbers, how, options or TaskOptions()), self._workspace.notice
        )
        return [await self._entity(task_id) for task_id in ids]

    def _asked(
        self,
        specs: Iterable[TaskSpec | str | Sequence[str]],
        numbers: tuple[int | None, int, int | None],
        how: Mapping[str, Any],
        options: TaskOptions | None,
    ) -> tuple[list[Order], Plan]:
        """Return what is to be started, as far as the values alone tell that it can be."""
        from datmo.engine.ordering import Order
        from datmo.engine.starting import Plan

        limit, retries, max_failures = numbers
        limits = Limits.of(options)
        plan = Plan.of(self._workspace.settings["jobs"] if limit is None else limit, retries, max_failures)
        orders = [
            Order.of(spec.command, name=spec.name, limits=limits, parameters=spec.parameters, **how)
            for spec in (each if isinstance(each, TaskSpec) else TaskSpec(each) for each in specs)
        ]
        if len(orders) > 1 and orders[0].ports:
            raise InvalidArgument("several tasks cannot have one port", hint="give ports to one task alone")
        return orders, plan

    async def _entity(self, task_id: str) -> Task:
        (task,) = await tasks_of(self._workspace, [await self._row(task_id)])
        return task

    async def _row(self, task_id: str) -> Row:
        # Not by `get`, which hides the task where its session was deleted meanwhile.
        row = await self._workspace.query(lambda connection: view.TASKS.load(connection, task_id))
        if row is None:
            raise EntityNotFound("task", task_id)
        return row
