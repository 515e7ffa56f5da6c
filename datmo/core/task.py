"""Tasks: commands run in an environment, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from datmo.core.event import Event, NewEvent
from datmo.errors import Conflict

__all__ = [
    "ENDED",
    "State",
    "TaskCreated",
    "TaskEnded",
    "TaskOutput",
    "TaskStarted",
    "create",
    "end",
    "evolve",
    "evolve_output",
    "limit_output",
    "output",
    "request_stop",
    "start",
]

State = dict[str, Any]

ENDED = {"task.finished": "SUCCESS", "task.failed": "FAILED", "task.stopped": "STOPPED", "task.lost": "LOST"}
"""The events that end a task, and the status that each leaves it in."""


class TaskCreated(TypedDict):
    """Data of `task.created`: what is going to be run, complete before anything is."""

    session_id: str
    name: str | None
    command: str
    argv: list[str]
    executor: str
    executor_reason: str
    code_id: str
    environment_id: str
    config: dict[str, Any]
    options: dict[str, Any]


class TaskStarted(TypedDict):
    """Data of `task.started`: the handle that finds the running task again, and what it runs on."""

    handle: dict[str, Any]
    runs_on: str


class TaskOutput(TypedDict):
    """Data of `task.output`: which part of the record its payload is; `start` is where the last one ended.

    `exact` is False, and else left out, where the payload may not be the bytes that were written: see
    `datmo.runner.executors.base.Chunk`.
    """

    start: int
    end: int
    size: int
    exact: NotRequired[bool]


class TaskEnded(TypedDict):
    """Data of the events that end a task.

    `started_us` and `ended_us` are when its command was started and ended, by the clock of where it ran, microseconds
    UTC; what is not known is None or left out.
    """

    exit_code: int | None
    reason: str | None
    ended_us: int | None
    started_us: NotRequired[int | None]
    results: dict[str, Any]
    config: dict[str, Any]
    file_collection_id: str | None
    notices: list[str]


def create(task_id: str, created: TaskCreated) -> NewEvent:
    """Say that a task is going to be run."""
    return NewEvent(f"task/{task_id}", "task.created", created)


def start(task_id: str, started: TaskStarted) -> NewEvent:
    """Say that a task runs."""
    return NewEvent(f"task/{task_id}", "task.started", started)


def output(task_id: str, start_at: int, end_at: int, frames: bytes, *, exact: bool = True) -> NewEvent:
    """Say that a task has printed something; the bytes are the payload."""
    data = TaskOutput(start=start_at, end=end_at, size=len(frames))
    if not exact:
        data["exact"] = False
    return NewEvent(f"task/{task_id}", "task.output", data, frames)


def limit_output(task_id: str, limit: int) -> NewEvent:
    """Say that no more output is recorded, while the task runs on."""
    return NewEvent(f"task/{task_id}", "task.output_limited", {"limit": limit})


def request_stop(task_id: str) -> NewEvent:
    """Say that somebody wants a task to stop; whoever attends it acts on it."""
    return NewEvent(f"task/{task_id}", "task.stop_requested", {})


def end(task_id: str, ended: TaskEnded, *, stopped: bool, failed: bool = False) -> NewEvent:
    """Decide as what a task ends.

    Parameters:
        task_id: the task.
        ended: how its command ended, and what it left.
        stopped: whether somebody asked it to stop.
        failed: whether it has failed, whatever its exit code says.
    """
    if stopped:
        event_type = "task.stopped"
    elif ended["exit_code"] is None:
        event_type = "task.lost"
    else:
        event_type = "task.finished" if ended["exit_code"] == 0 and not failed else "task.failed"
    return NewEvent(f"task/{task_id}", event_type, ended)


def evolve(state: State | None, event: Event) -> State | None:
    """Fold one event into a task's row."""
    if event.type == "task.created":
        return _created(event)
    if state is None:
        return None
    data = event.data
    match event.type:
        case "task.started":
            return {**state, **data, "status": "RUNNING", "started_at": event.recorded_us}
        case "task.output_limited":
            return {**state, "output_limited": 1}
        case "task.stop_requested":
            return {**state, "stop_requested": 1}
        case "task.collected":
            return {**state, "deleted": 2}  # not even restored with its session: its output and files may be gone
        case "task.config_reported":
            return {**state, "config": {**state["config"], **data["values"]}}
        case "task.result_reported":
            return {**state, "results": {**state["results"], **data["values"]}}
        case _ if event.type in ENDED and state["status"] not in ENDED.values():
            return _ended(state, event.type, data, event.recorded_us)
    return state


def evolve_output(state: State | None, event: Event) -> State:
    """Fold one event of a task's output: how far its source was read, and how much of it is recorded.

    Raises:
        Conflict: output that does not go on where the record ends: two supervisors took the same part.
    """
    data = event.data
    if state is None:
        state = {"id": event.entity_id, "cursor": 0, "size": 0}
    if data["start"] != state["cursor"]:
        raise Conflict(f"output of task {state['id']} goes on at {state['cursor']}, not at {data['start']}")
    return {"id": state["id"], "cursor": data["end"], "size": state["size"] + data["size"]}


def _created(event: Event) -> State:
    return {
        **event.data,
        "id": event.entity_id,
        "status": "CREATED",
        "handle": None,
        "runs_on": None,
        "output_limited": 0,
        "exit_code": None,
        "reason": None,
        "results": {},
        "file_collection_id": None,
        "notices": [],
        "stop_requested": 0,
        "created_at": event.recorded_us,
        "started_at": None,
        "ended_at": None,
        "deleted": 0,
        "position": event.position,
    }


def _ended(state: State, event_type: str, data: Mapping[str, Any], recorded_us: int) -> State:
    started_us = state["started_at"]
    if data.get("started_us") and data["ended_us"] and data["started_us"] >= state["created_at"]:
        # Both by one clock; `task.started` came a moment later. An engine may note a short run's start after its end.
        started_us = min(data["started_us"], data["ended_us"])
    return {
        **state,
        "started_at": started_us,
        "status": ENDED[event_type],
        "exit_code": data["exit_code"],
        "reason": data["reason"],
        "results": {**state["results"], **data["results"]},
        "config": {**state["config"], **data["config"]},
        "file_collection_id": data["file_collection_id"],
        "notices": data["notices"],
        # An engine's clock is not ours: nothing ends before it was started.
        "ended_at": max(data["ended_us"] or recorded_us, started_us or 0),
    }
