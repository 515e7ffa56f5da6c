"""Commands on sessions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from datmo.core import session as rules
from datmo.core.entity.session import Session
from datmo.core.entity_list import EntityList
from datmo.core.event import EXPECTATIONS, NewEvent
from datmo.core.ids import Named, id_of, new_id
from datmo.core.project import DEFAULT_SESSION
from datmo.engine.workspace import Workspace, checked_text, command, find_session
from datmo.errors import Conflict
from datmo.projections import sessions as view
from datmo.projections import tasks
from datmo.projections.search import resolve

__all__ = ["Sessions"]

T = TypeVar("T")

_TRIES = 5


class _Decision(NamedTuple):
    """What is to be appended, and what its streams must be like then."""

    events: list[NewEvent]
    expected: dict[str, EXPECTATIONS]


class Sessions:
    """`project.sessions`: create, select, list and delete sessions."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def create(self, name: str, *, current: bool = True) -> Session:
        """Create a session.

        Parameters:
            name: not empty, not taken.
            current: whether it becomes the current one.

        Raises:
            InvalidArgument: the name is empty.
            Refused: the name is taken.
        """
        session_id, name = new_id(), checked_text("name", name)

        def decide(connection: sqlite3.Connection) -> _Decision:
            taken = {row["name"] for row in view.visible(connection)}
            return _Decision(rules.create(session_id, name, taken, current=current), {})

        await self._decide(decide)
        return await self.get(session_id)

    async def select(self, session: str | Named) -> Session:
        """Make a session the current one.

        Parameters:
            session: its name, id or a unique prefix of the id.

        Raises:
            EntityNotFound: there is none.
        """

        def decide(connection: sqlite3.Connection) -> _Decision:
            session_id = find_session(connection, session)["id"]
            return _Decision(rules.select(session_id), _unchanged(connection, session_id))

        await self._decide(decide)
        return await self.current()

    async def delete(self, session: str | Named) -> Session:
        """Delete a session, which hides its tasks and snapshots; nothing of them is destroyed.

        Parameters:
            session: its name, id or a unique prefix of the id.

        Returns:
            The session that is current afterwards.

        Raises:
            Refused: it is the default session, or one of its tasks runs.
        """

        def decide(connection: sqlite3.Connection) -> _Decision:
            row = find_session(connection, session)
            current_id, default_id = (find_session(connection, each)["id"] for each in (None, DEFAULT_SESSION))
            running = [task["id"] for task in tasks.unfinished(connection, row["id"])]
            events = rules.delete(row, current_id=current_id, default_id=default_id, running=running)
            return _Decision(events, _unchanged(connection, row["id"]))

        await self._decide(decide)
        return await self.current()

    async def undelete(self, session: str | Named) -> Session:
        """Bring a deleted session back, with the tasks and snapshots that `gc` has not removed since.

        Parameters:
            session: its name, id or a unique prefix of the id.

        Returns:
            The session; the current one stays so.

        Raises:
            EntityNotFound, AmbiguousId: no deleted session fits, or several do.
            Refused: its name is taken by now.
        """
        given = checked_text("session", id_of(session))
        found: list[str] = []

        def decide(connection: sqlite3.Connection) -> _Decision:
            row = resolve(connection, view.SESSIONS, given, label="name", deleted=True)
            found[:] = [row["id"]]
            names = {each["name"] for each in view.visible(connection)}
            return _Decision(rules.restore(row, names), _unchanged(connection, row["id"]))

        async with self._workspace.storing():  # what is in it is garbage until it is restored
            await self._decide(decide)
        return await self.get(found[0])

    async def ls(self) -> list[Session]:
        """Return all sessions, oldest first."""
        return EntityList(await self._workspace.query(view.entities))

    async def current(self) -> Session:
        """Return the current session."""
        return await self._find(None)

    async def get(self, session: str | Named) -> Session:
        """Return a session by name, id or unique prefix."""
        return await self._find(checked_text("session", id_of(session)))

    async def _find(self, given: str | None) -> Session:
        def find(connection: sqlite3.Connection) -> Session:
            row = find_session(connection, given)
            return next(entity for entity in view.entities(connection) if entity.id == row["id"])

        return await self._workspace.query(lambda connection: _at_one_moment(connection, find))

    async def _decide(self, decide: Callable[[sqlite3.Connection], _Decision]) -> None:
        """Append what is decided on what is there; where another process changed that meanwhile, decide again."""
        for attempt in range(_TRIES):
            events, expected = await self._workspace.query(lambda connection: _at_one_moment(connection, decide))
            try:
                with command():
                    await self._workspace.log.append(*events, expected=expected)
            except Conflict:
                if attempt == _TRIES - 1:
                    raise
            else:
                return


def _unchanged(connection: sqlite3.Connection, session_id: str) -> dict[str, EXPECTATIONS]:
    """Expect that nobody selects or deletes a session meanwhile, so that the current one is never a deleted one."""
    return {f"session/{session_id}": view.version(connection, session_id)}


def _at_one_moment(connection: sqlite3.Connection, read: Callable[[sqlite3.Connection], T]) -> T:
    """Read several things as of one moment, whatever others append meanwhile."""
    connection.execute("BEGIN")
    try:
        return read(connection)
    finally:
        connection.execute("COMMIT")
