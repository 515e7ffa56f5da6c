"""Changing a snapshot's words and values, hiding it and bringing it back: what was before stays in the log."""

from __future__ import annotations

from typing import Any

import pytest

from datmo.errors import EntityNotFound, InvalidArgument, InvalidArgumentType
from tests.api.face import Face

pytestmark = pytest.mark.anyio


async def types_of(project: Any, snapshot_id: str) -> list[str]:
    return [event.type async for event in project.log.read(stream=f"snapshot/{snapshot_id}")]


async def test_words_and_values_are_changed_and_the_rest_stays(face: Face, project: Any) -> None:
    made = await project.snapshots.create("first", label="best", config={"lr": 0.1, "n": 1}, stats={"f1": 0.5})
    await project.snapshots.update(made.id[:8], message="second", label="", config={"lr": 0.2}, stats={"auc": 1})
    found = await project.snapshots.get(made.id)
    assert (found.message, found.label) == ("second", None)
    assert (found.config, found.stats) == ({"lr": 0.2, "n": 1}, {"f1": 0.5, "auc": 1})
    assert found.updated_at > found.created_at == made.created_at
    assert found.code_id == made.code_id
    assert await types_of(project, made.id) == ["snapshot.created", "snapshot.updated"]


async def test_what_is_so_already_is_not_recorded(face: Face, project: Any) -> None:
    made = await project.snapshots.create("first", config={"lr": 1})
    same = await project.snapshots.update(made.id, message="first", config={"lr": 1}, stats={})
    assert same.updated_at == made.updated_at
    assert await types_of(project, made.id) == ["snapshot.created"]
    await project.snapshots.update(made.id, config={"lr": True})
    assert (await project.snapshots.get(made.id)).config == {"lr": True}
    assert await types_of(project, made.id) == ["snapshot.created", "snapshot.updated"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"message": " "}, InvalidArgument),
        ({"message": 3}, InvalidArgumentType),
        ({"config": [1]}, InvalidArgumentType),
        ({"stats": {"x": object()}}, InvalidArgument),
    ],
)
async def test_a_change_that_cannot_be_changes_nothing(
    face: Face, project: Any, changes: dict[str, Any], error: type[Exception]
) -> None:
    made = await project.snapshots.create("first")
    with pytest.raises(error):
        await project.snapshots.update(made.id, **changes)
    assert await types_of(project, made.id) == ["snapshot.created"]


async def test_a_deleted_snapshot_is_hidden_and_can_be_brought_back(face: Face, project: Any) -> None:
    first = await project.snapshots.create("first")
    second = await project.snapshots.create("second", label="best")
    await project.snapshots.delete("best")
    assert [each.id for each in await project.snapshots.ls()] == [first.id]
    assert [each.id for each in await project.snapshots.ls(deleted=True)] == [second.id]
    assert (await project.status()).snapshot is None
    for call in (project.snapshots.get, project.snapshots.delete, project.snapshots.inspect):
        with pytest.raises(EntityNotFound):
            await call(second.id)
    with pytest.raises(EntityNotFound):
        await project.snapshots.undelete(first.id)
    await project.snapshots.undelete(second.id[:8])
    assert [each.id for each in await project.snapshots.ls()] == [second.id, first.id]
    assert (await project.status()).snapshot == second
    assert await types_of(project, second.id) == ["snapshot.created", "snapshot.deleted", "snapshot.restored"]
    assert (await project.log.replay()).different == ()
