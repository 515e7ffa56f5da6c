"""Progress of long work in a notebook: one output for each operation, drawn anew while it lasts. Short work shows none.

It is shown where the interpreter is a notebook's kernel, which then has IPython loaded; nothing is imported otherwise.
The context of whoever called is that of the workers here, also where the loop is another thread's: by it the kernel
knows to which cell an output belongs.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

import anyio

from datmo.core.ids import new_id
from datmo.engine.edge import single_error
from datmo.engine.kernel import in_notebook
from datmo.engine.workspace import Workspace, heard
from datmo.errors import InvalidArgument

if TYPE_CHECKING:
    from types import ModuleType


__all__ = ["SOON", "Showing", "shown", "shows"]

SOON = 1.0
"""Seconds after which work is long."""
_EVERY = 0.3

P = ParamSpec("P")
T = TypeVar("T")


class _Room(Protocol):
    @property
    def _workspace(self) -> Workspace: ...


R = TypeVar("R", bound=_Room)


class Showing:
    """An operation that is shown while it lasts.

    Parameters:
        display: displays something in a notebook.
        what: the operation, in a word or two.
        unit: what is counted; bytes by default.
    """

    def __init__(self, display: ModuleType, what: str, unit: str | None = None) -> None:
        self._display = display
        self._id = new_id()
        self._what = what
        self._unit = unit
        self._began = time.monotonic()
        self._notice = ""
        self._done = (0, 0)
        self._drawn = ""
        self._over = False
        self.line: Callable[[], str] = self._progress
        self.below: Callable[[], str] = str

    @property
    def drawn(self) -> bool:
        """Whether it was shown."""
        return bool(self._drawn)

    @property
    def lasted(self) -> str:
        """How long it has lasted so far, as a clock shows it."""
        from datmo.core.html_progress import clock

        return clock(time.monotonic() - self._began)

    def notice(self, line: str) -> None:
        """Hear what the operation has to say: the last line is shown."""
        self._notice = next((part for part in reversed(line.splitlines()) if part.strip()), "")

    def report(self, done: int, total: int) -> None:
        """Hear how much is done; called from worker threads."""
        self._done = done, total

    async def draw_on(self) -> None:
        """Draw it again and again, once it has lasted for a while."""
        await anyio.sleep(SOON)
        while True:
            self._draw(self.line(), self.below())
            await anyio.sleep(_EVERY)

    def close(self, line: str) -> None:
        """Show a last line."""
        self._done, self._over = (0, 0), True
        self._draw(line)

    def end(self, word: str) -> None:
        """Say how it ended, where it was shown."""
        if self.drawn and not self._over:
            self.close(self._progress(word))

    def _draw(self, line: str, below: str = "") -> None:
        """Show a line, and what is below it, in the place of what was shown."""
        from datmo.core.html_progress import progress_html

        page = progress_html(line, *self._done) + below
        if page == self._drawn:
            return
        show = self._display.update_display if self._drawn else self._display.display
        self._drawn = page
        with suppress(Exception):  # whatever the page cannot take, the work goes on
            show({"text/plain": line, "text/html": page}, raw=True, display_id=self._id)

    def _progress(self, word: str = "") -> str:
        from datmo.core.measures import progress

        words = [self._what, progress(*self._done, self._unit), self.lasted, word or self._notice]
        return " · ".join(word for word in words if word)


@asynccontextmanager
async def shown(workspace: Workspace, what: str, unit: str | None = None) -> AsyncIterator[Showing | None]:
    """Show an operation while the block runs; gives None where nobody looks, or where it is a part of another.

    Parameters:
        workspace: the project.
        what: the operation, in a word or two.
        unit: what is counted; bytes by default.
    """
    display = in_notebook()
    if display is None or heard.get() is not None or _quiet(workspace):
        yield None
        return
    showing = Showing(display, what, unit)
    token = heard.set(showing)
    try:
        with single_error():
            async with anyio.create_task_group() as workers:
                workers.start_soon(showing.draw_on, name="progress in the notebook")
                yield showing
                workers.cancel_scope.cancel()
    except (anyio.get_cancelled_exc_class(), KeyboardInterrupt):
        showing.end("interrupted")
        raise
    except BaseException:
        showing.end("failed")
        raise
    finally:
        heard.reset(token)
    showing.end("done")


def shows(
    what: str, unit: str | None = None
) -> Callable[[Callable[Concatenate[R, P], Awaitable[T]]], Callable[Concatenate[R, P], Awaitable[T]]]:
    """Return a decorator by which a method is shown while it lasts.

    Parameters:
        what: what it does, in a word or two.
        unit: what is counted; bytes by default.
    """

    def decorate(method: Callable[Concatenate[R, P], Awaitable[T]]) -> Callable[Concatenate[R, P], Awaitable[T]]:
        @wraps(method)
        async def call(self: R, /, *arguments: P.args, **options: P.kwargs) -> T:
            async with shown(self._workspace, what, unit):
                return await method(self, *arguments, **options)

        return call

    return decorate


def _quiet(workspace: Workspace) -> bool:
    try:
        return bool(workspace.settings["verbosity"] == "quiet")
    except InvalidArgument:  # `datmo config ls` names what is wrong
        return False
