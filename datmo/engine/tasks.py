"""Commands on tasks."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from datmo.core import task as rules
from datmo.core.ids import new_id, short
from datmo.core.placement import Placement, place
from datmo.engine.building import Place, image_for, interpreter_for
from datmo.engine.capturing import Capturing
from datmo.engine.edge import single_error
from datmo.engine.entities import Task
from datmo.engine.executors import Executors
from datmo.engine.workspace import Workspace
from datmo.engine.workspace import command as one_command
from datmo.errors import InvalidArgument
from datmo.projections import tasks as view
from datmo.projections.projection import Row
from datmo.runner.executors.base import PortMapping, RunSpec
from datmo.runner.supervisor import Live, Supervisor

if TYPE_CHECKING:
    from datmo.capture.collect import Stamp

__all__ = ["Tasks", "TasksPage", "split_command"]


class TasksPage(NamedTuple):
    """Some tasks, newest first, and how many there are in all."""

    entities: list[Task]
    total: int


class _Prepared(NamedTuple):
    """A task that is ready to be run: what was captured, and where it will run."""

    argv: list[str]
    command: str
    session_id: str
    code_id: str
    environment: Row
    placement: Placement
    place: Place


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
        env: str | None = None,
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
        argv = split_command(command)
        mappings = tuple(_port(text) for text in ports)
        capturing = Capturing(self._workspace)
        with one_command(), single_error():
            prepared = await self._prepare(capturing, argv, command, env, session_id, executor)
            task_id = new_id()
            notices = self._notices(prepared, gpu)
            created = rules.TaskCreated(
                session_id=prepared.session_id,
                name=name,
                command=prepared.command,
                argv=argv,
                executor=prepared.placement.executor,
                executor_reason=prepared.placement.reason,
                code_id=prepared.code_id,
                environment_id=prepared.environment["id"],
                config={},
                options={"gpu": gpu, "ports": list(ports)},
            )
            await self._workspace.log.append(*capturing.events, rules.create(task_id, created))
            await self._run(task_id, prepared, _gpus(prepared, gpu), mappings, live, notices)
        return await self.get(task_id)

    async def _prepare(
        self,
        capturing: Capturing,
        argv: list[str],
        given: str | Sequence[str],
        env: str | None,
        session_id: str | None,
        executor: str | None,
    ) -> _Prepared:
        session = await self._workspace.session(session_id)
        environment = await capturing.environment(env)
        placement = place(environment["kind"], executor)
        code_id = ""

        async def capture_code() -> None:
            nonlocal code_id
            code_id = await capturing.code()

        async with anyio.create_task_group() as workers:
            workers.start_soon(capture_code)
            await self._executors.get(placement.executor)  # refuses before anything is written
        if placement.executor == "docker" or environment["kind"] not in ("interpreter", "dockerfile"):
            await self._append_new(capturing)
        if placement.executor == "docker":
            ready = await image_for(self._workspace, await self._executors.docker(), environment, code_id)
        else:
            ready = await interpreter_for(self._workspace, environment)
        text = given if isinstance(given, str) else shlex.join(argv)
        return _Prepared(argv, text, session["id"], code_id, environment, placement, ready)

    async def _append_new(self, capturing: Capturing) -> None:
        """Record what was captured before something is built from it, where it is new."""
        if capturing.events:
            await self._workspace.log.append(*capturing.events)
            capturing.events.clear()

    def _notices(self, prepared: _Prepared, gpu: bool) -> list[str]:
        code, environment = short(prepared.code_id, 7), short(prepared.environment["id"], 7)
        said = [
            f"captured code {code} · environment {environment} ({prepared.environment['described']})",
            f"runs in {prepared.place.described}: {prepared.placement.reason}",
        ]
        if gpu and not prepared.environment["hardware"].get("gpus"):
            said.append("no GPU found here: it runs without")
        for line in said:
            self._workspace.notice(line)
        return said

    async def _run(
        self,
        task_id: str,
        prepared: _Prepared,
        gpus: str | None,
        ports: tuple[PortMapping, ...],
        live: Live | None,
        notices: list[str],
    ) -> None:
        workspace = self._workspace
        folder = workspace.tasks_folder / task_id
        spec = RunSpec(
            task_id=task_id,
            argv=tuple(prepared.argv),
            folder=folder,
            code=folder / "code",
            files=folder / "files",
            image=prepared.place.image,
            binaries=prepared.place.binaries,
            ports=ports,
            gpus=gpus,
        )
        supervisor = Supervisor(
            log=workspace.log,
            store=workspace.store,
            executor=await self._executors.get(prepared.placement.executor),
            spec=spec,
            runs_on=prepared.place.described,
            check_out=lambda: _check_out(workspace, spec, prepared.code_id),
            live=live,
            notices=notices,
        )
        await supervisor.run()

    async def ls(
        self, *, session_id: str | None = None, filter: str | None = None, limit: int | None = None
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
        self, *, session_id: str | None = None, filter: str | None = None, limit: int | None = None
    ) -> TasksPage:
        """Return what `ls` does, and how many there are beside those within the limit."""
        session = None if session_id is None else (await self._workspace.session(session_id))["id"]
        rows, total = await self._workspace.query(
            lambda connection: view.ls(connection, session_id=session, text=filter, limit=limit)
        )
        return TasksPage([self._entity(row) for row in rows], total)

    async def get(self, task: str) -> Task:
        """Return a task by id or unique prefix.

        Raises:
            EntityNotFound, AmbiguousId: none fits, or several do.
        """
        return self._entity(await self._workspace.task(task))

    def _entity(self, row: dict[str, Any]) -> Task:
        return Task.of(view.entity(row, self._workspace.project_id), self._workspace)


def split_command(command: str | Sequence[str]) -> list[str]:
    """Return the words of a command: text split as a shell splits it, or a list as it is.

    Raises:
        InvalidArgument: there are no words, or a quote is not closed.
    """
    if isinstance(command, str):
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise InvalidArgument(f"the command {command!r} cannot be split into words: {error}") from error
    else:
        words = [os.fspath(word) for word in command]
    if not words or not words[0]:
        raise InvalidArgument("there is no command to run", hint='datmo task run "python train.py"')
    return words


def _port(text: str) -> PortMapping:
    address, _, pair = text.rpartition(":")[0].rpartition(":")
    host, container = (pair, text.rpartition(":")[2]) if ":" in text else (text, text)
    try:
        mapping = PortMapping(int(host), int(container), address or "127.0.0.1")
    except ValueError:
        mapping = PortMapping(0, 0)
    if not (0 < mapping.host < 65536 and 0 < mapping.container < 65536):
        raise InvalidArgument(f"{text!r} is no port mapping", hint="give HOST:CONTAINER, such as 8888:8888")
    return mapping


def _gpus(prepared: _Prepared, gpu: bool) -> str | None:
    return "all" if gpu and prepared.environment["hardware"].get("gpus") else None


def _check_out(workspace: Workspace, spec: RunSpec, code_id: str) -> Mapping[str, Stamp]:
    from datmo.capture.collect import stamp_tree

    spec.files.mkdir()
    workspace.code.checkout(code_id, spec.code, workspace.store)
    return stamp_tree(spec.code)
