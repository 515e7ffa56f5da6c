"""Reading metrics back."""

from __future__ import annotations

from difflib import get_close_matches

import anyio.to_thread

from datmo.core.points import Columns, Series
from datmo.core.sampling import checked_points, thinned, window
from datmo.engine.workspace import Workspace
from datmo.errors import EntityNotFound, InvalidArgumentType
from datmo.projections import metrics

__all__ = ["series_of"]


async def series_of(
    workspace: Workspace, task_id: str, name: str, *, start: int | None, end: int | None, points: int | None
) -> Series:
    """Return one metric of a task; see `datmo.engine.tasks.Tasks.metrics`."""
    checked_points(points)
    if not isinstance(name, str):
        raise InvalidArgumentType(f"a metric is named by text, not by {name!r}")
    columns = await workspace.query(lambda connection: metrics.series(connection, task_id, name))
    if not columns.steps:
        known = await workspace.query(lambda connection: metrics.of_task(connection, task_id))
        if name not in known:
            raise EntityNotFound("metric", name, hint=_hint(name, list(known)))

    def cut() -> Columns:
        found = window(columns, start, end)
        return found if points is None else thinned(found, points)

    if start is None and end is None and points is None:
        return Series(name, *columns)
    return Series(name, *await anyio.to_thread.run_sync(cut))


def _hint(name: str, known: list[str]) -> str:
    if not known:
        return "the task has none yet: its code reports them with `datmo.task.current().log(...)`"
    meant = get_close_matches(name, known, 3) or known[:5]
    return f"perhaps {' or '.join(map(repr, meant))}"
