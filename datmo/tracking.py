"""`project.track(...)` and `datmo.track(...)` of the sync API: this process is the task, for the length of a block."""

from __future__ import annotations

import ctypes
import inspect
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from datmo import portal
from datmo.errors import InvalidArgumentType
from datmo.inside import CurrentTask, entered
from datmo.project import open as open_project

if TYPE_CHECKING:
    from datmo.engine import project as engine

__all__ = ["Tracking", "track"]

P = ParamSpec("P")
T = TypeVar("T")


class Tracking:
    """A block, or each call of a function that it decorates, as a task; see `datmo.engine.project.Project.track`."""

    def __init__(self, make: Callable[[], AbstractContextManager[CurrentTask]]) -> None:
        self._make = make
        self._stacks: list[ExitStack] = []

    def __enter__(self) -> CurrentTask:
        with ExitStack() as stack:
            task = stack.enter_context(self._make())
            stack.enter_context(entered(task))
            self._stacks.append(stack.pop_all())
        return task

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._stacks.pop().__exit__(kind, error, trace)

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return a function each of whose calls is a task; in it, `datmo.task.current()` is that task."""
        if inspect.iscoroutinefunction(function):
            raise InvalidArgumentType(
                f"{function.__name__} is an async function: its calls end before they are awaited",
                hint="decorate it with `track` of datmo.aio",
            )

        @wraps(function)
        def call(*arguments: P.args, **options: P.kwargs) -> T:
            with Tracking(self._make):
                return function(*arguments, **options)

        return call


def tracking(
    held: portal.Held[engine.Project],
    name: str | None,
    config: Mapping[str, Any] | None,
    session_id: str | None,
    *,
    system_metrics: bool,
) -> Tracking:
    """Return what `project.track` does, for an open project."""

    def make() -> AbstractContextManager[CurrentTask]:
        from datmo.engine.tracking import tracked

        interrupt = _interrupter(threading.current_thread())
        project = held.value
        given = (project._workspace, project.tasks._recovering, name, config, session_id)
        return portal.entered(tracked(*given, system_metrics=system_metrics, interrupt=interrupt))

    return Tracking(make)


def track(
    name: str | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    session_id: str | None = None,
    system_metrics: bool = True,
    home: str | os.PathLike[str] | None = None,
) -> Tracking:
    """Make this process a task, for the length of a block or for each call of a function; see `Project.track`.

    ```python
    import datmo

    with datmo.track("train", config={"lr": 0.01}) as task:
        task.log(step=0, loss=1.0)


    @datmo.track("evaluate")
    def evaluate():
        datmo.task.current().log_results(accuracy=0.97)
    ```

    Parameters:
        name, config, session_id, system_metrics: as for `Project.track`.
        home: the project's root; the nearest project at or above the working folder by default.
    """

    @contextmanager
    def make() -> Iterator[CurrentTask]:
        with open_project(home) as project:
            made = project.track(name, config=config, session_id=session_id, system_metrics=system_metrics)
            with made as task:
                yield task

    return Tracking(make)


def _interrupter(thread: threading.Thread) -> Callable[[], None]:
    """Return what makes the code of a thread end: Ctrl-C in the main one, the same exception in any other."""

    def interrupt() -> None:
        if thread is threading.main_thread():
            signal.pthread_kill(thread.ident or 0, signal.SIGINT)  # ends what waits in the kernel, too
        else:
            number, kind = ctypes.c_ulong(thread.ident or 0), ctypes.py_object(KeyboardInterrupt)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(number, kind)

    return interrupt
