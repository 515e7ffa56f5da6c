"""A connection with a thread of its own, on which whole functions run."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar, cast

import aiosqlite
import anyio

from datmo.errors import LogError

__all__ = ["ThreadConnection", "closed"]

T = TypeVar("T")


_forks = 0  # how many forks lie between this process and the one that loaded the module: cheaper to ask than getpid


def _count_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)


def closed() -> LogError:
    """Return the error of a log that is used after it was closed."""
    return LogError(
        "the log is closed",
        hint="open the project anew: behind its `close()`, or the block of its `with`, it is closed",
    )


class ThreadConnection:
    """One SQLite connection on one thread; functions given to `run` are executed there, one after another."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._forks = _forks
        self._closed = False

    @classmethod
    async def open(cls, connect: Callable[[], sqlite3.Connection]) -> ThreadConnection:
        """Open a connection by a function that is called on its thread; what that raises is raised here."""
        failures: list[Exception] = []

        def connected() -> sqlite3.Connection:
            try:
                return connect()
            except Exception as error:  # noqa: BLE001  # raised below
                # Where this raised, aiosqlite would end its thread without anyone waiting for that, which fails once
                # the loop is closed. With a stand-in it is opened, and closed in order.
                failures.append(error)
                return sqlite3.connect(":memory:")

        connection = aiosqlite.Connection(connected, iter_chunk_size=64)
        with anyio.CancelScope(shield=True):  # a half-opened connection would keep the process from ending
            await connection
            if failures:
                await connection.close()
                raise failures[0]
        return cls(connection)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what a function returns that is called with the connection, on the connection's thread.

        A caller that is cancelled does not interrupt the function: it runs to its end.

        Raises:
            LogError: the connection was closed, or this process is a fork of the one that opened it.
        """
        self.check()
        return cast("T", await self._connection.execute_fetchall(cast("Any", work)))

    def check(self) -> None:
        """Refuse to be used where the answer would never come.

        Raises:
            LogError: the connection was closed, or this process is a fork of the one that opened it.
        """
        if self._closed:
            raise closed()
        if self._forks != _forks:
            raise LogError(
                "the log was opened by the parent of this forked process",
                hint="open the project anew in the child",
            )

    async def aclose(self) -> None:
        """Close the connection and end its thread, also when the caller is being cancelled."""
        self._closed = True
        with anyio.CancelScope(shield=True):
            await self._connection.close()
