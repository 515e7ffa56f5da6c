"""The synchronous project: the same rooms as in the async API, without the awaiting."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from datmo import portal
from datmo.core.event import EXPECTATIONS, Expected

if TYPE_CHECKING:
    from datmo.config import ProjectConfig
    from datmo.core.collecting import Collection
    from datmo.core.entity.environment import Environment
    from datmo.core.entity.session import Session
    from datmo.core.environment import EnvironmentDifference, EnvironmentInUse, Proposal
    from datmo.core.event import Appended, Event, NewEvent
    from datmo.core.ids import Named
    from datmo.engine import project as engine
    from datmo.engine.log import AsOf
    from datmo.engine.project import Status
    from datmo.eventlog.verify import LogReport
    from datmo.objects.meter import Reported
    from datmo.projections.views import ReplayReport
    from datmo.snapshot import Snapshot
    from datmo.snapshots import Snapshots
    from datmo.task import Task
    from datmo.tasks import Tasks
    from datmo.tracking import Tracking

__all__ = ["Project", "cleanup", "init", "open"]

Home = str | os.PathLike[str] | None
T = TypeVar("T")


class Project:
    """An open project, for scripts and notebooks. Made by `datmo.open()`.

    ```python
    import datmo

    with datmo.open() as project:
        task = project.tasks.run("python train.py")
        project.snapshots.create("first", task_id=task.id)
    ```

    It is open from then on, so that the cells of a notebook may share one; `with` closes it behind the block.

    ```python
    project = datmo.open()
    project.tasks.ls()
    project.close()
    ```
    """

    def __init__(self, manager: AbstractAsyncContextManager[engine.Project]) -> None:
        from datmo.config import ProjectConfig
        from datmo.engine.kernel import in_notebook
        from datmo.helping import complete_docstrings
        from datmo.snapshots import Snapshots
        from datmo.tasks import Tasks

        # Its rooms hold it, too: `datmo.open().tasks` is open for as long as somebody has it.
        self._held = held = portal.Held(manager)
        if in_notebook() is not None:
            complete_docstrings()
        self._project = held.value
        self._closed = False
        self.sessions: Sessions = Sessions(held)
        self.snapshots: Snapshots = Snapshots(held)
        self.tasks: Tasks = Tasks(held)
        self.environments: Environments = Environments(held)
        self.log: EventLog = EventLog(held)
        self.config: ProjectConfig = ProjectConfig(held)

    def close(self) -> None:
        """Close it; again does nothing. It is closed as well when nothing of it is in use any more."""
        self.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._held.leave(kind, error, trace)

    def __repr__(self) -> str:
        return f"<Project {self.home}{', closed' if self._closed else ''}>"

    @property
    def id(self) -> str:
        """The project's id: the `model_id` of its entities."""
        return self._project.id

    @property
    def home(self) -> Path:
        """The project's root folder."""
        return self._project.home

    def describe(self, *, name: str | None = None, description: str | None = None) -> None:
        """Change name or description; None keeps what there is."""
        portal.call(self._project.describe, name=name, description=description)

    def status(self, *, changes: bool = True) -> Status[Snapshot, Task]:
        """Return what the project is like at the moment."""
        from datmo.engine.project import Status
        from datmo.snapshot import Snapshot
        from datmo.task import Task

        found = portal.call(self._project.status, changes=changes)._asdict()
        if found["snapshot"] is not None:
            found["snapshot"] = Snapshot(found["snapshot"], self.home)
        for name in ("running", "ended"):
            found[name] = [Task(task, self.home) for task in found[name]]
        return Status(**found)

    def track(
        self,
        name: str | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        system_metrics: bool = True,
    ) -> Tracking:
        """Make this process a task, for the length of a `with` block, or for each call of a function.

        ```python
        with project.track("train", config={"lr": 0.01}) as task:
            task.log(step=0, loss=1.0)
        ```
        """
        from datmo.tracking import tracking

        return tracking(self._held, name, config, session_id, system_metrics=system_metrics)

    def gc(self, *, dry_run: bool = False, progress: Reported | None = None) -> Collection:
        """Remove what nobody needs, or only say what that is; see `datmo.engine.project.Project.gc`."""
        return portal.call(self._project.gc, dry_run=dry_run, progress=progress)

    def cleanup_plan(self) -> list[str]:
        """Return what `cleanup` would remove, a line each."""
        return portal.call(self._project.cleanup_plan)


def open(home: Home = None, *, notice: Callable[[str], None] | None = None) -> Project:  # noqa: A001
    """Open a project, for a `with` block or until it is closed; see `datmo.aio.open`."""
    from datmo.engine.project import open_project

    return Project(open_project(home, notice=notice))


def init(
    home: Home = None,
    *,
    name: str | None = None,
    description: str | None = None,
    notice: Callable[[str], None] | None = None,
) -> Project:
    """Make a folder a project and open it, for a `with` block or until it is closed; see `datmo.aio.init`."""
    from datmo.engine.project import init as init_project

    return Project(init_project(home, name=name, description=description, notice=notice))


def cleanup(
    home: Home = None, *, notice: Callable[[str], None] | None = None, progress: Reported | None = None
) -> list[str]:
    """Remove a project, not the user's files; returns what was removed, a line each. See `datmo.aio.cleanup`."""
    from datmo.engine.project import cleanup as clean_up

    return portal.call(clean_up, home, notice=notice, progress=progress)


