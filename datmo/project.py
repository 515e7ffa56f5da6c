"""The synchronous project: the same rooms as in the async API, without the awaiting."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from datmo import portal
from datmo.core.event import EXPECTATIONS, Expected

if TYPE_CHECKING:
    from datmo.core.differences import Difference
    from datmo.core.entity.environment import Environment
    from datmo.core.entity.session import Session
    from datmo.core.event import Appended, Event, NewEvent
    from datmo.core.sweep import TaskSpec
    from datmo.engine import project as engine
    from datmo.engine.log import AsOf, Log
    from datmo.engine.project import Status
    from datmo.engine.tasks import TaskUpdate
    from datmo.eventlog.verify import LogReport
    from datmo.projections.views import ReplayReport
    from datmo.snapshot import Snapshot
    from datmo.task import Task

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
    """

    def __init__(self, project: engine.Project) -> None:
        self._project = project
        self.sessions: Sessions = Sessions(project)
        self.snapshots: Snapshots = Snapshots(project)
        self.tasks: Tasks = Tasks(project)
        self.environments: Environments = Environments(project)
        self.log: EventLog = EventLog(project.log)

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

    def status(self) -> Status[Snapshot, Task]:
        """Return what the project is like at the moment."""
        from datmo.engine.project import Status
        from datmo.snapshot import Snapshot
        from datmo.task import Task

        found = portal.call(self._project.status)._asdict()
        if found["snapshot"] is not None:
            found["snapshot"] = Snapshot(found["snapshot"], self.home)
        found["running"] = [Task(task, self.home) for task in found["running"]]
        return Status(**found)

    def cleanup_plan(self) -> list[str]:
        """Return what `cleanup` would remove, a line each."""
        return portal.call(self._project.cleanup_plan)


@contextmanager
def open(home: Home = None, *, notice: Callable[[str], None] | None = None) -> Iterator[Project]:  # noqa: A001
    """Open a project; see `datmo.aio.open`."""
    from datmo.engine.project import open_project

    with portal.entered(open_project(home, notice=notice)) as project:
        yield Project(project)


@contextmanager
def init(
    home: Home = None,
    *,
    name: str | None = None,
    description: str | None = None,
    notice: Callable[[str], None] | None = None,
) -> Iterator[Project]:
    """Make a folder a project and open it; see `datmo.aio.init`."""
    from datmo.engine.project import init as init_project

    with portal.entered(init_project(home, name=name, description=description, notice=notice)) as project:
        yield Project(project)


def cleanup(home: Home = None, *, notice: Callable[[str], None] | None = None) -> list[str]:
    """Remove a project, not the user's files; returns what was removed, a line each."""
    from datmo.engine.project import cleanup as clean_up

    return portal.call(clean_up, home, notice=notice)


class Sessions:
    """`project.sessions`; see `datmo.engine.sessions.Sessions`."""

    def __init__(self, project: engine.Project) -> None:
        self._sessions = project.sessions

    def create(self, name: str, *, current: bool = True) -> Session:
        """Create a session, and make it the current one."""
        return portal.call(self._sessions.create, name, current=current)

    def select(self, session: str) -> Session:
        """Make a session the current one."""
        return portal.call(self._sessions.select, session)

    def delete(self, session: str) -> Session:
        """Delete a session, which hides what is in it; returns the one that is current then."""
        return portal.call(self._sessions.delete, session)

    def ls(self) -> list[Session]:
        """Return all sessions, oldest first."""
        return portal.call(self._sessions.ls)

    def current(self) -> Session:
        """Return the current session."""
        return portal.call(self._sessions.current)

    def get(self, session: str) -> Session:
        """Return a session by name, id or unique prefix."""
        return portal.call(self._sessions.get, session)


