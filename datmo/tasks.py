"""`project.tasks` of the sync API: run, start, list, stop and follow tasks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datmo import portal
from datmo.core.agreement import Rerun
from datmo.core.entity_list import EntityList
from datmo.core.options import TaskOptions
from datmo.core.sweep import TaskSpec
from datmo.task import Task

if TYPE_CHECKING:
    from datmo.core.ids import Named
    from datmo.core.points import Series, Summary
    from datmo.engine import project as engine
    from datmo.engine import tasks as engine_tasks
    from datmo.engine.tasks import TaskUpdate
    from datmo.runner.executors import base as engine_screen

__all__ = ["RunningTasks", "Screen", "Tasks"]


class RunningTasks:
    """Tasks under way, as `Tasks.start` gives them; see `datmo.engine.running_tasks.RunningTasks`."""

    def __init__(self, running: engine_tasks.RunningTasks, home: str | os.PathLike[str]) -> None:
        self._running = running
        self._home = home

    @property
    def ids(self) -> list[str]:
        """Their ids, in the order in which they were given."""
        return self._running.ids

    def finished(self) -> Iterator[Task]:
        """Yield each task as it ends; where it was tried again, its last attempt."""
        for ended in portal.each(self._running.finished(), self):
            yield Task(ended, self._home)

    def events(self, *, output: bool = True) -> Iterator[TaskUpdate]:
        """Yield what happens to the tasks, with what they print, as it happens, until the last one has ended."""
        return portal.each(self._running.events(output=output), self)


class Screen:
    """The live screen of a task, as `Tasks.attach` gives it.

    Attributes:
        interactive: whether it is a terminal, on which something can be typed.
    """

    def __init__(self, screen: engine_screen.Screen) -> None:
        self._screen = screen
        self.interactive: bool = screen.interactive

    def read(self) -> tuple[int, bytes] | None:
        """Return a stream (1 standard output, also of a terminal, 2 standard error) and some bytes; None at the end."""
        return portal.call(self._screen.read)

    def write(self, data: bytes) -> None:
        """Type something."""
        portal.call(self._screen.write, data)

    def resize(self, rows: int, columns: int) -> None:
        """Say how large the terminal is."""
        portal.call(self._screen.resize, rows, columns)


class Tasks:
    """`project.tasks`; see `datmo.engine.tasks.Tasks`."""

    def __init__(self, held: portal.Held[engine.Project]) -> None:
        self._held = held
        self._tasks = held.value.tasks
        self._home = held.value.home

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
        options: TaskOptions | None = None,
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
            options=options,
        )
        return Task(ended, self._home)

    def rerun(
        self, task: str | Named, *, variables: Mapping[str, str] | None = None, name: str | None = None
    ) -> Rerun[Task]:
        """Run a task again, to its end: the same code, environment, parameters and data."""
        again, agreement = portal.call(self._tasks.rerun, task, variables=variables, name=name)
        return Rerun(Task(again, self._home), agreement)

    @contextmanager
    def start(
        self,
        specs: Iterable[TaskSpec | str | Sequence[str]],
        *,
        limit: int | None = None,
        retries: int = 0,
        max_failures: int | None = None,
        env: str | os.PathLike[str] | None = None,
        gpu: bool = False,
        ports: Sequence[str] = (),
        session_id: str | None = None,
        executor: str | None = None,
        options: TaskOptions | None = None,
    ) -> Iterator[RunningTasks]:
        """Run many tasks, so many at a time, as a context manager; leaving the block stops what still runs."""
        started = self._tasks.start(
            specs,
            limit=limit,
            retries=retries,
            max_failures=max_failures,
            env=env,
            gpu=gpu,
            ports=ports,
            session_id=session_id,
            executor=executor,
            options=options,
        )
        with portal.entered(started) as running:
            yield RunningTasks(running, self._home)

    def ls(
        self,
        *,
        session_id: str | None = None,
        filter: str | None = None,  # noqa: A002  # the seed's name
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> list[Task]:
        """Return tasks, newest first where no other order is asked for."""
        found = portal.call(self._tasks.ls, session_id=session_id, filter=filter, where=where, sort=sort, limit=limit)
        return EntityList(Task(entity, self._home) for entity in found)

    def get(self, task: str | Named) -> Task:
        """Return a task by id or unique prefix."""
        return Task(portal.call(self._tasks.get, task), self._home)

    def map(
        self,
        specs: Iterable[TaskSpec | str | Sequence[str]],
        *,
        limit: int | None = None,
        retries: int = 0,
        max_failures: int | None = None,
        env: str | os.PathLike[str] | None = None,
        gpu: bool = False,
        ports: Sequence[str] = (),
        session_id: str | None = None,
        executor: str | None = None,
        options: TaskOptions | None = None,
    ) -> list[Task]:
        """Run many tasks to their ends, so many at a time, and return them in the order in which they were given."""
        ended = portal.call(
            self._tasks.map,
            specs,
            limit=limit,
            retries=retries,
            max_failures=max_failures,
            env=env,
            gpu=gpu,
            ports=ports,
            session_id=session_id,
            executor=executor,
            options=options,
        )
        return EntityList(Task(each, self._home) for each in ended)

    def detach(
        self,
        specs: Iterable[TaskSpec | str | Sequence[str]],
        *,
        limit: int | None = None,
        retries: int = 0,
        max_failures: int | None = None,
        env: str | os.PathLike[str] | None = None,
        gpu: bool = False,
        ports: Sequence[str] = (),
        session_id: str | None = None,
        executor: str | None = None,
        options: TaskOptions | None = None,
    ) -> list[Task]:
        """Have tasks run by a process of their own, which outlives this one, and return them once all are recorded."""
        ended = portal.call(
            self._tasks.detach,
            specs,
            limit=limit,
            retries=retries,
            max_failures=max_failures,
            env=env,
            gpu=gpu,
            ports=ports,
            session_id=session_id,
            executor=executor,
            options=options,
        )
        return EntityList(Task(each, self._home) for each in ended)

    def inspect(self, task: str | Named) -> dict[str, Any]:
        """Return everything that is known of a task, as plain values."""
        return portal.call(self._tasks.inspect, task)

    def write_files(self, task: str | Named, to: str | os.PathLike[str], *, only: str | None = None) -> list[Path]:
        """Write the files that a task left into a folder, over nothing that is there, and return where they are."""
        return portal.call(self._tasks.write_files, task, to, only=only)

    def summaries(self, task: str | Named) -> dict[str, Summary]:
        """Return what is known of each of a task's metrics by its name, also while it runs."""
        return portal.call(self._tasks.summaries, task)

    def metrics(
        self,
        task: str | Named,
        name: str,
        *,
        start: int | None = None,
        end: int | None = None,
        points: int | None = None,
    ) -> Series:
        """Return the points of one of a task's metrics, as arrays; also while it runs."""
        return portal.call(self._tasks.metrics, task, name, start=start, end=end, points=points)

    def stop(self, task: str | Named) -> Task:
        """Stop a task, whichever process runs it, and return it as it ended."""
        return Task(portal.call(self._tasks.stop, task), self._home)

    def stop_all(self) -> list[Task]:
        """Stop all tasks of the project that have not ended, and return them as they ended."""
        return EntityList(Task(ended, self._home) for ended in portal.call(self._tasks.stop_all))

    def wait(self, *tasks: str | Named) -> list[Task]:
        """Return when tasks have ended, as they ended."""
        return EntityList(Task(ended, self._home) for ended in portal.call(self._tasks.wait, *tasks))

    def recover(self, *, stay: bool = True, give_up: bool = False) -> list[Task]:
        """Take over the tasks whose supervisor was killed, and finish them as they should have been."""
        return EntityList(
            Task(ended, self._home) for ended in portal.call(self._tasks.recover, stay=stay, give_up=give_up)
        )

    @contextmanager
    def attach(self, task: str | Named) -> Iterator[Screen]:
        """Show the live screen of a task, as a context manager, whichever process runs it; waits for its start."""
        with portal.entered(self._tasks.attach(task)) as screen:
            yield Screen(screen)

    def follow(
        self, task: str | Named, *, after: int = 0, since: datetime | None = None, live: bool = True
    ) -> Iterator[TaskUpdate]:
        """Yield what happened to a task, with its output, and what happens, up to its end."""
        return portal.each(self._tasks.follow(task, after=after, since=since, live=live), self._held)
