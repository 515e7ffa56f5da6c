"""One way to speak to both APIs, so that each test is written once."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from typing import IO, Any, Protocol

import anyio
from anyio.to_thread import run_sync

import datmo
import datmo.aio
import datmo.project

Home = Any


class Face(Protocol):
    """An API. What it gives is awaited, whichever it is; entities are its own."""

    name: str

    def open(self, home: Home = None, **options: Any) -> Any: ...

    def init(self, home: Home = None, **options: Any) -> Any: ...

    async def cleanup(self, home: Home = None, **options: Any) -> list[str]: ...

    async def logs(self, task: Any) -> str: ...

    async def opened(self, entity: Any, mode: str = "r") -> list[IO[Any]]: ...

    async def now(self, task: Any) -> Any: ...

    async def value(self, task: Any, name: str) -> Any: ...


class AsyncFace:
    name = "async"

    def open(self, home: Home = None, **options: Any) -> Any:
        return datmo.aio.open(home, **options)

    def init(self, home: Home = None, **options: Any) -> Any:
        return datmo.aio.init(home, **options)

    async def cleanup(self, home: Home = None, **options: Any) -> list[str]:
        return await datmo.aio.cleanup(home, **options)

    async def logs(self, task: Any) -> str:
        text: str = await task.logs()
        return text

    async def opened(self, entity: Any, mode: str = "r") -> list[IO[Any]]:
        files: list[IO[Any]] = await entity.get_files(mode)
        return files

    async def now(self, task: Any) -> Any:
        return await task.refresh()

    async def value(self, task: Any, name: str) -> Any:
        return getattr(task, name)


class SyncFace:
    name = "sync"

    def open(self, home: Home = None, **options: Any) -> Any:
        return _entered(lambda: datmo.open(home, **options))

    def init(self, home: Home = None, **options: Any) -> Any:
        return _entered(lambda: datmo.init(home, **options))

    async def cleanup(self, home: Home = None, **options: Any) -> list[str]:
        return await run_sync(partial(datmo.project.cleanup, home, **options))

    async def logs(self, task: Any) -> str:
        return await run_sync(lambda: task.logs)

    async def opened(self, entity: Any, mode: str = "r") -> list[IO[Any]]:
        return await run_sync(entity.get_files, mode)

    async def now(self, task: Any) -> Any:
        await run_sync(lambda: task.status)
        return task

    async def value(self, task: Any, name: str) -> Any:
        return await run_sync(getattr, task, name)


@asynccontextmanager
async def _entered(make: Callable[[], AbstractContextManager[Any]]) -> AsyncIterator[Any]:
    manager = await run_sync(make)
    project = await run_sync(manager.__enter__)
    try:
        yield _InThread(project)
    except BaseException as error:
        with anyio.CancelScope(shield=True):
            if not await run_sync(manager.__exit__, type(error), error, error.__traceback__):
                raise
    else:
        await run_sync(manager.__exit__, None, None, None)


class _InThread:
    """A synchronous object whose methods are awaited: each runs in a worker thread."""

    _ROOMS = ("sessions", "snapshots", "tasks", "environments", "config", "log")

    def __init__(self, target: Any) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if name in self._ROOMS:
            return _InThread(value)
        if inspect.isgeneratorfunction(value) or name in {"read", "follow"}:
            return partial(_each, value)
        if not callable(value):
            return value
        return lambda *arguments, **options: run_sync(partial(value, *arguments, **options))


async def _each(function: Callable[..., Any], **options: Any) -> AsyncIterator[Any]:
    events = function(**options)
    end = object()
    while (event := await run_sync(next, events, end)) is not end:
        yield event


async def contents(face: Face, entity: Any) -> dict[str, bytes]:
    """What an entity's files are called and hold, in their order."""
    found: dict[str, bytes] = {}
    for file in await face.opened(entity, "rb"):
        with file:
            found[str(file.name)] = file.read()
    return found
