"""`project.log`: reading, following, verifying and replaying the event log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import anyio.to_thread

from datmo.core.entity.session import Session
from datmo.core.entity.snapshot import Snapshot
from datmo.core.entity.task import Task
from datmo.core.event import EXPECTATIONS, Appended, Event, Expected, NewEvent, microseconds
from datmo.engine.metering import telling
from datmo.engine.showing import shows
from datmo.engine.workspace import Workspace
from datmo.errors import AmbiguousId, DamagedLog, EntityNotFound, InvalidArgument, InvalidArgumentType
from datmo.eventlog.streams import streams_from
from datmo.eventlog.verify import LogReport, Problem
from datmo.projections import project, sessions, snapshots, tasks
from datmo.projections.all import VIEWS
from datmo.projections.views import ReplayReport, compare_file, replay_file

if TYPE_CHECKING:
    from datmo.objects.meter import Reported

__all__ = ["AsOf", "Log"]

_KINDS = ("project", "session", "snapshot", "task", "environment", "code", "files", "config")


class AsOf(NamedTuple):
    """What the project looked like at a position of the log.

    Attributes:
        position: the position.
        name: the project's name then.
        sessions, snapshots, tasks: as they were, newest first.
    """

    position: int
    name: str
    sessions: tuple[Session, ...]
    snapshots: tuple[Snapshot, ...]
    tasks: tuple[Task, ...]


class Log:
    """`project.log`: what happened, when, and what the project looked like then."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._log = workspace.log

    async def append(
        self,
        *events: NewEvent,
        expected: EXPECTATIONS | Mapping[str, EXPECTATIONS] = Expected.ANY,
        key: str | None = None,
        durable: bool = True,
    ) -> Appended:
        """Append events of your own; see `datmo.eventlog.log.EventLog.append`."""
        return await self._log.append(*events, expected=expected, key=key, durable=durable)

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
    ) -> AsyncIterator[Event]:
        """Yield events in the order of their positions; see `datmo.eventlog.log.EventLog.read`."""
        return self._log.read(
            after=after,
            upto=upto,
            stream=stream,
            types=_listed(types),
            since=since,
            until=until,
            backward=backward,
            limit=limit,
        )

    def follow(
        self, *, after: int | None = None, stream: str | None = None, types: Sequence[str] = ()
    ) -> AsyncIterator[Event]:
        """Yield events as any process appends them, for ever; see `datmo.eventlog.log.EventLog.follow`."""
        return self._log.follow(after=after, stream=stream, types=_listed(types))

    async def get(self, position: int) -> Event:
        """Return the event at a position.

        Raises:
            EntityNotFound: the log does not reach there.
        """
        async for event in self._log.read(after=position - 1, upto=position):
            return event
        last, _ = await self.head()
        raise EntityNotFound("event", str(position), hint=f"the log has positions 1 to {last}")

    async def stream(self, entity: str) -> str:
        """Return the stream of an entity, as `read` and `follow` take it. The log knows deleted entities, too.

        Parameters:
            entity: `<kind>/<id>` with the whole id, a unique prefix, a label or a session's name; or a kind, for all.

        Raises:
            InvalidArgument: it is not of that form.
            EntityNotFound, AmbiguousId: none fits, or several do.
        """
        kind, _, given = entity.partition("/")
        if kind not in _KINDS:
            raise InvalidArgument(f"{entity!r} names no entity", hint=f"give KIND/ID; kinds: {', '.join(_KINDS)}")
        if given in ("", "*"):
            return f"{kind}/*"
        found = await self._log.query(lambda connection: streams_from(connection, f"{kind}/{given.lower()}", 6))
        if len(found) == 1:
            return found[0]
        if not found and kind == "snapshot":
            return f"snapshot/{(await self._workspace.snapshot(given))['id']}"
        if not found and kind == "session":
            return f"session/{(await self._workspace.session(given))['id']}"
        if found:
            raise AmbiguousId(kind, given, [each.partition("/")[2] for each in found[:5]])
        raise EntityNotFound(kind, given, hint=f"`datmo log ls --entity {kind}` shows those that the log knows")

    async def payload(self, position: int) -> bytes | None:
        """Return the bytes beside an event; None where it has none or they were erased."""
        return await self._log.payload(position)

    async def head(self) -> tuple[int, str]:
        """Return the last position and its hash: noted elsewhere, it seals everything up to it."""
        return await self._log.head()

    @shows("verifying", "events")
    async def verify(self, *, progress: Reported | None = None) -> LogReport:
        """Check every stored byte, and that the head noted in git lies in the log.

        Parameters:
            progress: called with the events that are checked and those that there are, from a worker thread.

        Returns:
            A report; `ok` says whether nothing is wrong, `problems` name the positions.
        """
        report = await self._log.verify(telling(progress))
        noted = await self._workspace.in_thread(lambda: self._workspace.code.head())  # noqa: PLW0108  # on the loop it would import pygit2
        if noted is None:
            return report
        position, digest = noted
        try:
            held = [event.hash.hex() async for event in self._log.read(after=position - 1, upto=position)]
        except DamagedLog:
            return report  # which names that position already
        if held == [digest]:
            return report
        wrong = Problem(position, "the log does not hold the head that was noted in git: it was cut or rewritten")
        return report._replace(problems=(*report.problems, wrong))

    @shows("replaying", "events")
    async def replay(self, *, progress: Reported | None = None) -> ReplayReport:
        """Fold the whole log anew beside the live views and compare: `different` names the views that are not equal.

        Parameters:
            progress: called with the events that are folded and those that will be, from a worker thread.
        """
        return await anyio.to_thread.run_sync(compare_file, self._log.path, VIEWS, telling(progress))

    @shows("replaying", "events")
    async def as_of(self, moment: int | datetime, *, progress: Reported | None = None) -> AsOf:
        """Return sessions, snapshots and tasks as they were, from a fold of its own.

        Parameters:
            moment: a position, or an aware time.
            progress: called with the events that are folded and those that will be, from a worker thread.

        Raises:
            InvalidArgument: the position is negative, or the time has no time zone.
        """
        if isinstance(moment, datetime):
            moment = await self._log.position_at(microseconds(moment))
        if moment < 0:
            raise InvalidArgument(f"{moment} is no position of a log", hint="positions begin with 1")
        return await anyio.to_thread.run_sync(self._as_of, moment, telling(progress))

    def _as_of(self, position: int, progress: Reported | None) -> AsOf:
        connection, report = replay_file(self._log.path, VIEWS, position, progress)
        try:
            row = project.load(connection)
            model_id = row["id"] if row else ""
            found_snapshots, _ = snapshots.ls(connection, session_id=None, text=None, limit=None)
            found_tasks, _ = tasks.ls(connection, session_id=None, text=None, limit=None)
            return AsOf(
                report.events,
                row["name"] if row else "",
                tuple(sessions.entities(connection)),
                tuple(snapshots.entity(found, model_id) for found in found_snapshots),
                tuple(tasks.entity(found, model_id) for found in found_tasks),
            )
        finally:
            connection.close()


def _listed(types: Sequence[str]) -> Sequence[str]:
    """Refuse one type that is not in a list: its letters would be taken for types."""
    if isinstance(types, str):
        raise InvalidArgumentType(f"types is a list of event types, not the text {types!r}")
    return types
