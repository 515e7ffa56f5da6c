"""A project: found, opened, initialized, described and cleaned up."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import anyio.to_thread

from datmo.core import project as rules
from datmo.core.entity.session import Session
from datmo.core.ids import new_id
from datmo.core.settings import Settings
from datmo.engine import user_settings
from datmo.engine.attending import tasks_of
from datmo.engine.checkout import interrupted
from datmo.engine.entities import Snapshot, Task
from datmo.engine.executors import Executors
from datmo.engine.finding import FOLDER, folder_of, home_of
from datmo.engine.sharing import claim
from datmo.engine.workspace import Workspace, checked_text, command
from datmo.errors import Conflict, ProjectError, ProjectNotFound
from datmo.eventlog.log import EventLog
from datmo.projections import config as config_view
from datmo.projections import project as view
from datmo.projections import tasks as task_view
from datmo.projections.all import SCHEMAS, VIEWS

if TYPE_CHECKING:
    from datmo.core.collecting import Collection
    from datmo.core.differences import TreeChanges
    from datmo.engine.cleaning import Cleaning
    from datmo.engine.config import ProjectConfig
    from datmo.engine.environments import Environments
    from datmo.engine.log import Log
    from datmo.engine.sessions import Sessions
    from datmo.engine.snapshots import Snapshots
    from datmo.engine.tasks import Tasks
    from datmo.engine.tracking import Tracking
    from datmo.objects.meter import Reported

__all__ = [
    "Project",
    "Status",
    "cleanup",
    "init",
    "open_project",
    "settings_of",
]

Notice = Callable[[str], None]


SnapshotT = TypeVar("SnapshotT")
TaskT = TypeVar("TaskT")


_LAST = 3
"""How many tasks that have ended a status names."""


class Status(NamedTuple, Generic[SnapshotT, TaskT]):
    """What a project is like at the moment; each API has its own snapshots and tasks in it.

    Attributes:
        id, name, description, home: the project.
        session: the current session.
        snapshot: the current snapshot, or None.
        running: the tasks that have not ended.
        ended: those that ended last, three at most, the newest first.
        snapshots, tasks: how many there are.
        changes: what has changed in the folder since that snapshot; None where there is none, or nobody asked.
    """

    id: str
    name: str
    description: str
    home: Path
    session: Session
    snapshot: SnapshotT | None
    running: list[TaskT]
    ended: list[TaskT]
    snapshots: int
    tasks: int
    changes: TreeChanges | None

    def _repr_html_(self) -> str:
        from datmo.core.html_project import status_html

        return status_html(self)


class Project:
    """An open project, as `datmo.aio.open()` and `datmo.aio.init()` give it; everything on it is awaited."""

    def __init__(self, workspace: Workspace, stack: AsyncExitStack) -> None:
        self._workspace = workspace
        self._executors = Executors(workspace, stack)

    # Each room is loaded when it is entered: a command needs one or two of them.

    @cached_property
    def sessions(self) -> Sessions:
        """Its sessions."""
        from datmo.engine.sessions import Sessions

        return Sessions(self._workspace)

    @cached_property
    def snapshots(self) -> Snapshots:
        """Its snapshots."""
        from datmo.engine.snapshots import Snapshots

        return Snapshots(self._workspace)

    @cached_property
    def tasks(self) -> Tasks:
        """Its tasks."""
        from datmo.engine.tasks import Tasks

        return Tasks(self._workspace, self._executors)

    @cached_property
    def environments(self) -> Environments:
        """Its environments."""
        from datmo.engine.environments import Environments

        return Environments(self._workspace, self._executors)

    @cached_property
    def log(self) -> Log:
        """Its event log."""
        from datmo.engine.log import Log

        return Log(self._workspace)

    @cached_property
    def config(self) -> ProjectConfig:
        """Its settings."""
        from datmo.engine.config import ProjectConfig

        return ProjectConfig(self._workspace)

    def __repr__(self) -> str:
        return f"<Project {self.home}>"

    @property
    def id(self) -> str:
        """The project's id: the `model_id` of its entities."""
        return self._workspace.project_id

    @property
    def home(self) -> Path:
        """The project's root folder."""
        return self._workspace.home

    async def describe(self, *, name: str | None = None, description: str | None = None) -> None:
        """Change name or description; None keeps what there is."""
        _check_words(name, description)
        row = await self._workspace.project_row()
        events = rules.describe(row, name, description)
        if events:
            with command():
                await self._workspace.log.append(*events)

    async def status(self, *, changes: bool = True) -> Status[Snapshot, Task]:
        """Return what the project is like at the moment.

        Parameters:
            changes: also look what has changed in the folder since the current snapshot, which takes about as long as
                `git status` does.
        """
        row = await self._workspace.project_row()
        current = await self.snapshots.current()
        unfinished = await self._workspace.query(task_view.unfinished)
        return Status(
            id=row["id"],
            name=row["name"],
            description=row["description"],
            home=self.home,
            session=await self.sessions.current(),
            snapshot=current,
            running=await tasks_of(self._workspace, unfinished),
            ended=(await self.tasks.page(where="end_time != null", sort="end_time", limit=_LAST)).entities,
            snapshots=(await self.snapshots.page(limit=0)).total,
            tasks=(await self.tasks.page(limit=0)).total,
            changes=await self.snapshots.changes(current.id) if changes and current is not None else None,
        )

    def track(
        self,
        name: str | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        system_metrics: bool = True,
    ) -> Tracking:
        """Make this process a task, for the length of an `async with` block, or for each call of an async function.

        Code and environment are captured as for any task. An exception leaves it FAILED, for that reason; a
        cancellation STOPPED. What `log` was given is kept when it returns: should this process be killed, the next
        command records the end, LOST, with all that was logged.

        Parameters:
            name: a name for people.
            config: the task's configuration.
            session_id: the session that it belongs to, by name, id or prefix; the current one by default.
            system_metrics: sample what this process uses, as metrics `system.*`.

        Raises:
            TaskStopped: on leaving the block, where somebody stopped the task: `datmo task stop`.
            CaptureError: code or environment could not be captured.
        """
        from datmo.engine.tracking import Tracking, tracked

        given = (self._workspace, self.tasks._recovering, name, config, session_id)
        return Tracking(lambda: tracked(*given, system_metrics=system_metrics))

    async def gc(self, *, dry_run: bool = False, progress: Reported | None = None) -> Collection:
        """Remove what nobody needs: objects, refs in git, and output that only deleted snapshots and tasks had.

        Also what snapshots have beside the folder that is another one's by now, and what killed checkouts have left.
        What is deleted, or lies in a deleted session, cannot be restored afterwards. Environments stay. Work may go on
        beside it: whoever captures something waits a moment, and nothing of theirs is lost.

        Parameters:
            dry_run: remove nothing, and only say what would be.
            progress: called with the bytes that are read, written anew or removed so far, and those that are known to
                be in all, from worker threads.

        Returns:
            What was removed.

        Raises:
            ProjectBusy: something is being captured for longer than a minute.
            Refused: a list of files that is needed cannot be read.
        """
        from datmo.engine.collecting import collect_garbage

        return await collect_garbage(self._workspace, dry_run=dry_run, progress=progress)

    async def cleanup_plan(self) -> list[str]:
        """Return what `cleanup` would remove, a line each.

        Raises:
            Refused: a task of the project has not ended.
        """
        return await self._cleaning().plan()

    def _cleaning(self) -> Cleaning:
        from datmo.engine.cleaning import Cleaning

        return Cleaning(self._workspace, self._executors)


