"""What the commands of one open project share: its folders, log, content store and code repository."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import anyio
import anyio.to_thread

from datmo.capture.ahead import AheadRepository, taken
from datmo.core.ids import Named, id_of, new_id
from datmo.core.settings import Settings
from datmo.engine.finding import FOLDER
from datmo.errors import EntityNotFound, InvalidArgument, InvalidArgumentType, ProjectNotFound
from datmo.eventlog.log import EventLog, correlation
from datmo.projections import project, search, sessions, snapshots, tasks
from datmo.projections.projection import Row

if TYPE_CHECKING:
    from datmo.capture.code import CodeRepository
    from datmo.objects.hold import Hold
    from datmo.objects.store import ObjectStore

__all__ = ["Hearer", "Workspace", "checked_text", "command", "find_session", "heard"]

T = TypeVar("T")


class Hearer(Protocol):
    """Who shows the progress of an operation."""

    def notice(self, line: str) -> None:
        """Hear what it has to say."""

    def report(self, done: int, total: int) -> None:
        """Hear how much is done, of what is known to be done in all: bytes most often; called from worker threads."""


heard: ContextVar[Hearer | None] = ContextVar("heard", default=None)
"""Who shows the operation that is under way, if anybody does."""


class Workspace:
    """An open project, as its commands see it.

    Parameters:
        home: the project's root.
        log: its open log.
        row: the project's row.
        notice: called with each line that the user should see.
        settings: the settings, as of the opening or of the last look at them.

    Attributes:
        said: remarks that were made and are not repeated.
    """

    def __init__(self, home: Path, log: EventLog, row: Row, notice: Callable[[str], None], settings: Settings) -> None:
        self._notice = notice
        self.home = home
        self.folder: Path = home / FOLDER
        self.log = log
        self.project_id: str = row["id"]
        self.settings = settings
        self.said: set[str] = set()
        # Captures read the tree, the store and git; more at once would only make the disk seek.
        self._captures = anyio.CapacityLimiter(2)

    def notice(self, line: str) -> None:
        """Tell the user something, and whoever shows the progress of what is being done."""
        self._notice(line)
        if (showing := heard.get()) is not None:
            showing.notice(line)

    @property
    def tasks_folder(self) -> Path:
        """Where each task has its folder while it is under way."""
        return self.folder / "tasks"

    @property
    def queues_folder(self) -> Path:
        """Where each process that has tasks waiting holds a lock."""
        return self.folder / "queues"

    @cached_property
    def store(self) -> ObjectStore:
        """The content store; imported when it is first needed, off the path of reading commands."""
        from datmo.objects.store import ObjectStore

        return ObjectStore(self.folder / "objects")

    async def aclose(self) -> None:
        """Close what was opened on the way, also when the caller is being cancelled."""
        store: ObjectStore | None = self.__dict__.get("store")  # asked for as such, it would be made
        if store is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(store.close)

    @cached_property
    def code(self) -> CodeRepository:
        """The code repository; pygit2 is imported when it is first needed, here or in the process that went ahead."""
        ahead = taken()
        if ahead is None:
            return self._code()
        limit = self.settings["code.size_limit"]
        settings = (self.home, self.folder, self.project_id, limit, self.folder / "objects")
        return cast("CodeRepository", AheadRepository(ahead, self._code, settings))

    def _code(self) -> CodeRepository:
        from datmo.capture.code import CodeRepository

        limit = self.settings["code.size_limit"]
        return CodeRepository(self.home, self.folder, self.project_id, size_limit=limit)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run something that blocks (hashing, git) in a worker thread."""
        return await anyio.to_thread.run_sync(work, limiter=self._captures)

    @asynccontextmanager
    async def storing(self) -> AsyncIterator[Hold]:
        """Keep a collection of garbage away: from before the first look into the store until what is stored is named.

        Whoever is done with that before the block ends may release the hold earlier.
        """
        hold = await anyio.to_thread.run_sync(lambda: self.store.hold())  # noqa: PLW0108  # on the loop it would import the store
        try:
            await anyio.to_thread.run_sync(hold.share)
            yield hold
        finally:
            hold.release()

    async def query(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Read from the views."""
        return await self.log.query(work)

    async def project_row(self) -> Row:
        """Return the project's row as it is now."""
        row = await self.query(project.load)
        if row is None:
            raise ProjectNotFound(f"the project at {self.home} is not initialized", hint="`datmo init` finishes it")
        return row

    async def session(self, given: str | Named | None) -> Row:
        """Return the session of a name, an id or a unique prefix; None gives the current one.

        Raises:
            EntityNotFound: there is none.
            AmbiguousId: several ids begin so.
        """
        return await self.query(lambda connection: find_session(connection, given))

    async def snapshot(self, given: str | Named, *, deleted: bool = False) -> Row:
        """Return the snapshot of an id, a label or a unique prefix; see `datmo.projections.search.resolve`."""
        text = _as_text("snapshot", given)
        return await self.query(
            lambda connection: search.resolve(connection, snapshots.SNAPSHOTS, text, label="label", deleted=deleted)
        )

    async def task(self, given: str | Named) -> Row:
        """Return the task of an id or a unique prefix."""
        text = _as_text("task", given)
        return await self.query(lambda connection: search.resolve(connection, tasks.TASKS, text))


def find_session(connection: sqlite3.Connection, given: str | Named | None) -> Row:
    """Return the row of a session; see `Workspace.session`."""
    if given is None:
        row = project.load(connection)
        return search.resolve(connection, sessions.SESSIONS, row["session_id"] if row else "")
    text = _as_text("session", given)
    return sessions.by_name(connection, text) or search.resolve(connection, sessions.SESSIONS, text)


def checked_text(name: str, value: Any) -> str:
    """Return a value that must be text that can be stored and shown.

    Raises:
        InvalidArgumentType: it is no text.
        InvalidArgument: it is no valid Unicode.
    """
    if not isinstance(value, str):
        raise InvalidArgumentType(f"{name} is text, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"{name} is no valid text: {value!r}") from error
    return value


def _as_text(kind: str, given: Any) -> str:
    given = id_of(given)
    if not isinstance(given, str):
        raise InvalidArgumentType(f"a {kind} is named by its id, not by {given!r}")
    if not given.isprintable() or not given:
        raise EntityNotFound(kind, given, hint=f"`datmo {kind} ls` shows the ids")
    return given


@contextmanager
def command() -> Iterator[None]:
    """Give everything that one command appends one correlation id."""
    token = correlation.set(correlation.get() or new_id())
    try:
        yield
    finally:
        correlation.reset(token)
