"""Where a task runs: the same project always runs the same way, and it is said why."""

from __future__ import annotations

from typing import NamedTuple

from datmo.errors import InvalidArgument

__all__ = ["CODE_AT", "EXECUTORS", "SHELL", "Placement", "place"]

EXECUTORS = ("docker", "process")

CODE_AT = "/home"
"""Where the code is in a container, unless it is said otherwise."""


SHELL = ("sh", "-c", "exec $(command -v bash || command -v sh)")
"""What an interactive task without a command runs, whatever the image's entrypoint."""


class Placement(NamedTuple):
    """An executor, and why it is that one."""

    executor: str
    reason: str


def place(kind: str, wanted: str | None, usual: str = "auto") -> Placement:
    """Decide where a task runs.

    Parameters:
        kind: the kind of its environment.
        wanted: `docker` or `process` where the user says so, else None.
        usual: what the settings say for all others: `auto` leaves it to the environment.

    Raises:
        InvalidArgument: there is no such executor, or the environment cannot be had in it.
    """
    if wanted is not None and wanted not in EXECUTORS:
        raise InvalidArgument(f"there is no executor {wanted!r}", hint=f"it is one of: {', '.join(EXECUTORS)}")
    if wanted is None and usual != "auto":
        wanted, why = usual, "the setting `executor` says so"
    else:
        why = "as asked for"
    if wanted == "process":
        return Placement("process", why + ("; the Dockerfile is not used" if kind == "dockerfile" else ""))
    if wanted == "docker":
        return Placement("docker", why)
    if kind == "dockerfile":
        return Placement("docker", "the environment is a Dockerfile")
    return Placement("process", "the environment needs no container")