class Snapshots:
    """`project.snapshots`; see `datmo.engine.snapshots.Snapshots`."""

    def __init__(self, project: engine.Project) -> None:
        self._snapshots = project.snapshots
        self._home = project.home

    def create(
        self,
        message: str,
        *,
        label: str | None = None,
        session_id: str | None = None,
        task_id: str | None = None,
        commit_id: str | None = None,
        environment_id: str | None = None,
        environment_definition: str | os.PathLike[str] | None = None,
        file_collection_id: str | None = None,
        filepaths: Sequence[str | os.PathLike[str]] | None = None,
        config: Mapping[str, Any] | None = None,
        config_filename: str | None = None,
        config_filepath: str | os.PathLike[str] | None = None,
        stats: Mapping[str, Any] | None = None,
        stats_filename: str | None = None,
        stats_filepath: str | os.PathLike[str] | None = None,
    ) -> Snapshot:
        """Create a snapshot of the project as it is, or of what a task ran and left."""
        from datmo.snapshot import Snapshot

        created = portal.call(
            self._snapshots.create,
            message,
            label=label,
            session_id=session_id,
            task_id=task_id,
            commit_id=commit_id,
            environment_id=environment_id,
            environment_definition=environment_definition,
            file_collection_id=file_collection_id,
            filepaths=filepaths,
            config=config,
            config_filename=config_filename,
            config_filepath=config_filepath,
            stats=stats,
            stats_filename=stats_filename,
            stats_filepath=stats_filepath,
        )
        return Snapshot(created, self._home)

    def ls(
        self,
        *,
        session_id: str | None = None,
        filter: str | None = None,  # noqa: A002  # the seed's name
        limit: int | None = None,
        deleted: bool = False,
    ) -> list[Snapshot]:
        """Return snapshots, newest first."""
        from datmo.snapshot import Snapshot

        found = portal.call(self._snapshots.ls, session_id=session_id, filter=filter, limit=limit, deleted=deleted)
        return [Snapshot(entity, self._home) for entity in found]

    def current(self) -> Snapshot | None:
        """Return the current snapshot, or None."""
        from datmo.snapshot import Snapshot

        found = portal.call(self._snapshots.current)
        return None if found is None else Snapshot(found, self._home)

    def get(self, snapshot: str) -> Snapshot:
        """Return a snapshot by id, label or unique prefix of its id."""
        from datmo.snapshot import Snapshot

        return Snapshot(portal.call(self._snapshots.get, snapshot), self._home)

    def inspect(self, snapshot: str) -> dict[str, Any]:
        """Return everything that is known of a snapshot, as plain values."""
        return portal.call(self._snapshots.inspect, snapshot)

    def update(
        self,
        snapshot: str,
        *,
        message: str | None = None,
        label: str | None = None,
        config: Mapping[str, Any] | None = None,
        stats: Mapping[str, Any] | None = None,
    ) -> Snapshot:
        """Change the words or values of a snapshot; what it was before stays in the log."""
        from datmo.snapshot import Snapshot

        changed = portal.call(
            self._snapshots.update, snapshot, message=message, label=label, config=config, stats=stats
        )
        return Snapshot(changed, self._home)

    def delete(self, snapshot: str) -> Snapshot:
        """Hide a snapshot; `undelete` brings it back."""
        from datmo.snapshot import Snapshot

        return Snapshot(portal.call(self._snapshots.delete, snapshot), self._home)

    def undelete(self, snapshot: str) -> Snapshot:
        """Bring a deleted snapshot back."""
        from datmo.snapshot import Snapshot

        return Snapshot(portal.call(self._snapshots.undelete, snapshot), self._home)

    def diff(self, first: str, second: str) -> Difference:
        """Return what differs between two snapshots: config, stats, files, environment and code."""
        return portal.call(self._snapshots.diff, first, second)


