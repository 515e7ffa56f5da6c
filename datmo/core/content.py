"""What snapshots and tasks are made of: captured code, environments and file collections."""

from __future__ import annotations

from typing import Any, TypedDict

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
    """Data of `environment.built`, `.build_started` (the key alone) and `.build_failed` (with the reason)."""

    key: str
    image_id: str | None
    base_image_id: str | None
    seconds: float
    reason: str | None


class FilesStored(TypedDict):
    """Data of `files.stored`: the manifest itself is the object with the collection's id."""

    count: int
    size: int


def evolve_code(state: State | None, event: Event) -> State | None:
    """Fold one event into a captured code's row."""
    if event.type == "code.captured" and state is None:
        data = {name: event.data[name] for name in ("tree", "base", "large", "own_repository")}
        return {"id": event.entity_id, **data, "created_at": event.recorded_us}
    return state


def evolve_environment(state: State | None, event: Event) -> State | None:
    """Fold one event into an environment's row."""
    match event.type:
        case "environment.created" if state is None:
            return {**event.data, "id": event.entity_id, "builds": {}, "created_at": event.recorded_us}
        case "environment.built" if state:
            data = event.data
            build = {"image_id": data["image_id"], "base_image_id": data["base_image_id"], "seconds": data["seconds"]}
            return {**state, "builds": {**state["builds"], data["key"]: build}}
    return state


def evolve_files(state: State | None, event: Event) -> State | None:
    """Fold one event into a file collection's row."""
    if event.type == "files.stored" and state is None:
        return {**event.data, "id": event.entity_id, "created_at": event.recorded_us}
    return state