@asynccontextmanager
async def open_project(
    home: str | os.PathLike[str] | None = None, *, notice: Notice | None = None
) -> AsyncIterator[Project]:
    """Open a project as an async context manager.

    Parameters:
        home: the project's root; by default the nearest project at or above the working folder.
        notice: called with each line that a user should see (what was captured, what was left out).

    Raises:
        ProjectNotFound: there is no project.
        InvalidArgument: home is no folder.
        LogTooNew: a newer Datmo wrote it.
        DamagedLog: its log cannot be read.
        ProjectBusy: it lies on a network drive, and another host uses it.
    """
    folder = await anyio.to_thread.run_sync(home_of, home)
    claimed, own, cut_short = await anyio.to_thread.run_sync(
        lambda: (claim(folder / FOLDER), user_settings.load(), interrupted(folder / FOLDER))
    )
    async with EventLog.open(folder / FOLDER / "log.db", VIEWS, SCHEMAS) as log:
        row, config = await log.query(lambda connection: (view.load(connection), config_view.load(connection)))
        if row is None:
            raise ProjectNotFound(f"the project at {folder} is not initialized", hint="`datmo init` finishes it")
        settings = Settings(os.environ, config, own)
        workspace = Workspace(folder, log, row, notice or (lambda _: None), settings)
        if claimed is not None:
            workspace.notice(claimed)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(workspace.aclose)
            project = Project(workspace, stack)
            if cut_short:
                await project.snapshots._finish_checkout()
            yield project


