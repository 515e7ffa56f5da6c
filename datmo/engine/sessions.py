"""Commands on sessions."""

from __future__ import annotations

import sqlite3

from datmo.core import session as rules
from datmo.core.entity.session import Session
from datmo.core.event import NewEvent
from datmo.core.ids import new_id
from datmo.core.project import DEFAULT_SESSION
from datmo.engine.workspace import Workspace, command
from datmo.errors import Conflict, EntityNotFound
from datmo.projections import sessions as view
from datmo.projections import tasks

__all__ = ["Sessions"]

_TRIES = 3


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
        session_id = new_id()
        for attempt in range(_TRIES):
            taken = {row["name"] for row in await self._workspace.query(view.visible)}
            events = rules.create(session_id, name, taken, current=current)
            try:
                await self._append(events)
                break
            except Conflict:  # another process took the name meanwhile: decide again, on what is there now
                if attempt == _TRIES - 1:
                    raise
        return await self.get(session_id)

    async def select(self, session: str) -> Session:
        """Make a session the current one.

        Parameters:
            session: its name, id or a unique prefix of the id.

        Raises:
            EntityNotFound: there is none.
        """
        row = await self._workspace.session(session)
        await self._append(rules.select(row["id"]))
        return await self.get(row["id"])

    async def delete(self, session: str) -> Session:
        """Delete a session, which hides its tasks and snapshots; nothing of them is destroyed.

        Parameters:
            session: its name, id or a unique prefix of the id.

        Returns:
            The session that is current afterwards.

        Raises:
            Refused: it is the default session, or one of its tasks runs.
        """
        row = await self._workspace.session(session)
        current_id = (await self._workspace.project_row())["session_id"]
        default = await self._workspace.session(DEFAULT_SESSION)
        running = await self._workspace.query(lambda connection: tasks.unfinished(connection, row["id"]))
        events = rules.delete(
            row, current_id=current_id, default_id=default["id"], running=[task["id"] for task in running]
        )
        await self._append(events)
        return await self.current()

    async def ls(self) -> list[Session]:
        """Return all sessions, oldest first."""
        return await self._workspace.query(view.entities)

    async def current(self) -> Session:
        """Return the current session."""
        return await self.get((await self._workspace.session(None))["id"])

    async def get(self, session: str) -> Session:
        """Return a session by name, id or unique prefix."""
        row = await self._workspace.session(session)

        def find(connection: sqlite3.Connection) -> Session | None:
            return next((entity for entity in view.entities(connection) if entity.id == row["id"]), None)

        found = await self._workspace.query(find)
        if found is None:
            raise EntityNotFound("session", session, hint="`datmo session ls` shows the ids")
        return found

    async def _append(self, events: list[NewEvent]) -> None:
        with command():
            await self._workspace.log.append(*events)
