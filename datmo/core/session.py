"""Sessions: named groups of tasks and snapshots, one of them current."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from typing import Any, TypedDict

from datmo.core.event import Event, NewEvent
from datmo.core.project import DEFAULT_SESSION
from datmo.errors import InvalidArgument, Refused

__all__ = ["SessionCreated", "SessionSelected", "State", "create", "delete", "evolve", "restore", "select"]

State = dict[str, Any]


class SessionCreated(TypedDict):
    """Data of `session.created`."""

    name: str


class SessionSelected(TypedDict):
    """Data of `session.selected`."""

    session_id: str


def create(session_id: str, name: str, names: Collection[str], *, current: bool) -> list[NewEvent]:
    """Decide the creation of a session.

    Parameters:
        session_id: the new id.
        name: its name, not empty and not taken.
        names: the names that are taken.
        current: whether it becomes the current one.

    Raises:
        InvalidArgument: the name is empty.
        Refused: the name is taken.
    """
    name = name.strip()
    if not name:
        raise InvalidArgument("a session needs a name", hint="give one, such as sweeps")
    if name in names:
        command = f"datmo session select {shlex.quote(name)}"
        raise Refused(f"a session named {name!r} exists already", hint=f"`{command}` makes it the current one")
    created = [NewEvent(f"session/{session_id}", "session.created", SessionCreated(name=name))]
    return created + select(session_id) if current else created


def select(session_id: str) -> list[NewEvent]:
    """Decide that a session becomes the current one."""
    return [NewEvent(f"session/{session_id}", "session.selected", SessionSelected(session_id=session_id))]


def delete(state: Mapping[str, Any], *, current_id: str, default_id: str, running: Collection[str]) -> list[NewEvent]:
    """Decide the deletion of a session, which hides its tasks and snapshots with it.

    Parameters:
        state: the session.
        current_id: the current session's id.
        default_id: the id of the session that is selected instead.
        running: ids of its tasks that run.

    Raises:
        Refused: it is the default session, or one of its tasks runs.
    """
    if state["name"] == DEFAULT_SESSION:
        raise Refused(f"the session {DEFAULT_SESSION!r} cannot be deleted", hint="`datmo session ls` shows the others")
    if running:
        raise Refused(
            f"the session {state['name']!r} has a running task: {min(running)}", hint="stop it, or wait for it"
        )
    deleted = [NewEvent(f"session/{state['id']}", "session.deleted", {})]
    return deleted + select(default_id) if state["id"] == current_id else deleted


def restore(state: Mapping[str, Any], names: Collection[str]) -> list[NewEvent]:
    """Decide to show a deleted session again, with what is in it.

    Parameters:
        state: the session.
        names: the names that are taken.

    Raises:
        Refused: its name is taken by now.
    """
    if state["name"] in names:
        raise Refused(f"there is another session named {state['name']!r} by now", hint="delete that one first")
    return [NewEvent(f"session/{state['id']}", "session.restored", {})]


def evolve(state: State | None, event: Event) -> State | None:
    """Fold one event into a session's row."""
    match event.type:
        case "session.created":
            return {
                "id": event.entity_id,
                "name": event.data["name"],
                "created_at": event.recorded_us,
                "deleted": 0,
                "position": event.position,
            }
        case "session.deleted" if state:
            return {**state, "deleted": 1}
        case "session.restored" if state:
            return {**state, "deleted": 0}
    return state
