"""The project: its name, and which session and snapshot are current."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from datmo.core.event import Event, NewEvent
from datmo.errors import Conflict, InvalidArgument

__all__ = ["DEFAULT_SESSION", "ProjectInitialized", "State", "describe", "evolve", "initialize"]

DEFAULT_SESSION = "default"
"""The session that exists from the start and cannot be deleted."""

State = dict[str, Any]


class ProjectInitialized(TypedDict):
    """Data of `project.initialized` and of `project.described`."""

    name: str
    description: str


def initialize(project_id: str, session_id: str, name: str, description: str) -> list[NewEvent]:
    """Decide what a new project begins with.

    Raises:
        InvalidArgument: the name is empty.
    """
    return [
        NewEvent(f"project/{project_id}", "project.initialized", _described(name, description)),
        NewEvent(f"session/{session_id}", "session.created", {"name": DEFAULT_SESSION}),
        NewEvent(f"session/{session_id}", "session.selected", {"session_id": session_id}),
    ]


def describe(state: Mapping[str, Any], name: str | None, description: str | None) -> list[NewEvent]:
    """Decide what changes when an existing project is initialized again: None keeps what it has.

    Raises:
        InvalidArgument: the name is empty.
    """
    described = _described(
        state["name"] if name is None else name, state["description"] if description is None else description
    )
    if described == {"name": state["name"], "description": state["description"]}:
        return []
    return [NewEvent(f"project/{state['id']}", "project.described", described)]


def _described(name: str, description: str) -> ProjectInitialized:
    if not name.strip():
        raise InvalidArgument("a project needs a name", hint="give one: --name NAME")
    return {"name": name.strip(), "description": description}


def evolve(state: State | None, event: Event) -> State | None:
    """Fold one event into the project's one row.

    Raises:
        Conflict: a second initialization: two processes were at it at once.
    """
    match event.type:
        case "project.initialized" if state:
            raise Conflict(f"the project was initialized already, as {state['id']}")
        case "project.initialized":
            return {
                "key": "project",
                "id": event.entity_id,
                "name": event.data["name"],
                "description": event.data["description"],
                "session_id": None,
                "snapshot_id": None,
                "previous_id": None,
                "checkout": None,
                "created_at": event.recorded_us,
                "updated_at": event.recorded_us,
            }
        case "project.described" if state:
            return {**state, **event.data, "updated_at": event.recorded_us}
        case "session.selected" if state:
            return {**state, "session_id": event.data["session_id"]}
        case "snapshot.created" if state and event.data["task_id"] is None and "imported" not in event.data:
            checkout = state["checkout"]
            # The way back stays; what lay beside the last one's files is the new snapshot's business now.
            return {
                **state,
                "snapshot_id": event.entity_id,
                "checkout": checkout and {**checkout, "kept": [], "made": []},
            }
        case "snapshot.checked_out" if state:
            data = {name: event.data[name] for name in ("checkout", "kept", "made")}
            previous = event.data["previous"]
            return {**state, "snapshot_id": event.entity_id, "previous_id": previous, "checkout": data}
    return state