class Sessions:
    """`project.sessions`; see `datmo.engine.sessions.Sessions`."""

    def __init__(self, held: portal.Held[engine.Project]) -> None:
        self._held = held
        self._sessions = held.value.sessions

    def create(self, name: str, *, current: bool = True) -> Session:
        """Create a session, and make it the current one."""
        return portal.call(self._sessions.create, name, current=current)

    def select(self, session: str | Named) -> Session:
        """Make a session the current one."""
        return portal.call(self._sessions.select, session)

    def delete(self, session: str | Named) -> Session:
        """Delete a session, which hides what is in it; returns the one that is current then."""
        return portal.call(self._sessions.delete, session)

    def undelete(self, session: str | Named) -> Session:
        """Bring a deleted session back, with what is in it."""
        return portal.call(self._sessions.undelete, session)

    def ls(self) -> list[Session]:
        """Return all sessions, oldest first."""
        return portal.call(self._sessions.ls)

    def current(self) -> Session:
        """Return the current session."""
        return portal.call(self._sessions.current)

    def get(self, session: str | Named) -> Session:
        """Return a session by name, id or unique prefix."""
        return portal.call(self._sessions.get, session)


class Environments:
    """`project.environments`; see `datmo.engine.environments.Environments`."""

    def __init__(self, held: portal.Held[engine.Project]) -> None:
        self._held = held
        self._environments = held.value.environments

    def ls(self) -> list[Environment]:
        """Return all environments, newest first."""
        return portal.call(self._environments.ls)

    def get(self, environment_id: str) -> Environment:
        """Return an environment by id or unique prefix."""
        return portal.call(self._environments.get, environment_id)

    def current(self, definition: str | os.PathLike[str] | None = None) -> EnvironmentInUse:
        """Return the environment that a task would run in now, and why."""
        return portal.call(self._environments.current, definition)

    def create(
        self, definition: str | os.PathLike[str] | None = None, *, build: bool = True, executor: str | None = None
    ) -> Environment:
        """Record an environment, and build it ahead of time."""
        return portal.call(self._environments.create, definition, build=build, executor=executor)

    def setup(self, *, dockerfile: bool = False, write: bool = False) -> Proposal:
        """Propose a definition for a project that has none."""
        return portal.call(self._environments.setup, dockerfile=dockerfile, write=write)

    def inspect(self, environment_id: str) -> dict[str, Any]:
        """Return everything that is known of an environment, as plain values."""
        return portal.call(self._environments.inspect, environment_id)

    def diff(self, first: str, second: str) -> EnvironmentDifference:
        """Return what differs between two environments."""
        return portal.call(self._environments.diff, first, second)

    def delete(self, environment_id: str) -> Environment:
        """Hide an environment, and remove what was built of it."""
        return portal.call(self._environments.delete, environment_id)


class EventLog:
    """`project.log`; see `datmo.engine.log.Log`."""

    def __init__(self, held: portal.Held[engine.Project]) -> None:
        self._held = held
        self._log = held.value.log

    def append(
        self,
        *events: NewEvent,
        expected: EXPECTATIONS | Mapping[str, EXPECTATIONS] = Expected.ANY,
        key: str | None = None,
        durable: bool = True,
    ) -> Appended:
        """Append events of your own, all or none."""
        return portal.call(self._log.append, *events, expected=expected, key=key, durable=durable)

    def read(
        self,
        *,
        after: int = 0,
        upto: int | None = None,
        stream: str | None = None,
        types: Sequence[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        backward: bool = False,
        limit: int | None = None,
    ) -> Iterator[Event]:
        """Yield events in the order of their positions."""
        return portal.each(
            self._log.read(
                after=after,
                upto=upto,
                stream=stream,
                types=types,
                since=since,
                until=until,
                backward=backward,
                limit=limit,
            ),
            self._held,
        )

    def follow(
        self, *, after: int | None = None, stream: str | None = None, types: Sequence[str] = ()
    ) -> Iterator[Event]:
        """Yield events as any process appends them, for ever."""
        return portal.each(self._log.follow(after=after, stream=stream, types=types), self._held)

    def get(self, position: int) -> Event:
        """Return the event at a position."""
        return portal.call(self._log.get, position)

    def stream(self, entity: str) -> str:
        """Return the stream of an entity that is named as people do: `task/4fk2`."""
        return portal.call(self._log.stream, entity)

    def payload(self, position: int) -> bytes | None:
        """Return the bytes beside an event; None where it has none or they were erased."""
        return portal.call(self._log.payload, position)

    def head(self) -> tuple[int, str]:
        """Return the last position and its hash."""
        return portal.call(self._log.head)

    def verify(self, *, progress: Reported | None = None) -> LogReport:
        """Check every stored byte, and that the head noted in git lies in the log."""
        return portal.call(self._log.verify, progress=progress)

    def replay(self, *, progress: Reported | None = None) -> ReplayReport:
        """Fold the whole log anew beside the live views, and compare."""
        return portal.call(self._log.replay, progress=progress)

    def as_of(self, moment: int | datetime, *, progress: Reported | None = None) -> AsOf:
        """Return sessions, snapshots and tasks as they were at a position or a time."""
        return portal.call(self._log.as_of, moment, progress=progress)
