"""From what a caller asks for to a task that runs: captured, placed, made ready, and handed to its supervisor."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from datmo.core import task as rules
from datmo.core.event import NewEvent
from datmo.core.ids import short
from datmo.core.options import Limits
from datmo.core.placement import CODE_AT, SHELL, Placement, place
from datmo.core.sweep import variables
from datmo.engine.building import Place, image_for, interpreter_for
from datmo.engine.capturing import Capturing
from datmo.engine.data import look_at, paths, paths_in_code
from datmo.engine.devices import Devices, check_gpus, gpus_here
from datmo.engine.executors import Executors
from datmo.engine.missing import say_what_was_missing
from datmo.engine.ordering import Order
from datmo.engine.workspace import Workspace
from datmo.projections.projection import Row
from datmo.runner.executors.base import PortMapping, RunSpec
from datmo.runner.library import LIBRARY, make_library
from datmo.runner.supervisor import Live, Supervisor

if TYPE_CHECKING:
    from datmo.capture.collect import Stamp
    from datmo.objects.hold import Hold

__all__ = ["Prepared", "Running"]

_OF_A_SHELL = frozenset(["|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1"])
"""Words that somebody who writes them hardly means for the program."""


class Prepared(NamedTuple):
    """An order that is ready to be run: what was captured, and where it will run.

    `gpus` is what the executor is asked for; `data` is what was seen of the data (`datmo.engine.data`).
    """

    session_id: str
    code_id: str
    environment: Row
    placement: Placement
    place: Place
    gpus: str | None
    data: Mapping[str, Mapping[str, Any]]


class Running:
    """The running of one task.

    Parameters:
        workspace: the project.
        executors: where tasks run.
        order: what is asked for.
        task_id: the new task's id.
        marks: what its record says beside the order: the queue that it waits in, which task it repeats.
    """

    def __init__(
        self,
        workspace: Workspace,
        executors: Executors,
        order: Order,
        task_id: str,
        marks: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._workspace = workspace
        self._executors = executors
        self._order = order
        self._task_id = task_id
        self._marks = marks
        self._capturing = Capturing(workspace)
        self._hold: Hold | None = None

    async def run(self, live: Live | None) -> None:
        """Capture, make ready, run to the end. Errors before the task is recorded raise; later ones are its end."""
        async with self._workspace.storing() as self._hold:
            prepared = await self.prepare()
            await self.run_prepared(prepared, self.say(prepared), live)

    async def run_prepared(
        self, prepared: Prepared, notices: Sequence[str], live: Live | None, *, queued: bool = False
    ) -> None:
        """Run what was made ready, here or for another task of the same sweep, to its end.

        Parameters:
            prepared: what `prepare` gave.
            notices: what was said of it.
            live: awaited with each part of the output.
            queued: it is recorded already.
        """
        # Making ready may have taken minutes: in a session that was deleted meanwhile the task would never be seen.
        await self._workspace.session(prepared.session_id)
        async with self._devices(prepared).taken(prepared.gpus) as gpus:
            workspace, spec = self._workspace, self._spec(prepared.place, gpus, prepared.data)
            supervisor = Supervisor(
                log=workspace.log,
                store=workspace.store,
                executor=await self._executors.get(prepared.placement.executor),
                spec=spec,
                runs_on=prepared.place.described,
                created=() if queued else (*self._capturing.events, self.created(prepared)),
                check_out=lambda: self._check_out(spec, prepared.code_id),
                live=live,
                notices=notices,
                notice=workspace.notice,
                grace=workspace.settings["stop.grace"],
                timeout=self._order.limits.timeout,
                system_metrics=self._order.limits.system_metrics,
            )
            await supervisor.run()
        await say_what_was_missing(self._workspace, self._task_id, spec.code_at)

    async def prepare(self) -> Prepared:
        """Capture code and environment, and make ready what it will run in."""
        order, capturing = self._order, self._capturing
        session = await self._workspace.session(order.session_id)
        environment = await capturing.environment(order.env)
        placement = place(environment["kind"], order.executor, self._workspace.settings["executor"])
        return await self._prepare(session["id"], environment, placement, capturing.code)

    async def prepare_again(self, session_id: str, environment: Row, placement: Placement, code_id: str) -> Prepared:
        """Make ready what was captured once and ran already."""
        session = await self._workspace.session(session_id)

        async def known() -> str:
            return code_id

        return await self._prepare(session["id"], environment, placement, known)

    async def _prepare(
        self, session_id: str, environment: Row, placement: Placement, capture_code: Callable[[], Awaitable[str]]
    ) -> Prepared:
        self._refuse(placement)
        data = await self._workspace.in_thread(lambda: look_at(self._order.limits.data, self._workspace.home))
        gpus = await self._gpus(placement)
        code_id = ""

        async def capture() -> None:
            nonlocal code_id
            code_id = await capture_code()

        async with anyio.create_task_group() as workers:
            workers.start_soon(capture)
            await self._executors.get(placement.executor)  # refuses before anything is recorded
        ready = await self._make_ready(placement, environment, code_id)
        return Prepared(session_id, code_id, environment, placement, ready, gpus, data)

    def _refuse(self, placement: Placement) -> None:
        """Refuse what the executor cannot give, before anything is recorded."""
        if placement.executor == "process":
            from datmo.runner.executors.process_start import refuse

            refuse(self._spec(Place(""), self._order.limits.gpus, {}))
        else:
            from datmo.runner.executors.docker_config import container_config

            container_config(self._spec(Place("", image="any"), self._order.limits.gpus, {}))

    async def _gpus(self, placement: Placement) -> str | None:
        """Return what the executor shall be asked for, going by what is here now."""
        order = self._order
        if not order.gpu and order.limits.gpus is None:
            return None
        here = await self._workspace.in_thread(gpus_here)
        if order.gpu:
            return "all" if here else None
        if placement.executor == "process":
            check_gpus(order.limits.gpus, here)
        return order.limits.gpus

    def _devices(self, prepared: Prepared) -> Devices:
        return Devices(self._workspace, shared=prepared.placement.executor != "process" or self._order.gpu)

    async def _make_ready(self, placement: Placement, environment: Row, code_id: str) -> Place:
        if placement.executor == "docker":
            await self.record_captures()
            docker, limits = await self._executors.docker(), self._limits(in_container=True)
            return await image_for(self._workspace, docker, environment, code_id, limits.code_at)
        if environment["kind"] not in ("interpreter", "dockerfile"):
            await self.record_captures()
        return await interpreter_for(self._workspace, environment)

    def _limits(self, *, in_container: bool) -> Limits:
        """Return what the order says, and where it says nothing of the place of the code, what the settings say."""
        limits = self._order.limits
        if not in_container or limits.code_at != CODE_AT:
            return limits
        return limits._replace(code_at=self._workspace.settings["container.code"])

    def _check_out(self, spec: RunSpec, code_id: str) -> Mapping[str, Stamp]:
        from datmo.capture.collect import stamp_tree
        from datmo.runner.folders import open_up
        from datmo.runner.in_place import lay_in
        from datmo.runner.stamps import write_stamps

        if self._hold is not None:
            self._hold.release()  # the task is recorded by now
        spec.files.mkdir()
        if spec.library is not None:
            make_library(spec.library)
        self._workspace.code.checkout(code_id, spec.code, self._workspace.store)
        lay_in(spec.code, spec.in_code, links=spec.image is None)
        if spec.user == "image":
            open_up(spec.folder, spec.code, spec.files)
        stamps = stamp_tree(spec.code)
        write_stamps(spec.folder, stamps)
        return stamps

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
        if (entrypoint := prepared.place.entrypoint) and self._order.argv != list(SHELL):
            twice = self._order.argv[: len(entrypoint)] == list(entrypoint)
            said.append(
                f"the image's ENTRYPOINT goes before the command: {shlex.join(entrypoint)}"
                + ("; the command has it, too: leave it out there" if twice else "")
            )
        if self._order.gpu and prepared.gpus is None:
            said.append("no GPU found here: it runs without")
        if of_a_shell := next((word for word in self._order.argv if word in _OF_A_SHELL), None):
            said.append(f"no shell runs this, so the program is given {of_a_shell!r} as it is; with one: sh -c '…'")
        for line in said:
            self._workspace.notice(line)
        return said

    def created(self, prepared: Prepared) -> NewEvent:
        """Return the event that says what is going to be run."""
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
            options={
                "gpu": order.gpu,
                "ports": list(map(_port_text, order.ports)),
                **self._limits(in_container=prepared.place.image is not None).recorded(),
                **self._marks,
                **({"data": prepared.data} if prepared.data else {}),
                # Whoever finishes the task in our place gives its files back by a container of this image.
                **({"image": prepared.place.image} if prepared.place.image else {}),
            },
        )
        return rules.create(self._task_id, created)

    def _spec(self, ready: Place, gpus: str | None, data: Mapping[str, Mapping[str, Any]]) -> RunSpec:
        folder, limits = (
            self._workspace.tasks_folder / self._task_id,
            self._limits(in_container=ready.image is not None),
        )
        return RunSpec(
            task_id=self._task_id,
            argv=tuple(self._order.argv),
            folder=folder,
            code=folder / "code",
            files=folder / "files",
            image=ready.image,
            variables={**limits.variables, **variables(self._order.parameters)},
            parameters=self._order.parameters,
            data=paths(data, self._workspace.home),
            in_code=paths_in_code(data, self._workspace.home),
            binaries=ready.binaries,
            ports=self._order.ports,
            gpus=gpus,
            memory=limits.memory,
            cpus=limits.cpus,
            network=limits.network,
            user=limits.user,
            code_at=limits.code_at,
            workdir=limits.workdir,
            interactive=limits.interactive,
            output_limit=self._workspace.settings["output.limit"],
            library=self._workspace.folder / LIBRARY,
            python_path=ready.python_path,
        )


def _port_text(port: PortMapping) -> str:
    return f"{port.address}:{port.host}:{port.container}"
