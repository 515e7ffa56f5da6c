"""`project.track(...)`: this process is the task, for the length of a block."""

from __future__ import annotations

import asyncio
import inspect
import os
import platform
import re
import shlex
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from datmo.core import task as rules
from datmo.core.event import NewEvent
from datmo.core.ids import new_id, short
from datmo.engine.capturing import Capturing
from datmo.engine.edge import single_error
from datmo.engine.kernel import in_notebook
from datmo.engine.recovering import Recovering
from datmo.engine.workspace import Workspace, checked_text, command
from datmo.errors import InvalidArgumentType, TaskStopped
from datmo.eventlog.codec import encode
from datmo.inside import CurrentTask, entered
from datmo.inside.files import name_of
from datmo.inside.lines import artifact
from datmo.runner.executors.base import Ended

if TYPE_CHECKING:
    from datmo.capture.collect import Stamp
    from datmo.runner.executors.track import OwnProcess
    from datmo.runner.supervisor import Supervisor

__all__ = ["TrackedTask", "Tracking", "track", "tracked"]

P = ParamSpec("P")
T = TypeVar("T")

_FAILED = 1
_LONGEST_REASON = 1000


class TrackedTask(CurrentTask):
    """The task that this process is. Its calls are plain ones, from the event loop, from threads, in forked children.

    Attributes:
        id: the task's id.
    """

    def __init__(self, task_id: str, outbox: str, folder: str, wake: Callable[[], None]) -> None:
        super().__init__(task_id, outbox, folder)
        self._wake = wake

    def log_artifact(self, path: str | os.PathLike[str]) -> None:
        """Keep a file, or all files of a folder.

        They are copied beside what goes on here, at the latest when the block is left: give each a name of its own,
        or do not write to it any more.

        Parameters:
            path: the file or folder.

        Raises:
            FileNotFoundError: there is none.
            OSError: the disk is full.
        """
        given = os.fspath(path)
        os.stat(given)
        self._outbox.write(artifact(os.path.abspath(given), name_of(given)))
        self._wake()


