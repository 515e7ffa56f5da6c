"""Snapshots: code, environment, files, configuration and metrics, tied together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from datmo.core.event import Event, NewEvent
from datmo.errors import Conflict, InvalidArgument, Refused

__all__ = [
    "COLLECTED",
    "Imported",
    "SnapshotCreated",
    "SnapshotUpdated",
    "State",
    "create",
    "delete",
    "evolve",
    "from_task",
    "restore",
    "update",
]

State = dict[str, Any]

COLLECTED = 2
"""What `deleted` is of one that is neither listed nor restored any more."""


class Imported(TypedDict):
    """Of an event that came with an archive: where, when and by whom it was first appended.

    `project` and `position` name the event there, `id` is its own. A creation also has the ids that were changed.
    """

    project: str
    position: int
    id: str
    recorded_us: int
    actor: dict[str, Any]
    session_id: NotRequired[str]
    task_id: NotRequired[str | None]
    code_id: NotRequired[str]


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
    config_file: NotRequired[list[Any]]
    """The object and the mode of the file that the config was read from, where the code does not have it so."""
    stats: dict[str, Any]
    stats_path: str | None
    imported: NotRequired[Imported]


class SnapshotUpdated(TypedDict):
    """Data of `snapshot.updated`: only what changes. Config and stats are laid over what there is, key by key."""

    message: NotRequired[str]
    label: NotRequired[str | None]
    config: NotRequired[dict[str, Any]]
    stats: NotRequired[dict[str, Any]]
    imported: NotRequired[Imported]


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


def update(state: Mapping[str, Any], changes: SnapshotUpdated) -> list[NewEvent]:
    """Decide a change of words or values; nothing where all is so already.

    Raises:
        InvalidArgument: the new message is empty.
    """
    given: dict[str, Any] = dict(changes)
    if "message" in given and not given["message"].strip():
        raise InvalidArgument("a snapshot needs a message", hint="leave it out to keep the one that it has")
    data: State = {name: given[name] for name in ("message", "label") if name in given and given[name] != state[name]}
    for name in ("config", "stats"):
        laid = given.get(name, {})
        if new := {key: value for key, value in laid.items() if not _same(state[name], key, value)}:
            data[name] = new
    return [NewEvent(f"snapshot/{state['id']}", "snapshot.updated", data)] if data else []


def _same(before: Mapping[str, Any], key: str, value: Any) -> bool:
    """Say whether a key has that value; 1 is not True, and not 1.0."""
    return key in before and repr(before[key]) == repr(value)


def delete(state: Mapping[str, Any]) -> list[NewEvent]:
    """Decide to hide a snapshot; it can be restored."""
    return [NewEvent(f"snapshot/{state['id']}", "snapshot.deleted", {})]


def restore(state: Mapping[str, Any]) -> list[NewEvent]:
    """Decide to show a deleted snapshot again."""
    return [NewEvent(f"snapshot/{state['id']}", "snapshot.restored", {})]


def evolve(state: State | None, event: Event) -> State | None:
    """Fold one event into a snapshot's row.

    Raises:
        Conflict: a snapshot is restored that was collected meanwhile.
    """
    match event.type:
        case "snapshot.created":
            return {
                "config_file": None,
                **event.data,
                "id": event.entity_id,
                "created_at": _happened(event),
                "updated_at": _happened(event),
                "deleted": 0,
                "position": event.position,
            }
        case "snapshot.updated" if state:
            data = event.data
            values: State = {name: {**state[name], **data[name]} for name in ("config", "stats") if name in data}
            words: State = {name: data[name] for name in ("message", "label") if name in data}
            file = None if "config" in data else state["config_file"]  # it holds the values as they were
            return {**state, **words, **values, "config_file": file, "updated_at": _happened(event)}
        case "snapshot.restored" if state and state["deleted"] == COLLECTED:
            raise Conflict(f"snapshot {event.entity_id} was collected: what it consisted of may be gone")
        case "snapshot.deleted" if state:
            return {**state, "deleted": max(state["deleted"], 1)}
        case "snapshot.restored" if state:
            return {**state, "deleted": 0}
        case "snapshot.collected" if state:
            return {**state, "deleted": COLLECTED}
    return state


def _happened(event: Event) -> int:
    """Return when it happened: of an event that was imported, not when that was."""
    happened: int = event.data["imported"]["recorded_us"] if "imported" in event.data else event.recorded_us
    return happened
