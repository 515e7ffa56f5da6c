"""The way from synchronous code to the engine: one event loop in a thread of its own, for the whole process.

It works where a loop runs already (notebooks), because it is another thread's. In a forked child, where that thread
does not exist, a call would wait for ever: so the child forgets it and gets its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from anyio import CancelScope, Event
    from anyio.from_thread import BlockingPortal

__all__ = ["Held", "call", "each", "entered"]

T = TypeVar("T")

_STOPPING = 30.0
"""Seconds that Ctrl-C waits for a call to end in order: longer than a task is given to stop."""


class _Loop:
    """The loop's thread: started by the first call, it ends after the threads that made calls."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._portal: BlockingPortal | None = None
        self._callers: WeakSet[threading.Thread] = WeakSet()
        self._ended = False

    @property
    def gone(self) -> bool:
        """Whether it has ended, and with it what was open on it, or is the parent's of this forked process."""
        return self._ended or self is not _loop

    def end(self) -> None:
        """Say that it takes no more calls."""
        self._ended = True

    def portal(self) -> BlockingPortal:
        """Return the portal to the loop, for a call of this thread."""
        with self._starting:
            self._callers.add(threading.current_thread())
            if self._portal is None:
                ready: Future[BlockingPortal] = Future()
                threading.Thread(target=_serve, args=(ready, self), name="datmo").start()
                self._portal = ready.result()
            return self._portal

    def wait_for_callers(self) -> None:
        """Return when the main thread has ended, and every other that made calls and that the interpreter waits for."""
        threading.main_thread().join()
        while caller := self._a_living_caller():
            caller.join()

    def _a_living_caller(self) -> threading.Thread | None:
        with self._starting:
            return next((caller for caller in self._callers if caller.is_alive() and not caller.daemon), None)


def _serve(ready: Future[BlockingPortal], loop: _Loop) -> None:
    import anyio
    import anyio.to_thread
    from anyio.from_thread import BlockingPortal

    async def serve() -> None:
        async with BlockingPortal() as portal:
            ready.set_result(portal)
            # The interpreter joins all threads before it runs exit handlers, so those would come too late.
            await anyio.to_thread.run_sync(loop.wait_for_callers)
            loop.end()
            # What nobody waits for any more, such as a project that was left open, would keep the process alive.
            await portal.stop(cancel_remaining=True)

    anyio.run(serve)


_loop = _Loop()


def _forget() -> None:
    """Leave the parent's loop to the parent: in a forked child its thread does not exist."""
    global _loop
    _loop = _Loop()


os.register_at_fork(after_in_child=_forget)


def call(function: Callable[..., Awaitable[T]], *arguments: object, **options: object) -> T:
    """Return what an async function returns, from synchronous code.

    Ctrl-C cancels the call and waits until it has ended in order, a running task stopped and recorded.

    Parameters:
        function: called on the loop with the arguments.
    """
    ended = threading.Event()

    async def run() -> T:
        try:
            return await function(*arguments, **options)
        finally:
            ended.set()

    future = _loop.portal().start_task_soon(run)
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        ended.wait(_STOPPING)
        raise


class _Inside(Generic[T]):
    """An async context manager, entered and left on the loop, by one task there.

    A portal of anyio has the same; but with that, Ctrl-C while it is being entered leaves it entered, and nobody to
    leave it: tasks that were being started would run on.

    Parameters:
        portal: to the loop.
        manager: the manager.
    """

    def __init__(self, portal: BlockingPortal, manager: AbstractAsyncContextManager[T]) -> None:
        self._portal = portal
        self._manager = manager
        self._value: Future[T] = Future()
        self._held: Future[bool | None]
        self._leaving: Event
        self._scope: CancelScope | None = None
        self._why: tuple[type[BaseException] | None, BaseException | None, TracebackType | None] = (None, None, None)
        self._ended = threading.Event()

    def enter(self) -> T:
        """Return what it gives."""
        try:
            self._held = self._portal.start_task_soon(self._hold)
            return self._value.result()
        except KeyboardInterrupt:
            self._portal.call(self._give_up)
            self._ended.wait(_STOPPING)
            raise

    def leave(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Leave it, for a reason or without; returns whether that is thereby settled."""
        self._why = kind, error, trace
        self._portal.call(self._leaving.set)
        return self._held.result()

    async def _hold(self) -> bool | None:
        import anyio

        self._leaving = anyio.Event()
        settled = None
        try:
            with anyio.CancelScope() as self._scope:
                try:
                    value = await self._manager.__aenter__()
                except BaseException as error:
                    self._value.set_exception(error)
                    raise
                self._value.set_result(value)
                try:
                    await self._leaving.wait()
                finally:
                    settled = await self._manager.__aexit__(*self._why)
        finally:
            self._ended.set()
        return settled

    def _give_up(self) -> None:
        """Cancel it; on the loop, where by now it has begun if it ever will."""
        if self._scope is None:
            self._ended.set()
        else:
            self._scope.cancel()


@contextmanager
def entered(manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter an async context manager on the loop, from synchronous code; Ctrl-C meanwhile ends that in order."""
    loop = _loop
    inside = _Inside(loop.portal(), manager)
    value = inside.enter()
    try:
        yield value
    except GeneratorExit:
        # Nobody holds it any more. That may be found out on any thread, the loop's as well, so it is not waited for.
        if not loop.gone:
            with suppress(RuntimeError):  # the interpreter is ending
                threading.Thread(target=_leave, args=(inside,), name="datmo leaving", daemon=True).start()
        raise
    except BaseException as error:
        if loop.gone or not inside.leave(type(error), error, error.__traceback__):
            raise
    else:
        if not loop.gone:
            inside.leave(None, None, None)


def _leave(inside: _Inside[T]) -> None:
    with suppress(RuntimeError, CancelledError):  # the loop has ended meanwhile
        inside.leave(None, None, None)


class Held(Generic[T]):
    """What was entered on the loop, for as long as anybody holds this.

    Parameters:
        manager: what is entered.

    Attributes:
        value: what it gave.
    """

    def __init__(self, manager: AbstractAsyncContextManager[T]) -> None:
        self._leaving = ExitStack()
        self.value: T = self._leaving.enter_context(entered(manager))

    def leave(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Leave it now, for a reason or without; again does nothing."""
        self._leaving.__exit__(kind, error, trace)


def each(events: AsyncIterator[T], held: object) -> Iterator[T]:
    """Yield what an async iterator yields; it is closed in the end.

    Parameters:
        events: the iterator.
        held: what has to stay open meanwhile.
    """

    async def close() -> None:
        if isinstance(events, AsyncGenerator):
            await events.aclose()

    loop = _loop
    try:
        while True:
            try:
                event = call(events.__anext__)
            except StopAsyncIteration:
                return
            yield event
    finally:
        if not loop.gone:  # else it went with it: left over at the end of a script, or in a fork of it
            call(close)
