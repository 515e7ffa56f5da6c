"""The list of all benches. A new one is one module and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import append, capture, files, many, metrics, processes, replay, startup, task

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.frame import Case

BENCHES: dict[str, Callable[[float], list[Case]]] = {
    "append": append.cases,
    "processes": processes.cases,
    "replay": replay.cases,
    "startup": startup.cases,
    "task": task.cases,
    "many": many.cases,
    "metrics": metrics.cases,
    "capture": capture.cases,
    "files": files.cases,
}
