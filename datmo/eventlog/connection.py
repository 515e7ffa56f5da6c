"""A connection with a thread of its own, on which whole functions run."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import aiosqlite
import anyio

from datmo.errors import LogError
from datmo.eventlog.schema import open_file

__all__ = ["ThreadConnection"]

T = TypeVar("T")


class ThreadConnection:
    """One SQLite connection on one thread; functions given to `run` are executed there, one after another."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._pid = os.getpid()

    @classmethod
    async def open(cls, path: Path) -> ThreadConnection:
        """Open the log's file.

        Raises:
            LogTooNew, DamagedLog: see `datmo.eventlog.schema.open_file`.
        """
        connection = aiosqlite.Connection(lambda: open_file(path), iter_chunk_size=64)
        with anyio.CancelScope(shield=True):  # a half-opened connection would keep the process from ending
            await connection
        return cls(connection)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what a function returns that is called with the connection, on the connection's thread.

        A caller that is cancelled does not interrupt the function: it runs to its end.
        """
        if os.getpid() != self._pid:
            raise LogError(
                "the log was opened by the parent of this forked process",
                hint="open the project anew in the child",
            )
        return cast("T", await self._connection.execute_fetchall(cast("Any", work)))

    async def aclose(self) -> None:
        """Close the connection and end its thread, also when the caller is being cancelled."""
        with anyio.CancelScope(shield=True):
            await self._connection.close()
