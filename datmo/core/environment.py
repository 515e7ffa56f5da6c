"""Environments as things of their own: which is in use, what one could be, how two differ, and that one goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from datmo.core.differences import TextChange, ValueChange
from datmo.core.entity.environment import Environment
from datmo.core.event import NewEvent
from datmo.errors import Refused

__all__ = ["EnvironmentDifference", "EnvironmentInUse", "Proposal", "delete"]


class EnvironmentInUse(NamedTuple):
    """The environment that a task would run in now, and why.

    Attributes:
        environment: the environment.
        reason: why it is that one.
        executor: where a task would run: `docker` or `process`.
        executor_reason: why there.
        recorded: whether a task, a snapshot or `create` has recorded it.
        notices: what was passed over.
    """

    environment: Environment
    reason: str
    executor: str
    executor_reason: str
    recorded: bool
    notices: tuple[str, ...]


class Proposal(NamedTuple):
    """What a project that has no environment's definition could have.

    Attributes:
        name: the file's name, in the project's root.
        text: what would stand in it.
        reason: what it was made from.
        notices: what it does not know.
        written: whether it was written.
    """

    name: str
    text: str
    reason: str
    notices: tuple[str, ...]
    written: bool = False


class EnvironmentDifference(NamedTuple):
    """What differs between two environments; of what is alike nothing is said.

    Attributes:
        first, second: their ids.
        definitions: files of the definition that differ.
        packages: packages that differ, as far as they are known.
        platform: what they are for, where that differs.
    """

    first: str
    second: str
    definitions: tuple[TextChange, ...]
    packages: tuple[ValueChange, ...]
    platform: tuple[ValueChange, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not any(self[2:])


def delete(state: Mapping[str, Any], running: Collection[str]) -> list[NewEvent]:
    """Decide that an environment is hidden, and what was built of it removed.

    Parameters:
        state: the environment.
        running: ids of the tasks that run in it.

    Raises:
        Refused: a task runs in it.
    """
    if running:
        raise Refused(f"task {min(running)} runs in the environment", hint="stop it, or wait for it")
    return [NewEvent(f"environment/{state['id']}", "environment.deleted", {})]
