"""What snapshots and tasks are made of: captured code, environments and file collections."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from datmo.core.event import Event

__all__ = [
    "CodeCaptured",
    "EnvironmentBuilt",
    "EnvironmentCreated",
    "FilesStored",
    "State",
    "evolve_code",
    "evolve_environment",
    "evolve_files",
]

State = dict[str, Any]


class CodeCaptured(TypedDict):
    """Data of `code.captured`. Sameness of code is that of `tree` and `large`, never of the commit."""

    tree: str
    base: str | None
    large: list[list[Any]]
    own_repository: bool
    notices: list[str]


class EnvironmentCreated(TypedDict):
    """Data of `environment.created`. The hardware is recorded, but is no part of the id."""

    kind: str
    described: str
    definition: str
    dockerignore: str | None
    files: dict[str, str]
    packages: list[str]
    platform: dict[str, Any]
    hardware: dict[str, Any]


class EnvironmentBuilt(TypedDict):
    """Data of `environment.built`, `.build_started` (the key alone) and `.build_failed` (with the reason).

    `packages` are the Python packages that it has, `name==version`.
    """

    key: str
    image_id: str | None
    base_image_id: str | None
    seconds: float
    reason: str | None
    packages: NotRequired[list[str]]


class FilesStored(TypedDict):
    """Data of `files.stored`: the manifest itself is the object with the collection's id."""

    count: int
    size: int


def evolve_code(state: State | None, event: Event) -> State | None:
    """Fold one event into a captured code's row."""
    if event.type == "code.captured" and _is_new(state):
        data = {name: event.data[name] for name in ("tree", "base", "large", "own_repository")}
        return {"id": event.entity_id, **data, "created_at": event.recorded_us, "deleted": 0}
    return _collected(state, event)


def evolve_environment(state: State | None, event: Event) -> State | None:
    """Fold one event into an environment's row."""
    match event.type:
        case "environment.created" if state is None:
            return {**event.data, "id": event.entity_id, "builds": {}, "created_at": event.recorded_us, "deleted": 0}
        case "environment.created" if state and state["deleted"]:
            return {**state, "deleted": 0}
        case "environment.deleted" if state:
            return {**state, "builds": {}, "deleted": 1}
        case "environment.built" if state:
            data = event.data
            build = {"image_id": data["image_id"], "base_image_id": data["base_image_id"], "seconds": data["seconds"]}
            packages = data.get("packages") or state["packages"]
            return {**state, "builds": {**state["builds"], data["key"]: build}, "packages": packages}
    return state


def evolve_files(state: State | None, event: Event) -> State | None:
    """Fold one event into a file collection's row."""
    if event.type == "files.stored" and _is_new(state):
        return {**event.data, "id": event.entity_id, "created_at": event.recorded_us, "deleted": 0}
    return _collected(state, event)


def _is_new(state: State | None) -> bool:
    """Say whether content is recorded for the first time, or again after it was collected."""
    return state is None or bool(state["deleted"])


def _collected(state: State | None, event: Event) -> State | None:
    """Nobody needed it, so it may no longer be there."""
    return {**state, "deleted": 1} if state and event.type in ("code.collected", "files.collected") else state
