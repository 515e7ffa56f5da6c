"""Seeing what any process appends: one look every 20 ms, for all in this process who follow.

SQLite counts the commits that other connections make; asking for that count is next to nothing. Where it has changed,
the new rows' streams and types are read once, and only those followers are woken whom one of them concerns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus

from datmo.errors import LogError
from datmo.eventlog.connection import closed

__all__ = ["Follower", "Watch"]

_EVERY = 0.02
_MOST_ROWS = 512

Row = tuple[int, str, str]
Query = Callable[[Callable[[sqlite3.Connection], Any]], Awaitable[Any]]


class Follower:
    """One who follows.

    Parameters:
        stream, types: what it wants to see, as in `datmo.eventlog.read.Selection`.
    """

    def __init__(self, stream: str | None, types: tuple[str, ...]) -> None:
        self._stream = stream
        self._types = types
        self._told = anyio.Event()
        self._end = 0
        self._failure: Exception | None = None

    def wants(self, stream: str, event_type: str) -> bool:
        """Say whether it may want to see an event."""
        return (self._stream is None or _fits(stream, self._stream)) and (
            not self._types or any(_fits(event_type, each) for each in self._types)
        )

    def tell(self, end: int) -> None:
        """Say that up to this position there is something for it."""
        self._end = end
        self._told.set()

    def fail(self, error: Exception) -> None:
        """Say that nobody looks any more."""
        self._failure = error
        self._told.set()

    async def news(self) -> int:
        """Wait until there is something for it, and return up to which position.

        Raises:
            LogError: the log was closed.
        """
        await self._told.wait()
        if self._failure is not None:
            raise self._failure
        self._told = anyio.Event()
        return self._end


def _fits(text: str, pattern: str) -> bool:
    """Say whether a pattern may fit; it is looked at exactly when the events are read."""
    head, star, _ = pattern.partition("*")
    return text.startswith(head) if star else text == pattern or "?" in pattern or "[" in pattern


class Watch:
    """Looks for what was appended, as long as anybody follows.

    Parameters:
        query: asks the log; see `datmo.eventlog.log.EventLog.query`.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self._followers: set[Follower] = set()
        self._scope: anyio.CancelScope | None = None
        self._starting = anyio.Lock()
        self._end = 0

    async def join(self, workers: TaskGroup, follower: Follower) -> None:
        """Begin to tell a follower: of everything behind the end of the log as it is after this call.

        Parameters:
            workers: where the looking is done.
            follower: whom to tell; it has to `leave`, also where this is cancelled.

        Raises:
            LogError: the log cannot be read.
        """
        self._followers.add(follower)
        async with self._starting:
            if self._scope is None:
                await workers.start(self._look_again_and_again, name="look for what was appended")

    def leave(self, follower: Follower) -> None:
        """Tell a follower no more; the last one ends the looking."""
        self._followers.discard(follower)
        if not self._followers:
            self._stop()

    def close(self) -> None:
        """End the looking; who still follows is told."""
        for follower in self._followers:
            follower.fail(closed())
        self._stop()

    def _stop(self) -> None:
        if self._scope is not None:
            self._scope.cancel()
            self._scope = None

    async def _look_again_and_again(self, *, task_status: TaskStatus[None]) -> None:
        with anyio.CancelScope() as scope:
            self._end = await self._query(_end)
            self._scope = scope
            try:
                task_status.started()
                commits = -1
                while True:
                    commits, rows = await self._query(partial(_look, commits=commits, after=self._end))
                    if rows:
                        self._tell(rows)
                    await anyio.sleep(_EVERY)
            except LogError as error:
                for follower in self._followers:
                    follower.fail(error)
            finally:
                if self._scope is scope:
                    self._scope = None

    def _tell(self, rows: Iterable[Row]) -> None:
        for position, stream, event_type in rows:
            self._end = position
            for follower in self._followers:
                if follower.wants(stream, event_type):
                    follower.tell(position)


def _end(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(position), 0) FROM event").fetchone()[0])


def _look(connection: sqlite3.Connection, commits: int, after: int) -> tuple[int, list[Row]]:
    """Return the count of commits, and some of the new rows where it has changed."""
    (count,) = connection.execute("PRAGMA data_version").fetchone()
    if count == commits:
        return count, []
    query = "SELECT position, stream, type FROM event WHERE position > ? ORDER BY position LIMIT ?"
    rows = connection.execute(query, (after, _MOST_ROWS)).fetchall()
    return (-1 if len(rows) == _MOST_ROWS else count), rows  # where there may be more, look again
