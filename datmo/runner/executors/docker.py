"""Tasks in containers of a Docker engine."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from anyio import to_thread

from datmo.errors import EngineUnreachable, RunnerError
from datmo.runner.executors.base import Chunk, Ended, Handle, RunSpec, Screen
from datmo.runner.executors.docker_client import (
    DockerContainer,
    DockerError,
    Engine,
    Outages,
    Patience,
    Stream,
    sheltered,
    until_gone,
)
from datmo.runner.executors.docker_config import (
    TASK_LABEL,
    TERMINAL_LABEL,
    chown_config,
    container_config,
    container_name,
    ended,
    home_folder,
    start_failure,
    task_folders,
)
from datmo.runner.executors.docker_images import Built, ImageInfo, Images
from datmo.runner.executors.docker_output import read_output, read_terminal
from datmo.runner.executors.docker_screen import attach, container_screen

__all__ = ["Built", "DockerExecutor", "ImageInfo", "Images", "TaskContainer"]


class TaskContainer(NamedTuple):
    """A container of some task on the engine, this project's or another's."""

    handle: Handle
    task_id: str
    state: str
    """`created`, `running`, `exited` ..."""


_MOST_NAMES = 100_000
"""Characters of paths that one command line surely takes."""
_UNSEEN = 64 * 1024
"""Bytes on a terminal, after which nobody needs its first prompt any more."""


class DockerExecutor:
    """Runs tasks in containers, as an async context manager.

    Parameters:
        url: the engine's address; None for `DOCKER_HOST`, else the default socket.
        notice: told, a line each, what a user should know: an engine that went away, something left behind.
    """

    name = "docker"

    def __init__(self, url: str | None = None, *, notice: Callable[[str], None] | None = None) -> None:
        self._engine = Engine(url)
        self._notice = notice or (lambda _: None)
        self._outages = Outages(self._notice)
        self._stopped: set[str] = set()
        self._early: dict[str, Stream] = {}
        self.images: Images = Images(self._engine)

    @property
    def url(self) -> str:
        """The engine's address."""
        return self._engine.url

    async def __aenter__(self) -> Self:
        await self._engine.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in self._early.values():  # screens that nobody looked at
            await stream.close()
        await self._engine.__aexit__(kind, error, trace)

    async def ping(self) -> None:
        """Return when an engine has answered.

        Raises:
            EngineUnreachable: none does.
        """
        await self._engine.docker()

    async def start(self, spec: RunSpec) -> Handle:
        """Create the task's container and start it; failed or cancelled, nothing is left behind.

        Raises:
            StartFailed: the engine refuses, or the command cannot be started (`code` 126 or 127).
            EngineUnreachable: no engine answers.
            InvalidArgument: a value cannot be used.
        """
        config = await to_thread.run_sync(container_config, spec)
        await to_thread.run_sync(_make_ready, spec)
        container = await self._run(config, spec, container_name(spec.task_id))
        return {"container": container, "engine": self.url} | ({"terminal": True} if spec.interactive else {})

    async def _run(self, config: dict[str, Any], spec: RunSpec, name: str) -> str:
        """Create and start a container, and return its id."""
        docker = await self._engine.docker()
        created: list[DockerContainer] = []

        async def create() -> None:
            with self._engine.speaking():
                created.append(await docker.containers.create(config, name=name))

        try:
            # To the end, or the engine might make a container that we know nothing of.
            await sheltered(create)
            with self._engine.speaking():
                if "OpenStdin" in config:  # its first prompt ends in no line, so that no record would have it
                    self._early[created[0].id] = await attach(created[0], interactive=True, record=False)
                await created[0].start()
        except BaseException as error:
            if created:
                await sheltered(lambda: self._discard(created[0]))
            if isinstance(error, DockerError):
                raise await to_thread.run_sync(start_failure, spec, error.message, self.url) from error
            raise
        return created[0].id

    async def find(self, task_id: str, folder: Path) -> Handle | None:
        """Return the handle of the container that is labelled with a task's id, or None."""
        found = await self.containers(f"{TASK_LABEL}={task_id}")
        return found[0].handle if found else None

    async def containers(self, label: str = TASK_LABEL) -> list[TaskContainer]:
        """Return the containers that carry a label, running or not."""
        docker = await self._engine.docker()
        with self._engine.asking():
            found = await docker.containers.list(all=True, filters={"label": [label]})
        return [
            TaskContainer(
                {"container": each.id, "engine": self.url}
                | ({"terminal": True} if TERMINAL_LABEL in each["Labels"] else {}),
                each["Labels"].get(TASK_LABEL, ""),
                each["State"],
            )
            for each in found
        ]

    async def output(
        self, handle: Handle, cursor: int, *, follow: bool, mark: bytes = b""
    ) -> AsyncGenerator[Chunk, None]:
        """Yield the output from record `cursor` on; with `follow`, until the container has ended.

        A connection that breaks is made again, for as long as that takes. Of a container that is gone there
        is nothing: `wait` says so. Close it (`contextlib.aclosing`) where it is not read to its end.
        """
        container = self._id(handle)
        patience = Patience(self._outages)

        def read(cursor: int, mark: bytes) -> AsyncGenerator[Chunk, None]:
            if handle.get("terminal"):
                return read_terminal(self._engine, container, cursor, follow=follow)
            return read_output(self._engine, container, cursor, follow=follow, mark=mark)

        while True:
            try:
                async with aclosing(read(cursor, mark)) as chunks:
                    async for chunk in chunks:
                        patience.over()
                        cursor, mark = chunk.cursor, chunk.mark
                        if cursor > _UNSEEN:  # the engine makes a program wait of whose screen nobody reads a megabyte
                            await self._let_go(container)
                        yield chunk
                patience.over()
                return
            except EngineUnreachable as error:
                await patience.wait(error)
            except DockerError as error:
                if error.status in {404, 409}:  # gone, or on its way
                    return
                await self._retry(error, patience)

    @asynccontextmanager
    async def screen(self, handle: Handle) -> AsyncIterator[Screen]:
        """Show what a container prints, from its start on; the screen of one with a terminal takes what is typed.

        Raises:
            EngineUnreachable: the engine does not answer.
            RunnerError: it refuses.
        """
        container = await self._container(handle)
        early = self._early.pop(container.id, None)
        interactive = bool(handle.get("terminal"))
        async with container_screen(self._engine, container, early, interactive=interactive) as screen:
            yield screen

    async def wait(self, handle: Handle) -> Ended:
        """Return how the container ended, once it has; an engine that goes away meanwhile is waited for."""
        identity = self._id(handle)
        patience = Patience(self._outages)
        lost = False
        while True:
            try:
                container = (await self._engine.docker()).containers.container(identity)
                with self._engine.speaking():
                    found = await container.show() if lost else None
                    if found is None or found["State"]["Running"]:
                        patience.over()
                        lost = False
                        await container.wait()
                        found = await container.show()
                patience.over()
                return ended(found, stopped=identity in self._stopped, lost=lost)
            except EngineUnreachable as error:
                lost = True
                await patience.wait(error)
            except DockerError as error:
                if error.status == 404:
                    return Ended(None, "the container is gone")
                await self._retry(error, patience)

    async def running(self, handle: Handle) -> bool:
        """Say whether the container runs, or is paused.

        Raises:
            EngineUnreachable: the engine does not answer.
        """
        container = await self._container(handle)
        try:
            with self._engine.asking(404):
                found = await container.show()
        except DockerError:
            return False
        return bool(found["State"]["Running"])

    async def process(self, handle: Handle) -> int | None:
        """Return the number of the container's first process, where the engine's processes are in sight."""
        container = await self._container(handle)
        try:
            with self._engine.asking(404):
                found = await container.show()
        except DockerError:
            return None
        process = int(found["State"]["Pid"])
        return process if process and await to_thread.run_sync(_is_of, process, container.id) else None

    async def stop(self, handle: Handle, *, grace: float) -> None:
        """Send SIGTERM (or what the image names), after `grace` seconds SIGKILL; return when it has ended.

        An engine that goes away meanwhile is waited for: the container may run on without it.
        """
        identity = self._id(handle)
        self._stopped.add(identity)
        patience = Patience(self._outages)
        while True:
            try:
                container = await self._container(handle)
                with self._engine.speaking():
                    await container.stop(t=math.ceil(grace))
                patience.over()
                return
            except EngineUnreachable as error:
                await patience.wait(error)
            except DockerError as error:
                if error.status == 404:  # gone, so it has ended
                    return
                await self._retry(error, patience)

    async def remove(self, handle: Handle) -> None:
        """Remove the container with its record, ended or not. Done twice, it does nothing."""
        container = await self._container(handle)
        await self._delete(container)
        self._stopped.discard(container.id)

    async def hand_back(self, spec: RunSpec) -> None:
        """Give what the image's or root's user made in the task's folders to the caller.

        Only root may do so: where we are not, a container of the task's image does.

        Raises:
            StartFailed: that container could not be started.
            RunnerError: it failed.
        """
        if os.getuid() == 0 or spec.user == "me" or not (foreign := await to_thread.run_sync(_foreign, spec)):
            return
        for left in await self.containers(f"{TASK_LABEL}.owner={spec.task_id}"):
            await self.remove(left.handle)  # whoever made it was killed in the middle of this
        container = await self._run(chown_config(spec, foreign), spec, f"{container_name(spec.task_id)}-owner")
        handle = {"container": container, "engine": self.url}
        try:
            end = await self.wait(handle)
        finally:
            await sheltered(lambda: self.remove(handle))
        if end.exit_code != 0:
            raise RunnerError(
                f"files of the task keep another owner: chown in {spec.image} ended with {end.exit_code}",
                hint=f"sudo chown -R {os.getuid()} {spec.files}",
            )

    def _id(self, handle: Handle) -> str:
        engine = handle.get("engine", self.url)
        if engine != self.url:
            raise EngineUnreachable(
                f"the task runs on the engine at {engine}, the one in use is {self.url}",
                hint=f"point DOCKER_HOST there: DOCKER_HOST={engine}",
            )
        return str(handle["container"])

    async def _container(self, handle: Handle) -> DockerContainer:
        container = self._id(handle)
        return (await self._engine.docker()).containers.container(container)

    async def _retry(self, error: DockerError, patience: Patience) -> None:
        """Wait where the engine has troubles of its own, as while it shuts down."""
        if error.status < 500:
            raise RunnerError(f"the Docker engine refused: {error.message}") from error
        await patience.wait(error)

    async def _let_go(self, container: str) -> None:
        """Close a screen that nobody has looked at; whoever does so later gets what is recorded."""
        if early := self._early.pop(container, None):
            await early.close()

    async def _delete(self, container: DockerContainer) -> None:
        try:
            await self._let_go(container.id)
            with self._engine.asking(404, 409):
                await container.delete(force=True, v=True)
        except DockerError as error:
            if error.status == 409:  # another one is at it
                await until_gone(self._engine, container)

    async def _discard(self, container: DockerContainer) -> None:
        try:
            await self._delete(container)
        except RunnerError as error:
            self._notice(f"the container {container.id[:12]} may be left behind: {error}")


