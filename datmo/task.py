"""Tasks, as the seed has them: a class, and functions that take the project's `home`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from datmo import portal
from datmo.core.entity.task import Task as TaskEntity
from datmo.core.options import TaskOptions
from datmo.core.sweep import TaskSpec
from datmo.errors import InvalidArgumentType
from datmo.project import open as open_project

if TYPE_CHECKING:
    from datmo.core.ids import Named
    from datmo.core.points import Series
    from datmo.inside import CurrentTask

__all__ = ["Task", "TaskOptions", "TaskSpec", "current", "get", "ls", "run"]


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
            from datmo.engine.asking import task_of

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
        """Where it runs: `docker`, `process`, or `track` for a process that tracks itself."""
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
    def retry_of(self) -> str | None:
        """The first attempt's id, where this is a further one."""
        return self._entity.retry_of

    @property
    def rerun_of(self) -> str | None:
        """The id of the task that this one runs again, or None."""
        return self._entity.rerun_of

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
        from datmo.engine.asking import logs_of

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
        from datmo.engine.asking import files_of

        return portal.call(files_of, self._home, self.file_collection_id, mode)

    def metrics(
        self, name: str, *, start: int | None = None, end: int | None = None, points: int | None = None
    ) -> Series:
        """Return the points of one of its metrics, as arrays; see `datmo.engine.tasks.Tasks.metrics`."""
        with open_project(self._home) as project:
            return project.tasks.metrics(self.id, name, start=start, end=end, points=points)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def _repr_html_(self) -> str:
        from datmo.core.html import task_html
        from datmo.engine.asking import charts_of, tail_of

        now = self._now()
        tail = "" if now.status == "SUCCESS" else portal.call(tail_of, self._home, self.id)
        return task_html(now, portal.call(charts_of, self._home, self.id), tail)

    def __str__(self) -> str:
        return str(self._entity)

    def __repr__(self) -> str:
        return f"<Task {self.id}: {self.command!r}>"


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
    options: TaskOptions | None = None,
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
            command,
            env=env,
            gpu=gpu,
            ports=ports,
            session_id=session_id,
            name=name,
            executor=executor,
            options=options,
        )


def ls(
    session_id: str | None = None,
    filter: str | None = None,  # noqa: A002  # the seed's name
    home: str | os.PathLike[str] | None = None,
    *,
    where: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
) -> list[Task]:
    """Return tasks, newest first where no other order is asked for.

    Parameters:
        session_id: only those of one session, by name, id or prefix; all by default.
        filter: only those with this in their command or name.
        home: the project's root; the nearest project by default.
        where: only those for which this expression holds; its language is told in `datmo.core.expression`.
        sort: the key that they are sorted by, the largest first; `duration asc` has the smallest first.
        limit: at most that many.
    """
    with open_project(home) as project:
        return project.tasks.ls(session_id=session_id, filter=filter, where=where, sort=sort, limit=limit)


def get(task_id: str | Named, home: str | os.PathLike[str] | None = None) -> Task:
    """Return a task, named by its id or a unique prefix of it.

    Raises:
        EntityNotFound, AmbiguousId: none fits, or several do.
    """
    with open_project(home) as project:
        return project.tasks.get(task_id)


def current() -> CurrentTask:
    """Return the task that this code runs in: the innermost that is tracked here, else the one of this process.

    ```python
    datmo.task.current().log(step=3, loss=0.2)
    ```

    Raises:
        RuntimeError: it runs in none.
    """
    from datmo.inside import current as innermost

    return innermost()
