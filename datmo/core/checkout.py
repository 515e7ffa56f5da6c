"""Checking a snapshot out: what is known before, what happened, and when there is nothing to keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from datmo.core.event import NewEvent
from datmo.errors import Refused

__all__ = ["CheckedOut", "check_out", "fits", "nothing_lost", "previous_of"]


class CheckedOut(TypedDict):
    """Data of `snapshot.checked_out`."""

    checkout: str
    """What tells this checkout from all others: the event's id, chosen before anything was done."""
    previous: str | None
    """The snapshot that the tree was before; `-` goes back to it."""
    saved: bool
    """Whether that one was made to keep unsaved work."""
    branch: str | None
    kept: list[str]
    """Files that lay in the tree before, and stay when the way leads on, though the previous snapshot has none."""
    made: list[str]
    """Files that did not, and go when the way leads on, even to where they are ignored."""


def check_out(snapshot_id: str, data: CheckedOut) -> list[NewEvent]:
    """Decide that the tree is a snapshot's now."""
    return [NewEvent(f"snapshot/{snapshot_id}", "snapshot.checked_out", data)]


def previous_of(project: Mapping[str, Any]) -> str:
    """Return the snapshot that `-` stands for.

    Raises:
        Refused: nothing was checked out yet.
    """
    if project["previous_id"] is None:
        raise Refused("there is no way back: no snapshot was checked out yet", hint="`datmo snapshot ls` shows the ids")
    return str(project["previous_id"])


def fits(
    places: Mapping[str, object], wanted: Mapping[str, object], passed_over: Iterable[str], target: Mapping[str, object]
) -> list[str] | None:
    """Say whether the files that lie in the tree are those of a snapshot, so that none needs to be kept.

    Parameters:
        places: the files in the tree that a checkout may touch, beside the code's.
        wanted: the snapshot's.
        passed_over: files of the snapshot that the code's own took the place of.
        target: those of the snapshot that is checked out.

    Returns:
        None where they are not, else those that the snapshot does not have but the next one has as they are.
    """
    over = frozenset(passed_over)
    if any(places.get(path) != entry for path, entry in wanted.items() if path not in over):
        return None
    beside = [path for path in places if path not in wanted]
    return sorted(beside) if all(places[path] == target.get(path) for path in beside) else None


def nothing_lost(found: Mapping[str, object], *known: Mapping[str, object]) -> bool:
    """Say whether each of these is as one of the known states has it."""
    return all(any(state.get(path) == entry for state in known) for path, entry in found.items())
