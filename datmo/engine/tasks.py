"""Commands on tasks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from datmo.core.ids import new_id
from datmo.engine.attending import tasks_of
from datmo.engine.edge import single_error
from datmo.engine.entities import Task
from datmo.engine.executors import Executors
from datmo.engine.workspace import Workspace
from datmo.engine.workspace import command as one_command
from datmo.errors import EntityNotFound
from datmo.projections import tasks as view

if TYPE_CHECKING:
    from datmo.runner.supervisor import Live

__all__ = ["Tasks", "TasksPage"]


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
            live: awaited with each part of the output, once it is recorded.

        Returns:
            The task, also where its command failed: see `status`, `exit_code` and `reason`.

        Raises:
            InvalidArgument: there is no command, or an option cannot be used.
            EngineUnreachable: the environment asks for a container, and no engine answers.
            BuildFailed: the environment could not be built.
            CaptureError: code or environment could not be captured.
        """
        from datmo.engine.running import Order, Running  # heavy, and reading commands do without

        order = Order.of(
            command,
            env=env,
            gpu=gpu,
            ports=ports,
            session_id=session_id,
            name=name,
            executor=executor,
        )
        task_id = new_id()
        with one_command(), single_error():
            await Running(self._workspace, self._executors, order, task_id).run(live)
        # Not by `get`, which hides the task where its session was deleted meanwhile.
        row = await self._workspace.query(lambda connection: view.TASKS.load(connection, task_id))
        if row is None:
            raise EntityNotFound("task", task_id)
        (task,) = await tasks_of(self._workspace, [row])
        return task

    async def ls(
        self,
        *,
        session_id: str | None = None,
        filter: str | None = None,  # noqa: A002  # the seed's name
        limit: int | None = None,
    ) -> list[Task]:
        """Return tasks, newest first.

        Parameters:
            session_id: only those of one session, by name, id or prefix.
            filter: only those with this in their command or name.
            limit: at most that many.

        Raises:
            EntityNotFound: there is no such session.
        """
        return (await self.page(session_id=session_id, filter=filter, limit=limit)).entities

    async def page(
        self,
        *,
        session_id: str | None = None,
        filter: str | None = None,  # noqa: A002  # the seed's name
        limit: int | None = None,
    ) -> TasksPage:
        """Return what `ls` does, and how many there are beside those within the limit."""
        session = None if session_id is None else (await self._workspace.session(session_id))["id"]
        rows, total = await self._workspace.query(
            lambda connection: view.ls(connection, session_id=session, text=filter, limit=limit)
        )
        return TasksPage(await tasks_of(self._workspace, rows), total)

    async def get(self, task: str) -> Task:
        """Return a task by id or unique prefix.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
        """
        (found,) = await tasks_of(self._workspace, [await self._workspace.task(task)])
        return found
