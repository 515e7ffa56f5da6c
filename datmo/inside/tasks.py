"""The task that this code belongs to, and what can be said of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from os import write
from time import time
from typing import Any

from datmo.inside import lines
from datmo.inside.files import bring
from datmo.inside.outbox import Outbox

try:
    from orjson import OPT_APPEND_NEWLINE, dumps
except ImportError:
    from datmo.inside.lines import OPT_APPEND_NEWLINE, dumps

__all__ = ["CurrentTask", "current", "entered"]

_LONGEST = lines.LONGEST
_MOST_NAMES = 10_000

_innermost: ContextVar[CurrentTask | None] = ContextVar("datmo_task", default=None)
_of_process: dict[str, CurrentTask] = {}
_making = threading.Lock()


class CurrentTask:
    """The task that this code runs in. Everything on it may be called from any thread, and in forked children.

    What a call was given is kept when it returns: it outlives this process, however that ends.

    Parameters:
        task_id: its id.
        outbox: the file that takes it.
        folder: its folder for files, `DATMO_TASK_DIR`.

    Attributes:
        id: the task's id.
    """

    def __init__(self, task_id: str, outbox: str, folder: str) -> None:
        self.id: str = task_id
        self._outbox = Outbox(outbox)
        self._folder = folder
        self._names: set[str] = set()
        """Names of metrics that were found good."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    def log(self, values: Mapping[str, Any] | None = None, /, *, step: int | None = None, **more: Any) -> None:
        """Add points to metrics.

        ```python
        task.log(step=3, loss=0.2, accuracy=0.9)
        task.log({"train/loss": 0.2}, step=3)
        ```

        Parameters:
            values: numbers by the names of their metrics, where those are no names of Python's.
            step: where the points lie; by default one behind each metric's last.
            more: numbers by the names of their metrics. NaN and infinities are kept.

        Raises:
            TypeError: a value is no number, or the step no integer.
            ValueError: there is no value, or one's name is empty or too long.
            OSError: the disk is full.
        """
        # Written out for speed, up to what is rare: this is called for each step of a training.
        if values is not None:
            more = {**values, **more}
        names = self._names
        line = b""
        try:
            for name, value in more.items():
                # The difference is 0 but for NaN and infinities; what is no number has none.
                if name not in names or value - value != 0:
                    break
            else:
                if type(step) is int:
                    line = dumps({"log": more, "step": step, "time": time()}, None, OPT_APPEND_NEWLINE)
                elif step is None:
                    line = dumps({"log": more, "time": time()}, None, OPT_APPEND_NEWLINE)
        except Exception:  # noqa: BLE001  # whatever it is, `_any_line` knows a way, or says what is wrong
            line = b""
        size = len(line)
        if not size or size > _LONGEST or not more:
            line = self._any_line(step, more)
            size = len(line)
        try:
            written = write(self._outbox.descriptor, line)
        except OSError:  # not open yet, or the disk is full
            self._outbox.write(line)
        else:
            if written != size:
                self._outbox.finish(line, written)

    def _any_line(self, step: Any, values: dict[str, Any]) -> bytes:
        line = lines.points(step, values, time())
        if len(self._names) < _MOST_NAMES:
            self._names.update(values)
        return line

    def log_config(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Add to the task's configuration; later values win, over its parameters too.

        Parameters:
            values, more: text, numbers, booleans, None, and lists or dicts of them, by their names.

        Raises:
            TypeError: a value cannot be kept.
            ValueError: it is more than 64 kB at once.
            OSError: the disk is full.
        """
        self._outbox.write(lines.values("config", {**(values or {}), **more}))

    def log_results(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Add to the task's results; later values win, over those that were read from its output too.

        What the task leaves in its `stats.json` wins over these.

        Parameters:
            values, more: as for `log_config`.

        Raises:
            TypeError, ValueError, OSError: as for `log_config`.
        """
        self._outbox.write(lines.values("results", {**(values or {}), **more}))

    def log_artifact(self, path: str | os.PathLike[str]) -> None:
        """Keep a file, or all files of a folder, as they are now.

        They are copied to the task's folder, under the path that they have below the working folder (or under their
        name alone), and stored while the task runs on. The same path again takes the place of the first.

        Parameters:
            path: the file or folder.

        Raises:
            FileNotFoundError: there is none.
            OSError: it cannot be read, or the disk is full.
        """
        for name in bring(os.fspath(path), self._folder):
            self._outbox.write(lines.artifact(name))


@contextmanager
def entered(task: CurrentTask) -> Iterator[None]:
    """Make a task the current one of this thread, or asyncio task, for the length of a block."""
    before = _innermost.get()
    _innermost.set(task)
    try:
        yield
    finally:
        _innermost.set(before)  # no `reset`: the block may be left in another context, as by fixtures of tests


def current() -> CurrentTask:
    """Return the task that this code runs in: the innermost that is tracked here, else the one that this process is of.

    Raises:
        RuntimeError: it runs in none.
    """
    task = _innermost.get()
    if task is not None:
        return task
    path = os.environ.get("DATMO_OUTBOX")
    if not path:
        raise RuntimeError(
            'this code runs in no task: run it by `datmo task run "python …"`, or within `project.track(…)`'
        )
    with _making:
        found = _of_process.get(path)
        if found is None:
            folder = os.environ.get("DATMO_TASK_DIR") or "."
            found = _of_process[path] = CurrentTask(os.environ.get("DATMO_TASK_ID", ""), path, folder)
    return found
