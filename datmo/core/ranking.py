"""Which of some tasks is best: `results.accuracy`, the largest first, or `results.loss asc`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeVar

from datmo.core.entity.task import Task
from datmo.core.expression import VALUES, Order, parse_order

__all__ = ["rank_of", "ranked", "ranked_value"]

TaskT = TypeVar("TaskT", bound=Task)

_FIELDS = {"stats": VALUES, "results": VALUES, "config": VALUES, "duration": "number"}


def rank_of(text: str) -> Order:
    """Return what a ranking says; `stats` and `results` are the same of a task.

    Raises:
        InvalidArgument: it names nothing that tasks have.
    """
    return parse_order(text, _FIELDS)


def ranked(tasks: Iterable[TaskT], order: Order) -> list[TaskT]:
    """Return tasks, the best first; those without a number there come last, in the order in which they were given."""
    listed = list(tasks)
    numbers = {task.id: ranked_value(task, order) for task in listed}
    having = [task for task in listed if numbers[task.id] is not None]
    having.sort(key=lambda task: numbers[task.id] or 0.0, reverse=not order.ascending)
    return having + [task for task in listed if numbers[task.id] is None]


def ranked_value(task: Task, order: Order) -> float | None:
    """Return the number that a task is ranked by; None where it has none, and for NaN."""
    field = "results" if order.key.field == "stats" else order.key.field
    found: Any = getattr(task, field)
    for part in order.key.path:
        found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | float) or math.isnan(found):
        return None
    return float(found)
