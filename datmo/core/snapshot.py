"""Snapshots: code, environment, files, configuration and metrics, tied together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from datmo.core.event import Event, NewEvent
from datmo.errors import InvalidArgument, Refused

__all__ = ["SnapshotCreated", "State", "create", "evolve", "from_task"]

State = dict[str, Any]


class SnapshotCreated(TypedDict):
    """Data of `snapshot.created`."""

    session_id: str
    task_id: str | None
    message: str
    label: str | None
    code_id: str
    environment_id: str
    file_collection_id: str
    config: dict[str, Any]
    config_path: str | None
    stats: dict[str, Any]
    stats_path: str | None


def create(snapshot_id: str, created: SnapshotCreated) -> list[NewEvent]:
    """Decide the creation of a snapshot.

    Raises:
        InvalidArgument: the message is empty.
    """
    if not created["message"].strip():
        raise InvalidArgument("a snapshot needs a message", hint='say what it is, such as "first model"')
    return [NewEvent(f"snapshot/{snapshot_id}", "snapshot.created", created)]


def from_task(task: Mapping[str, Any], given: Mapping[str, object]) -> None:
    """Refuse a snapshot of a task that cannot be one.

    Parameters:
        task: the task's state.
        given: what was given beside the task, by name; only None may be there.

    Raises:
        InvalidArgument: something was given that the task itself decides.
        Refused: the task has not ended.
    """
    for name, value in given.items():
        if value is not None:
            raise InvalidArgument(
                f"{name} cannot be given together with task_id: it is the task's own",
                hint=f"leave {name} out, or create the snapshot without the task",
            )
    if task["status"] in ("CREATED", "RUNNING"):
        raise Refused(f"task {task['id']} has not ended, it is {task['status']}", hint="wait for its end")


def evolve(state: State | None, event: Event) -> State | None:
    """Fold one event into a snapshot's row."""
    match event.type:
        case "snapshot.created":
            return {
                **event.data,
                "id": event.entity_id,
                "created_at": event.recorded_us,
                "updated_at": event.recorded_us,
                "deleted": 0,
                "position": event.position,
            }
    return state
