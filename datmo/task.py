"""Tasks, as the seed has them: a class, and functions that take the project's `home`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from datmo import portal
from datmo.core.entity.task import Task as TaskEntity
from datmo.core.sweep import TaskSpec
from datmo.errors import InvalidArgumentType
from datmo.project import open as open_project

if TYPE_CHECKING:
    from datmo.engine import project as engine
    from datmo.engine.tasks import TaskUpdate

__all__ = ["Task", "TaskSpec", "Tasks", "ls", "run"]


class Task:
    """A task: a command that is run, or was. What can change is read anew at each access.

    Parameters:
        task_entity: the plain value.
        home: the project's root; the nearest project at or above the working folder by default.

    Raises:
        InvalidArgumentType: it is not a task's value.
    """

    def __init__(self, task_entity: TaskEntity, home: str | os.PathLike[str] | None = None) -> None:
        if not isinstance(task_entity, TaskEntity):
            raise InvalidArgumentType(f"a Task is made from a core task, not a {type(task_entity).__name__}")
        self._entity = task_entity
        self._home = home

    def _now(self) -> TaskEntity:
        """Return the task as it is now; one that has ended does not change any more."""
        if not self._entity.ended:
            from datmo.engine.project import task_of

            self._entity = portal.call(task_of, self._home, self.id)
        return self._entity

    @property
    def id(self) -> str:
        """The id of the task."""
        return self._entity.id

    @property
    def model_id(self) -> str:
        """The id of the project."""
        return self._entity.model_id

    @property
    def session_id(self) -> str:
        """The session that it belongs to."""
        return self._entity.session_id

    @property
    def command(self) -> str:
        """What is run."""
        return self._entity.command

    @property
    def name(self) -> str | None:
        """Its name, or None."""
        return self._entity.name

    @property
    def created_at(self) -> datetime:
        """When it was asked for, UTC."""
        return self._entity.created_at

    @property
    def executor(self) -> str:
        """Where it runs: `docker` or `process`."""
        return self._entity.executor

    @property
    def runs_on(self) -> str | None:
        """The image or the interpreter that it runs on; None before it has started."""
        return self._now().runs_on

    @property
    def code_id(self) -> str:
        """The code that it runs."""
        return self._entity.code_id

    @property
    def environment_id(self) -> str:
        """The environment that it runs in."""
        return self._entity.environment_id

    @property
    def file_collection_id(self) -> str | None:
        """The collection of the files that it left; None before it has ended."""
        return self._now().file_collection_id

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know about the run."""
        return self._now().notices

    @property
    def status(self) -> str:
        """`CREATED`, `RUNNING`, `SUCCESS`, `FAILED`, `STOPPED` or `LOST`."""
        return self._now().status

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self._now().ended

    @property
    def unattended(self) -> bool:
        """Whether it has not ended and nobody would record its end, because whoever ran it was killed."""
        return self._now().unattended

    @property
    def start_time(self) -> datetime | None:
        """When its command started, UTC, or None."""
        return self._now().start_time

    @property
    def end_time(self) -> datetime | None:
        """When its command ended, UTC, or None."""
        return self._now().end_time

    @property
    def duration(self) -> float | None:
        """Seconds between start and end, or None."""
        return self._now().duration

    @property
    def exit_code(self) -> int | None:
        """The command's exit code, or None."""
        return self._now().exit_code

    @property
    def reason(self) -> str | None:
        """Why it ended as it did, where the exit code does not say it all."""
        return self._now().reason

    @property
    def results(self) -> dict[str, Any]:
        """What it reported: lines `key: value` of its output, and its `stats.json`."""
        return self._now().results

    @property
    def config(self) -> dict[str, Any]:
        """Its parameters, and what it said of its configuration."""
        return self._now().config

    @property
    def logs(self) -> str:
        """What it printed so far: both streams in the order of arrival, lines kept whole."""
        from datmo.engine.project import logs_of

        return portal.call(logs_of, self._home, self.id)

    @property
    def files(self) -> list[IO[Any]]:
        """The files that it left, open for reading as text."""
        return self.get_files()

    def get_files(self, mode: str = "r") -> list[IO[Any]]:
        """Return the files that it left, open; none before it has ended.

        Parameters:
            mode: `r` for text, `rb` for bytes.

        Raises:
            InvalidArgumentType: the mode is not one for reading.
        """
        from datmo.engine.project import files_of

        return portal.call(files_of, self._home, self.file_collection_id, mode)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return str(self._entity)

    def __repr__(self) -> str:
        return f"<Task {self.id}: {self.command!r}>"


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
        found = portal.call(self._tasks.ls, session_id=session_id, filter=filter, limit=limit)
        return [Task(entity, self._home) for entity in found]

    def get(self, task: str) -> Task:
        """Return a task by id or unique prefix."""
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
        ended = portal.call(
            self._tasks.map, specs, limit=limit, env=env, gpu=gpu, session_id=session_id, executor=executor
        )
        return [Task(each, self._home) for each in ended]

    def inspect(self, task: str) -> dict[str, Any]:
        """Return everything that is known of a task, as plain values."""
        return portal.call(self._tasks.inspect, task)

    def stop(self, task: str) -> Task:
        """Stop a task, whichever process runs it, and return it as it ended."""
        return Task(portal.call(self._tasks.stop, task), self._home)

    def stop_all(self) -> list[Task]:
        """Stop all tasks of the project that have not ended, and return them as they ended."""
        return [Task(ended, self._home) for ended in portal.call(self._tasks.stop_all)]

    def wait(self, *tasks: str) -> list[Task]:
        """Return when tasks have ended, as they ended."""
        return [Task(ended, self._home) for ended in portal.call(self._tasks.wait, *tasks)]

    def recover(self, *, stay: bool = True, give_up: bool = False) -> list[Task]:
        """Take over the tasks whose supervisor was killed, and finish them as they should have been."""
        return [Task(ended, self._home) for ended in portal.call(self._tasks.recover, stay=stay, give_up=give_up)]

    def follow(
        self, task: str, *, after: int = 0, since: datetime | None = None, live: bool = True
    ) -> Iterator[TaskUpdate]:
        """Yield what happened to a task, with its output, and what happens, up to its end."""
        return portal.each(self._tasks.follow(task, after=after, since=since, live=live))


def run(
    command: str | Sequence[str],
    env: str | os.PathLike[str] | None = None,
    home: str | os.PathLike[str] | None = None,
    gpu: bool = False,
    *,
    ports: Sequence[str] = (),
    session_id: str | None = None,
    name: str | None = None,
    executor: str | None = None,
) -> Task:
    """Run a command in the project's environment, to its end; see `datmo.engine.tasks.Tasks.run`.

    A command that fails gives a task with the status FAILED; what goes wrong before it runs raises.

    ```python
    import datmo

    datmo.task.run(command="python script.py", env="Dockerfile")
    ```
    """
    with open_project(home) as project:
        return project.tasks.run(
            command, env=env, gpu=gpu, ports=ports, session_id=session_id, name=name, executor=executor
        )


def ls(
    session_id: str | None = None,
    filter: str | None = None,  # noqa: A002  # the seed's name
    home: str | os.PathLike[str] | None = None,
    *,
    limit: int | None = None,
) -> list[Task]:
    """Return tasks, newest first.

    Parameters:
        session_id: only those of one session, by name, id or prefix; all by default.
        filter: only those with this in their command or name.
        home: the project's root; the nearest project by default.
        limit: at most that many.
    """
    with open_project(home) as project:
        return project.tasks.ls(session_id=session_id, filter=filter, limit=limit)
