"""What is known of tasks under way, from their events and their output, for whoever draws it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from datmo.core.event import Event
from datmo.core.task import ENDED

__all__ = ["Watched", "WatchedTask"]

_LONGEST = 400
_MOST_VALUES = 240
_STEERING = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)")


@dataclass(slots=True)
class WatchedTask:
    """A task under way.

    Attributes:
        config: its parameters.
        attempt: which one it is, 1 at first.
        since: when it started, in seconds since 1970.
        last: the last line that it printed, a progress bar as it stands.
        metrics: the last value of each metric, those of the system left out.
        values: of each metric some values in order, for a small chart.
    """

    config: dict[str, Any] = field(default_factory=dict)
    attempt: int = 1
    since: float = 0.0
    last: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)


class Watched:
    """Tasks under way.

    Parameters:
        ids: those of the tasks.
        clock: tells the seconds since 1970.
    """

    def __init__(self, ids: Iterable[str], clock: Callable[[], float]) -> None:
        self.ids: list[str] = list(ids)
        self.clock = clock
        self.began: float = clock()
        self.waiting: dict[str, WatchedTask] = {task_id: WatchedTask() for task_id in self.ids}
        self.running: dict[str, WatchedTask] = {}
        self._first: dict[str, str] = {}
        self._ends: dict[str, str] = {}

    @property
    def finished(self) -> Counter[str]:
        """How many have ended so, by their status: of a task that was tried again, as the last attempt did."""
        return Counter(self._ends.values())

    def take(self, task_id: str, data: bytes) -> None:
        """Hear what a task prints."""
        task = self.running.get(task_id) or self.waiting.get(task_id)
        if task is None:
            return
        text = (task.last + data[-_LONGEST:].decode(errors="replace"))[-_LONGEST:]
        lines = [line for line in re.split(r"[\r\n]+", _STEERING.sub("", text)) if line.strip()]
        task.last = lines[-1] + ("\n" if text[-1:] in "\r\n" else "") if lines else ""

    def hear(self, event: Event) -> None:
        """Hear what happens to a task."""
        data = event.data
        if event.type == "task.created":
            task = self.waiting.setdefault(event.entity_id, WatchedTask())
            task.config, task.attempt = data["config"], data["options"].get("attempt", 1)
            first = self._first[event.entity_id] = data["options"].get("retry_of", event.entity_id)
            self._ends.pop(first, None)
        elif event.type == "task.started":
            task = self.running[event.entity_id] = self.waiting.pop(event.entity_id, WatchedTask())
            task.since = event.recorded_us / 1e6
        elif event.type == "task.metrics":
            _measure(self.running.get(event.entity_id, WatchedTask()), data.get("series", {}))
        elif event.type in ENDED:
            for tasks in (self.running, self.waiting):
                tasks.pop(event.entity_id, None)
            self._ends[self._first.get(event.entity_id, event.entity_id)] = ENDED[event.type]


def _measure(task: WatchedTask, series: dict[str, Any]) -> None:
    for name, each in series.items():
        if name.startswith("system."):
            continue
        task.metrics[name] = each["last"]
        values = task.values.setdefault(name, [])
        values.append(each["last"])
        if len(values) > _MOST_VALUES:
            del values[-2::-2]  # every other one, and the last stays
