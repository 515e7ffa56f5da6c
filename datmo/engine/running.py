"""From what a caller asks for to a task that runs: captured, placed, made ready, and handed to its supervisor."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from datmo.core import task as rules
from datmo.core.event import NewEvent
from datmo.core.ids import short
from datmo.core.placement import Placement, place
from datmo.core.sweep import fill, variables
from datmo.engine.building import Place, image_for, interpreter_for
from datmo.engine.capturing import Capturing
from datmo.engine.executors import Executors
from datmo.engine.workspace import Workspace, checked_text
from datmo.errors import InvalidArgument, InvalidArgumentType
from datmo.projections.projection import Row
from datmo.runner.executors.base import PortMapping, RunSpec
from datmo.runner.supervisor import Live, Supervisor

if TYPE_CHECKING:
    from datmo.capture.collect import Stamp

__all__ = ["Order", "Prepared", "Running", "split_command"]

_OF_A_SHELL = frozenset(["|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1"])
"""Words that somebody who writes them hardly means for the program."""


class Order(NamedTuple):
    """A task that somebody asks for; see `datmo.engine.tasks.Tasks.run`."""

    command: str
    argv: list[str]
    env: str | None
    gpu: bool
    ports: tuple[PortMapping, ...]
    session_id: str | None
    name: str | None
    executor: str | None
    parameters: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        command: str | Sequence[str],
        *,
        env: str | os.PathLike[str] | None,
        gpu: bool,
        ports: Sequence[str],
        session_id: str | None,
        name: str | None,
        executor: str | None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Order:
        """Return an order whose values can be used, as far as they alone tell.

        Raises:
            InvalidArgument: one cannot.
        """
        given = dict(parameters or {})
        argv = fill(split_command(command), given)
        if isinstance(ports, str):
            raise InvalidArgumentType(f"ports is a list of port mappings, not the text {ports!r}")
        text = command if isinstance(command, str) and not given else shlex.join(argv)
        return cls(
            # The words themselves are kept byte for byte; this is what people read.
            command=text.encode("utf-8", "backslashreplace").decode(),
            argv=argv,
            env=None if env is None else _path("env", env),
            gpu=gpu,
            ports=tuple(map(_port, ports)),
            session_id=session_id,
            name=None if name is None else checked_text("name", name),
            executor=executor,
            parameters=given,
        )


class Prepared(NamedTuple):
    """An order that is ready to be run: what was captured, and where it will run."""

    session_id: str
    code_id: str
    environment: Row
    placement: Placement
    place: Place
    gpus: str | None


class Running:
    """The running of one task.

    Parameters:
        workspace: the project.
        executors: where tasks run.
        order: what is asked for.
        task_id: the new task's id.
    """

    def __init__(self, workspace: Workspace, executors: Executors, order: Order, task_id: str) -> None:
        self._workspace = workspace
        self._executors = executors
        self._order = order
        self._task_id = task_id
        self._capturing = Capturing(workspace)

    async def run(self, live: Live | None) -> None:
        """Capture, make ready, run to the end. Errors before the task is recorded raise; later ones are its end."""
        prepared = await self.prepare()
        await self.run_prepared(prepared, self.say(prepared), live)

    async def run_prepared(self, prepared: Prepared, notices: Sequence[str], live: Live | None) -> None:
        """Run what was made ready, here or for another task of the same sweep, to its end.

        Parameters:
            prepared: what `prepare` gave.
            notices: what was said of it.
            live: awaited with each part of the output.
        """
        # Making ready may have taken minutes: in a session that was deleted meanwhile the task would never be seen.
        await self._workspace.session(prepared.session_id)
        workspace, spec = self._workspace, self._spec(prepared.place, prepared.gpus)
        supervisor = Supervisor(
            log=workspace.log,
            store=workspace.store,
            executor=await self._executors.get(prepared.placement.executor),
            spec=spec,
            runs_on=prepared.place.described,
            created=(*self._capturing.events, self._created(prepared)),
            check_out=lambda: _check_out(workspace, spec, prepared.code_id),
            live=live,
            notices=notices,
            notice=workspace.notice,
        )
        await supervisor.run()

    async def prepare(self) -> Prepared:
        """Capture code and environment, and make ready what it will run in."""
        order, capturing = self._order, self._capturing
        session = await self._workspace.session(order.session_id)
        environment = await capturing.environment(order.env)
        placement = place(environment["kind"], order.executor)
        if placement.executor == "process":
            from datmo.runner.executors.process_start import refuse

            refuse(self._spec(Place(""), None))
        code_id = ""

        async def capture_code() -> None:
            nonlocal code_id
            code_id = await capturing.code()

        async with anyio.create_task_group() as workers:
            workers.start_soon(capture_code)
            await self._executors.get(placement.executor)  # refuses before anything is recorded
        ready = await self._make_ready(placement, environment, code_id)
        gpus = "all" if order.gpu and environment["hardware"].get("gpus") else None
        return Prepared(session["id"], code_id, environment, placement, ready, gpus)

    async def _make_ready(self, placement: Placement, environment: Row, code_id: str) -> Place:
        if placement.executor == "docker":
            await self.record_captures()
            return await image_for(self._workspace, await self._executors.docker(), environment, code_id)
        if environment["kind"] not in ("interpreter", "dockerfile"):
            await self.record_captures()
        return await interpreter_for(self._workspace, environment)

    async def record_captures(self) -> None:
        """Record what was captured before something is made of it, where it is new."""
        if self._capturing.events:
            await self._workspace.log.append(*self._capturing.events)
            self._capturing.events.clear()

    def say(self, prepared: Prepared) -> list[str]:
        """Tell the user what was made ready, and return that."""
        code, environment = short(prepared.code_id, 7), short(prepared.environment["id"], 7)
        said = [
            f"captured code {code} · environment {environment} ({prepared.environment['described']})",
            f"runs in {prepared.place.described}: {prepared.placement.reason}",
        ]
        if self._order.gpu and prepared.gpus is None:
            said.append("no GPU found here: it runs without")
        if of_a_shell := next((word for word in self._order.argv if word in _OF_A_SHELL), None):
            said.append(f"no shell runs this, so the program is given {of_a_shell!r} as it is; with one: sh -c '…'")
        for line in said:
            self._workspace.notice(line)
        return said

    def _created(self, prepared: Prepared) -> NewEvent:
        order = self._order
        created = rules.TaskCreated(
            session_id=prepared.session_id,
            name=order.name,
            command=order.command,
            argv=order.argv,
            executor=prepared.placement.executor,
            executor_reason=prepared.placement.reason,
            code_id=prepared.code_id,
            environment_id=prepared.environment["id"],
            config=dict(order.parameters),
            options={"gpu": order.gpu, "ports": list(map(_port_text, order.ports))},
        )
        return rules.create(self._task_id, created)

    def _spec(self, ready: Place, gpus: str | None) -> RunSpec:
        folder = self._workspace.tasks_folder / self._task_id
        return RunSpec(
            task_id=self._task_id,
            argv=tuple(self._order.argv),
            folder=folder,
            code=folder / "code",
            files=folder / "files",
            image=ready.image,
            variables=variables(self._order.parameters),
            binaries=ready.binaries,
            ports=self._order.ports,
            gpus=gpus,
        )


def split_command(command: str | Sequence[str]) -> list[str]:
    """Return the words of a command: text split as a shell splits it, or a list as it is.

    Raises:
        InvalidArgument: there are no words, one holds a NUL, or a quote is not closed.
        InvalidArgumentType: it is neither text nor a list of texts.
    """
    if isinstance(command, str):
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise InvalidArgument(f"the command {command!r} cannot be split into words: {error}") from error
    else:
        words = _words(command)
    if not words or not words[0]:
        raise InvalidArgument("there is no command to run", hint='give one, such as "python train.py"')
    if any("\0" in word for word in words):
        raise InvalidArgument(f"the command {command!r} holds a NUL, which no program can be given")
    return words


def _words(command: Any) -> list[str]:
    if isinstance(command, Sequence) and all(isinstance(word, str | os.PathLike) for word in command):
        return [os.fsdecode(word) for word in command]
    raise InvalidArgumentType(f"a command is text or a list of words, not {command!r}")


def _path(name: str, value: Any) -> str:
    if isinstance(value, str | os.PathLike):
        return os.fsdecode(value)
    raise InvalidArgumentType(f"{name} is a path, not {value!r}")


def _port(text: str) -> PortMapping:
    left, _, container = text.rpartition(":")
    address, _, host = left.rpartition(":")
    try:
        mapping = PortMapping(int(host or container), int(container), address or "127.0.0.1")
    except ValueError:
        mapping = PortMapping(0, 0)
    if not (0 < mapping.host < 65536 and 0 < mapping.container < 65536):
        raise InvalidArgument(f"{text!r} is no port mapping", hint="give HOST:CONTAINER, such as 8888:8888")
    return mapping


def _port_text(port: PortMapping) -> str:
    return f"{port.address}:{port.host}:{port.container}"


def _check_out(workspace: Workspace, spec: RunSpec, code_id: str) -> Mapping[str, Stamp]:
    from datmo.capture.collect import stamp_tree
    from datmo.runner.stamps import write_stamps

    spec.files.mkdir()
    workspace.code.checkout(code_id, spec.code, workspace.store)
    stamps = stamp_tree(spec.code)
    write_stamps(spec.folder, stamps)
    return stamps
