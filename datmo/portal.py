"""The way from synchronous code to the engine: one event loop in a thread of its own, for the whole process.

It works where a loop runs already (notebooks), because it is another thread's. In a forked child, where that thread
does not exist, a call would wait for ever: so the process's number is kept beside it, and the child gets its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

__all__ = ["call", "entered"]

T = TypeVar("T")

_STOPPING = 30.0


class _Loop:
    """The loop's thread, started by the first call; it ends with the main thread."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._portal: BlockingPortal | None = None

    def portal(self) -> BlockingPortal:
        with self._starting:
            if self._portal is None:
                ready: Future[BlockingPortal] = Future()
                threading.Thread(target=_serve, args=(ready,), name="datmo").start()
                self._portal = ready.result()
            return self._portal

    def forget(self) -> None:
        """Leave the parent's loop to the parent: in a forked child its thread does not exist."""
        self.__init__()  # type: ignore[misc]  # a forked child begins anew


def _serve(ready: Future[BlockingPortal]) -> None:
    import anyio
    import anyio.to_thread
    from anyio.from_thread import BlockingPortal

    async def serve() -> None:
        async with BlockingPortal() as portal:
            ready.set_result(portal)
            # The interpreter joins all threads before it runs exit handlers, so those would come too late.
            await anyio.to_thread.run_sync(threading.main_thread().join)

    anyio.run(serve)


_loop = _Loop()
os.register_at_fork(after_in_child=_loop.forget)


def call(function: Callable[..., Awaitable[T]], *arguments: object, **options: object) -> T:
    """Return what an async function returns, from synchronous code.

    Ctrl-C cancels the call and waits until it has ended in order, a running task stopped and recorded.

    Parameters:
        function: called on the loop with the arguments.
    """
    from datmo.engine.edge import single_error

    ended = threading.Event()

    async def run() -> T:
        try:
            return await function(*arguments, **options)
        finally:
            ended.set()

    with single_error():
        future = _loop.portal().start_task_soon(run)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            ended.wait(_STOPPING)
            raise


@contextmanager
def entered(manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter an async context manager on the loop, from synchronous code."""
    from datmo.engine.edge import single_error

    with single_error(), _loop.portal().wrap_async_context_manager(manager) as value:
        yield value