@asynccontextmanager
async def init(
    home: str | os.PathLike[str] | None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    notice: Notice | None = None,
) -> AsyncIterator[Project]:
    """Make a folder a project, or change the words of the one that it is, and open it.

    Parameters:
        home: the folder; by default the working folder.
        name: the project's name; by default the folder's, or the one it has.
        description: what it is for; may be empty; by default what it has.
        notice: as for `open_project`.

    Raises:
        InvalidArgument: home is no folder, or the name is empty.
    """
    folder = await anyio.to_thread.run_sync(folder_of, home)
    _check_words(name, description)
    fresh = rules.initialize(new_id(), new_id(), folder.name or "project" if name is None else name, description or "")
    await anyio.to_thread.run_sync(_make_folder, folder / FOLDER)
    await anyio.to_thread.run_sync(claim, folder / FOLDER)
    async with EventLog.open(folder / FOLDER / "log.db", VIEWS, SCHEMAS) as log:
        if await log.query(view.load) is None:
            with command(), suppress(Conflict):  # another process was quicker: then this one describes
                await log.append(*fresh)
    async with open_project(folder, notice=notice) as project:
        await project.describe(name=name, description=description)
        yield project


async def cleanup(
    home: str | os.PathLike[str] | None = None, *, notice: Notice | None = None, progress: Reported | None = None
) -> list[str]:
    """Remove a project: its `.datmo/`, its refs in git, its containers and images. The user's files stay.

    Parameters:
        home: the project's root; by default the nearest project at or above the working folder.
        notice: called with each line that a user should see.
        progress: called with the parts (images, folders, what tasks have left) that are removed, and those that are
            known so far, from worker threads.

    Returns:
        What was removed, a line each.

    Raises:
        Refused: a task of the project has not ended.
    """
    async with open_project(home, notice=notice) as project:
        plan = await project.cleanup_plan()
        await project._cleaning().remove(progress)
        folder = project.home / FOLDER
    from datmo.engine.cleaning import remove_rest

    await anyio.to_thread.run_sync(remove_rest, folder)
    return plan


def _check_words(name: str | None, description: str | None) -> None:
    for key, value in (("name", name), ("description", description)):
        if value is not None:
            checked_text(key, value)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError as error:
        raise ProjectError(f"{folder} is in the way: it is no folder", hint="move it away") from error
    ignore = folder / ".gitignore"
    if not ignore.exists():
        beside = folder / f".gitignore.{new_id()}"
        beside.write_text("*\n")
        beside.replace(ignore)


def settings_of(project: Project) -> Settings:
    """Return the settings of an open project as they were last looked at: at its opening, or when one was changed."""
    return project._workspace.settings
