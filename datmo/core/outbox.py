"""What tasks say of themselves while they run: metrics, configuration, results and files, taken from their outboxes.

Each event names the part of the outbox that it speaks of, from `start` to `end` in the file `inode`; of several that
were taken together, the first one names it all. What does not begin where the view's cursor is was taken by somebody
else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NotRequired, TypedDict

from datmo.core.event import Event, NewEvent
from datmo.core.points import Columns, Summary, pack, summary
from datmo.errors import Conflict

__all__ = ["TAKEN", "Artifact", "Cursor", "State", "Summary", "Taken", "evolve", "measured", "replace", "take"]

State = dict[str, Any]

TAKEN = ("task.metrics", "task.config_reported", "task.result_reported", "task.artifact_stored")
"""The events that take something from an outbox."""


class Cursor(NamedTuple):
    """How far an outbox was taken: which file, and up to where; file 0 before anything was."""

    inode: int = 0
    offset: int = 0


class Artifact(NamedTuple):
    """A file that a task wanted to be kept, stored."""

    path: str
    object: str
    size: int
    mode: int


class Taken(NamedTuple):
    """A part of an outbox, read.

    Attributes:
        start, end: from where to where.
        series: points by the names of their metrics.
        config, results: what was reported.
        artifacts: the files that were stored.
        bad: how many lines could not be understood, or their files not be stored.
        why: what was wrong with the first of them.
    """

    start: Cursor
    end: Cursor
    series: Mapping[str, Columns]
    config: Mapping[str, Any]
    results: Mapping[str, Any]
    artifacts: Sequence[Artifact] = ()
    bad: int = 0
    why: str | None = None


class TaskMetrics(TypedDict):
    """Data of `task.metrics`: which points its payload (`datmo.core.points`) holds, by the names of their metrics.

    What was measured from outside is no part of the outbox.
    """

    inode: NotRequired[int]
    start: NotRequired[int]
    end: NotRequired[int]
    series: dict[str, Summary]
    bad: NotRequired[int]
    why: NotRequired[str | None]


def take(task_id: str, taken: Taken) -> list[NewEvent]:
    """Say what was taken; nothing where the part held only empty lines."""
    stream = f"task/{task_id}"
    said: list[tuple[str, dict[str, Any], bytes | None]] = []
    if taken.series or taken.bad:
        series = {name: summary(columns) for name, columns in taken.series.items()}
        wrong = {"bad": taken.bad, "why": taken.why} if taken.bad else {}
        said.append(("task.metrics", {"series": series, **wrong}, pack(taken.series)))
    if taken.config:
        said.append(("task.config_reported", {"values": dict(taken.config)}, None))
    if taken.results:
        said.append(("task.result_reported", {"values": dict(taken.results)}, None))
    said += [("task.artifact_stored", artifact._asdict(), None) for artifact in taken.artifacts]
    events = []
    start = taken.start.offset
    for event_type, data, payload in said:
        where = {"inode": taken.end.inode, "start": start, "end": taken.end.offset}
        events.append(NewEvent(stream, event_type, {**where, **data}, payload))
        start = taken.end.offset
    return events


def measured(task_id: str, series: Mapping[str, Columns]) -> NewEvent:
    """Say what was measured of a task from outside: no part of its outbox."""
    data = {"series": {name: summary(columns) for name, columns in series.items()}}
    return NewEvent(f"task/{task_id}", "task.metrics", data, pack(series))


def replace(task_id: str, before: Cursor, now: Cursor) -> NewEvent:
    """Say that an outbox is another file by now, or lost what was in it: it is read from its beginning."""
    reason = "it became shorter" if before.inode == now.inode else "another file took its place"
    data = {"inode": now.inode, "before": before._asdict(), "reason": reason}
    return NewEvent(f"task/{task_id}", "task.outbox_replaced", data)


def evolve(state: State | None, event: Event) -> State | None:
    """Fold one event into what is known of a task's metrics, and of its outbox.

    Raises:
        Conflict: a part that does not begin where the last one ended: two supervisors took the same.
    """
    data = event.data
    if state is None:
        state = {
            "id": event.entity_id,
            "inode": 0,
            "cursor": 0,
            "bad": 0,
            "why": None,
            "series": {},
            "artifacts": {},
        }
    if event.type == "task.outbox_replaced":
        return {**state, "inode": data["inode"], "cursor": 0, "why": state["why"] or f"its outbox: {data['reason']}"}
    if "inode" not in data:  # it was measured from outside
        return {**state, "series": _grown(state["series"], data["series"])}
    if (data["inode"], data["start"]) != (state["inode"] or data["inode"], state["cursor"]):
        raise Conflict(
            f"the outbox of task {event.entity_id} goes on at {state['cursor']}, not at {data['start']}",
            hint="another supervisor took this part",
        )
    state = {**state, "inode": data["inode"], "cursor": data["end"]}
    if event.type == "task.artifact_stored":
        state["artifacts"] = {**state["artifacts"], data["path"]: [data["object"], data["size"], data["mode"]]}
    elif event.type == "task.metrics":
        state["series"] = _grown(state["series"], data["series"])
        if bad := data.get("bad"):
            state |= {"bad": state["bad"] + bad, "why": state["why"] or data["why"]}
    return state


def _grown(series: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    grown = dict(series)
    for name, added in more.items():
        before = grown.get(name)
        grown[name] = added if before is None else _joined(before, added)
    return grown


def _joined(before: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **added,
        "count": before["count"] + added["count"],
        "first_step": before["first_step"],
        "min": _of_both(min, before["min"], added["min"]),
        "max": _of_both(max, before["max"], added["max"]),
    }


def _of_both(choose: Any, one: float | None, other: float | None) -> float | None:
    numbers = [number for number in (one, other) if number is not None and not math.isnan(number)]
    chosen: float | None = choose(numbers) if numbers else None
    return chosen