class Tasks:
    """`project.tasks`; see `datmo.engine.tasks.Tasks`."""

    def __init__(self, project: engine.Project) -> None:
        self._tasks = project.tasks
        self._home = project.home

    def run(
        self,
        command: str | Sequence[str],
        *,
        env: str | os.PathLike[str] | None = None,
        gpu: bool = False,
        ports: Sequence[str] = (),
        session_id: str | None = None,
        name: str | None = None,
        executor: str | None = None,
    ) -> Task:
        """Run a command in the project's environment, to its end, and record it."""
        from datmo.task import Task

        ended = portal.call(
            self._tasks.run,
            command,
            env=env,
            gpu=gpu,
            ports=ports,
            session_id=session_id,
            name=name,
            executor=executor,
        )
        return Task(ended, self._home)

    def ls(
        self,
        *,
        session_id: str | None = None,
        filter: str | None = None,  # noqa: A002  # the seed's name
        limit: int | None = None,
    ) -> list[Task]:
        """Return tasks, newest first."""
        from datmo.task import Task

        found = portal.call(self._tasks.ls, session_id=session_id, filter=filter, limit=limit)
        return [Task(entity, self._home) for entity in found]

    def get(self, task: str) -> Task:
        """Return a task by id or unique prefix."""
        from datmo.task import Task

        return Task(portal.call(self._tasks.get, task), self._home)

    def map(
        self,
        specs: Iterable[TaskSpec | str | Sequence[str]],
        *,
        limit: int | None = None,
        env: str | os.PathLike[str] | None = None,
        gpu: bool = False,
        session_id: str | None = None,
        executor: str | None = None,
    ) -> list[Task]:
        """Run many tasks to their ends, so many at a time, and return them in the order in which they were given."""
        from datmo.task import Task

        ended = portal.call(
            self._tasks.map, specs, limit=limit, env=env, gpu=gpu, session_id=session_id, executor=executor
        )
        return [Task(each, self._home) for each in ended]

    def inspect(self, task: str) -> dict[str, Any]:
        """Return everything that is known of a task, as plain values."""
        return portal.call(self._tasks.inspect, task)

    def stop(self, task: str) -> Task:
        """Stop a task, whichever process runs it, and return it as it ended."""
        from datmo.task import Task

        return Task(portal.call(self._tasks.stop, task), self._home)

    def stop_all(self) -> list[Task]:
        """Stop all tasks of the project that have not ended, and return them as they ended."""
        from datmo.task import Task

        return [Task(ended, self._home) for ended in portal.call(self._tasks.stop_all)]

    def wait(self, *tasks: str) -> list[Task]:
        """Return when tasks have ended, as they ended."""
        from datmo.task import Task

        return [Task(ended, self._home) for ended in portal.call(self._tasks.wait, *tasks)]

    def recover(self, *, stay: bool = True, give_up: bool = False) -> list[Task]:
        """Take over the tasks whose supervisor was killed, and finish them as they should have been."""
        from datmo.task import Task

        return [Task(ended, self._home) for ended in portal.call(self._tasks.recover, stay=stay, give_up=give_up)]

    def follow(
        self, task: str, *, after: int = 0, since: datetime | None = None, live: bool = True
    ) -> Iterator[TaskUpdate]:
        """Yield what happened to a task, with its output, and what happens, up to its end."""
        return _each(self._tasks.follow(task, after=after, since=since, live=live))


class Environments:
    """`project.environments`; see `datmo.engine.environments.Environments`."""

    def __init__(self, project: engine.Project) -> None:
        self._environments = project.environments

    def ls(self) -> list[Environment]:
        """Return all environments, newest first."""
        return portal.call(self._environments.ls)

    def get(self, environment_id: str) -> Environment:
        """Return an environment by id or unique prefix."""
        return portal.call(self._environments.get, environment_id)


class EventLog:
    """`project.log`; see `datmo.engine.log.Log`."""

    def __init__(self, log: Log) -> None:
        self._log = log

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
        return _each(
            self._log.read(
                after=after,
                upto=upto,
                stream=stream,
                types=types,
                since=since,
                until=until,
                backward=backward,
                limit=limit,
            )
        )

    def follow(
        self, *, after: int | None = None, stream: str | None = None, types: Sequence[str] = ()
    ) -> Iterator[Event]:
        """Yield events as any process appends them, for ever."""
        return _each(self._log.follow(after=after, stream=stream, types=types))

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

    def verify(self) -> LogReport:
        """Check every stored byte, and that the head noted in git lies in the log."""
        return portal.call(self._log.verify)

    def replay(self) -> ReplayReport:
        """Fold the whole log anew beside the live views, and compare."""
        return portal.call(self._log.replay)

    def as_of(self, moment: int | datetime) -> AsOf:
        """Return sessions, snapshots and tasks as they were at a position or a time."""
        return portal.call(self._log.as_of, moment)


def _each(events: AsyncIterator[T]) -> Iterator[T]:
    async def close() -> None:
        if isinstance(events, AsyncGenerator):
            await events.aclose()

    try:
        while True:
            try:
                event = portal.call(events.__anext__)
            except StopAsyncIteration:
                return
            yield event
    finally:
        portal.call(close)