class Tracking:
    """A block, or each call of an async function that it decorates, as a task; see `Project.track`.

    Parameters:
        make: makes what is entered, anew for each block.
    """

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[TrackedTask]]) -> None:
        self._make = make
        self._stacks: list[AsyncExitStack] = []

    async def __aenter__(self) -> TrackedTask:
        async with AsyncExitStack() as stack:
            task = await stack.enter_async_context(self._make())
            stack.enter_context(entered(task))
            self._stacks.append(stack.pop_all())
        return task

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._stacks.pop().__aexit__(kind, error, trace)

    def __call__(self, function: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        """Return a function each of whose calls is a task; in it, `datmo.task.current()` is that task."""
        if not inspect.iscoroutinefunction(function):
            raise InvalidArgumentType(f"{function!r} is no async function", hint="decorate it with `datmo.track`")

        @wraps(function)
        async def call(*arguments: P.args, **options: P.kwargs) -> T:
            async with Tracking(self._make):
                return await function(*arguments, **options)

        return call


@asynccontextmanager
async def tracked(
    workspace: Workspace,
    recovering: Recovering,
    name: str | None,
    config: Mapping[str, Any] | None,
    session_id: str | None,
    *,
    system_metrics: bool = True,
    interrupt: Callable[[], None] | None = None,
) -> AsyncIterator[TrackedTask]:
    """Make this process a task for the length of a block; see `datmo.engine.project.Project.track`.

    Parameters:
        workspace: the project.
        recovering: takes over what killed processes left.
        name, config, session_id, system_metrics: as there.
        interrupt: makes the code of the block end, where that does not run in this scope.
    """
    from datmo.runner.executors.track import OwnProcess

    _check(name, config)
    scope = anyio.CancelScope()
    own = OwnProcess(interrupt or scope.cancel)
    error: BaseException | None = None
    with single_error():
        async with recovering.beside(), anyio.create_task_group() as workers:
            options = {"gpu": False, "ports": [], **({} if system_metrics else {"system_metrics": False})}
            supervisor = await _begin(workspace, own, workers, (name, dict(config or {}), session_id, options))
            task = await _task_of(supervisor)
            try:
                with scope:
                    yield task
            except anyio.get_cancelled_exc_class():
                supervisor.will_stop()
                raise
            except BaseException as raised:  # noqa: BLE001  # it goes on behind the group
                error = raised
                if isinstance(raised, KeyboardInterrupt | GeneratorExit):
                    supervisor.will_stop()
            finally:
                task._outbox.close()
                own.leave(_outcome(error))
    if own.asked:
        raise TaskStopped(f"task {short(task.id)} was stopped, as somebody asked") from error
    if error is not None:
        raise error


def _check(name: str | None, config: Mapping[str, Any] | None) -> None:
    if name is not None:
        checked_text("name", name)
    if config is not None and not isinstance(config, Mapping):
        raise InvalidArgumentType(f"config is a dict of names and values, not {config!r}")
    encode(dict(config or {}))


async def _begin(
    workspace: Workspace,
    own: OwnProcess,
    workers: TaskGroup,
    given: tuple[str | None, dict[str, Any], str | None, dict[str, Any]],
) -> Supervisor:
    """Capture code and environment, and record that the task runs."""
    name, config, session_id, options = given
    task_id = new_id()
    with command():  # the code of the block is none of this command's
        async with workspace.storing():
            session = await workspace.session(session_id)
            capturing = Capturing(workspace)
            environment = await capturing.environment()
            created = rules.TaskCreated(
                session_id=session["id"],
                name=name,
                command=_what_runs().encode("utf-8", "backslashreplace").decode(),
                argv=list(sys.orig_argv),
                executor=own.name,
                executor_reason="its own code tracks it",
                code_id=await capturing.code(),
                environment_id=environment["id"],
                config=config,
                options=options,
            )
            events = (*capturing.events, rules.create(task_id, created))
            supervisor = _supervisor(workspace, own, task_id, events, options.get("system_metrics", True))
            workers.start_soon(supervisor.run, name=f"tracking of task {task_id}")
            await own.started.wait()
    return supervisor


def _what_runs() -> str:
    """Return the command line of this process; of a notebook's kernel, whose says nothing, the notebook."""
    if in_notebook() is None:
        return shlex.join(sys.orig_argv)
    found = re.search(r"[^/\\]+\.ipynb", os.environ.get("JPY_SESSION_NAME", ""))  # Jupyter's server says it
    return f"notebook {shlex.quote(found[0])}" if found else "notebook"


def _supervisor(
    workspace: Workspace, own: OwnProcess, task_id: str, created: Sequence[NewEvent], system_metrics: bool
) -> Supervisor:
    from datmo.runner.executors.base import RunSpec
    from datmo.runner.supervisor import Supervisor

    folder = workspace.tasks_folder / task_id
    spec = RunSpec(task_id=task_id, argv=(), folder=folder, code=folder / "code", files=folder / "files", own=True)

    def check_out() -> Mapping[str, Stamp]:
        spec.files.mkdir()
        spec.code.mkdir()  # it stays empty: the code runs where it is
        return {}

    return Supervisor(
        log=workspace.log,
        store=workspace.store,
        executor=own,
        spec=spec,
        runs_on=f"this process, Python {platform.python_version()}",
        created=created,
        check_out=check_out,
        notice=workspace.notice,
        system_metrics=system_metrics,
    )


async def _task_of(supervisor: Supervisor) -> TrackedTask:
    spec, loop = supervisor.spec, asyncio.get_running_loop()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop is closed: what is in the outbox is taken all the same
            loop.call_soon_threadsafe(supervisor.outbox.wake)

    task = TrackedTask(spec.task_id, str(spec.outbox), str(spec.files), wake)
    await anyio.to_thread.run_sync(task._outbox.open)
    return task


def _outcome(error: BaseException | None) -> Ended:
    """Return how a task has ended whose block was left so."""
    if error is None:
        return Ended(0)
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        return Ended(
            code & 0xFF, None if code == 0 or isinstance(error.code, int) else str(error.code)[:_LONGEST_REASON]
        )
    said = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    return Ended(_FAILED, said.encode("utf-8", "backslashreplace").decode()[:_LONGEST_REASON])


def track(
    name: str | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    session_id: str | None = None,
    system_metrics: bool = True,
    home: str | os.PathLike[str] | None = None,
) -> Tracking:
    """Open a project and make this process a task of it; see `Project.track`.

    ```python
    @datmo.track("train")
    async def train():
        datmo.current().log(step=0, loss=1.0)
    ```

    Parameters:
        name, config, session_id, system_metrics: as for `Project.track`.
        home: the project's root; the nearest project at or above the working folder by default.
    """

    @asynccontextmanager
    async def make() -> AsyncIterator[TrackedTask]:
        from datmo.engine.project import open_project

        async with open_project(home) as project:
            made = project.track(name, config=config, session_id=session_id, system_metrics=system_metrics)
            async with made as task:
                yield task

    return Tracking(make)