def _make_ready(spec: RunSpec) -> None:
    """Make what is mounted: what the task is told, its outbox, and a home where the image has none for its user."""
    spec.lay_out()
    spec.outbox.touch()
    if spec.user == "me":
        home_folder(spec).mkdir(parents=True, exist_ok=True)
    else:  # whoever the image's user is, and however little ours lets others see
        spec.outbox.chmod(0o666)
        spec.config.chmod(0o644)


def _is_of(process: int, container: str) -> bool:
    """Say whether a process is one of a container: on another machine the number is another process's, or none's."""
    try:
        return container in Path(f"/proc/{process}/cgroup").read_text()
    except OSError:
        return False


def _foreign(spec: RunSpec) -> list[str]:
    """Return where in the container something lies that belongs to another user, or that cannot be looked at.

    Only these change hands: a file whose owner is set, even to what it was, would look like one that the task wrote.
    """
    me = os.getuid()
    found: list[str] = []
    unseen: list[OSError] = []
    for target, top in task_folders(spec).items():
        if top.lstat().st_uid != me:
            found.append(target)
            continue
        for place, folders, files, handle in os.fwalk(top, onerror=unseen.append):
            names = [*folders, *files]
            try:
                theirs = {name for name in names if os.stat(name, dir_fd=handle, follow_symlinks=False).st_uid != me}
            except OSError as error:  # a folder that can be read, and not entered
                unseen.append(error)
                break
            inside = os.path.normpath(os.path.join(target, os.path.relpath(place, top)))
            found += [os.path.join(inside, name) for name in names if name in theirs]
            folders[:] = [name for name in folders if name not in theirs]  # handed over with all that is in them
    nameable = all(path.isprintable() for path in found) and sum(map(len, found)) < _MOST_NAMES
    return found if nameable and not unseen else list(task_folders(spec))
