"""Running a task again: on the same code, in the same environment, with the same parameters and data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datmo.core.agreement import Agreement, agreement
from datmo.core.ids import short
from datmo.core.options import Limits
from datmo.core.placement import Placement
from datmo.engine.ordering import Order
from datmo.engine.running import Prepared, Running
from datmo.engine.workspace import Workspace
from datmo.errors import EntityNotFound, InvalidArgument
from datmo.projections.content import ENVIRONMENTS
from datmo.projections.projection import Row

__all__ = ["agreement_of", "created_data", "order_again", "prepare_again"]


async def created_data(workspace: Workspace, task_id: str) -> Mapping[str, Any]:
    """Return what was recorded of a task before it ran: what it reported itself is not in it.

    Raises:
        EntityNotFound: there is no such task.
    """
    async for event in workspace.log.read(stream=f"task/{task_id}", types=["task.created"], limit=1):
        return event.data
    raise EntityNotFound("task", task_id)


def order_again(
    workspace: Workspace, task_id: str, created: Mapping[str, Any], name: str | None, given: Mapping[str, str]
) -> Order:
    """Return an order for the same again.

    Parameters:
        workspace: the project.
        task_id: the task.
        created: the data of its `task.created`.
        name: a name for the new one; by default the old one's.
        given: variables whose values are not recorded, or shall be others.

    Raises:
        InvalidArgument: a secret's value is missing, or a variable cannot be set.
    """
    options = created["options"]
    variables = {**options.get("variables", {}), **given}
    if missing := [variable for variable, value in variables.items() if value is None]:
        flags = " ".join(f"--env {variable}" for variable in missing)
        raise InvalidArgument(
            f"task {short(task_id)} was given {', '.join(missing)}, of which no value is recorded",
            hint=f"give it again: {flags}",
        )
    limits = Limits.recorded_as(options, variables)
    limits = limits._replace(data={label: str(workspace.home / path) for label, path in limits.data.items()})
    order = Order.of(
        created["argv"],
        env=None,
        gpu=options["gpu"],
        ports=options["ports"],
        session_id=created["session_id"],
        name=created["name"] if name is None else name,
        executor=created["executor"],
        limits=limits,
    )
    # The words are filled in already; the parameters still go to the task.
    return order._replace(command=created["command"], parameters=created["config"])


async def prepare_again(
    workspace: Workspace, running: Running, task_id: str, created: Mapping[str, Any]
) -> tuple[Prepared, list[str]]:
    """Make ready what a task ran on, and return with it what the user should know.

    Raises:
        InvalidArgument: data is no longer there.
        EngineUnreachable, BuildFailed: as for a first run.
    """
    environment = await workspace.query(lambda connection: ENVIRONMENTS.load(connection, created["environment_id"]))
    if environment is None:
        raise EntityNotFound("environment", created["environment_id"])
    placement = Placement(created["executor"], f"as task {short(task_id)} did")
    prepared = await running.prepare_again(created["session_id"], environment, placement, created["code_id"])
    notices = running.say(prepared)
    before = created["options"].get("data", {})
    changed = [name for name, seen in prepared.data.items() if seen != before.get(name)]
    said = [f"data {name!r} has changed since task {short(task_id)} read it" for name in changed]
    if environment["kind"] == "interpreter" and await workspace.in_thread(lambda: _other_packages(environment)):
        said.append(f"the packages of this Python are others than those of task {short(task_id)}")
    for line in said:
        workspace.notice(line)
    return prepared, [*notices, *said]


def _other_packages(environment: Row) -> bool:
    from datmo.capture.machine import interpreter_packages

    return list(interpreter_packages()) != list(environment["packages"])


async def agreement_of(workspace: Workspace, first: Row, again: Row) -> Agreement:
    """Return whether two runs of the same came to the same."""

    def files(row: Row) -> dict[str, tuple[str, int, int]]:
        from datmo.capture.manifest import Manifest

        if row["file_collection_id"] is None:
            return {}
        entries = Manifest.from_bytes(workspace.store.read(row["file_collection_id"])).entries
        return {entry.path: (entry.object, entry.mode, entry.size) for entry in entries}

    both = await workspace.in_thread(lambda: (files(first), files(again)))
    return agreement(first, again, *both)
