"""Values of the wrong kind are refused as such, by name, in both APIs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from datmo.errors import EntityNotFound, InvalidArgument, InvalidArgumentType

pytestmark = pytest.mark.anyio

SOME_DAY = datetime(2026, 1, 1)  # noqa: DTZ001  # without a time zone on purpose


@pytest.mark.parametrize("name", ["commit_id", "environment_id", "file_collection_id"])
async def test_an_id_is_text(project: Any, name: str) -> None:
    with pytest.raises(InvalidArgumentType, match="is text, not"):
        await project.snapshots.create("x", **{name: 5})
    assert await project.snapshots.ls() == []


async def test_an_unknown_environment_is_named_with_a_way_to_find_it(project: Any) -> None:
    with pytest.raises(EntityNotFound, match="environment") as caught:
        await project.environments.get("zz")
    assert "environment ls" in str(caught.value.hint)
    with pytest.raises(InvalidArgumentType, match="is text"):
        await project.environments.get(5)


@pytest.mark.parametrize("limit", [-1, "5"])
async def test_a_limit_is_a_number(project: Any, limit: Any) -> None:
    for room in (project.tasks, project.snapshots):
        with pytest.raises(InvalidArgument, match="limit"):
            await room.ls(limit=limit)


async def test_a_time_has_a_time_zone(project: Any) -> None:
    for options in ({"since": SOME_DAY}, {"until": SOME_DAY}):
        with pytest.raises(InvalidArgument, match="without a time zone"):
            [_ async for _ in project.log.read(**options)]
    with pytest.raises(InvalidArgument, match="without a time zone"):
        await project.log.as_of(SOME_DAY)


async def test_a_position_is_not_negative(project: Any) -> None:
    with pytest.raises(InvalidArgument, match="-1 is no position"):
        await project.log.as_of(-1)


async def test_types_are_a_list(project: Any) -> None:
    with pytest.raises(InvalidArgumentType, match=r"not the text 'session\.\*'"):
        [_ async for _ in project.log.read(types="session.*")]


async def test_what_was_given_out_may_be_given_in_the_place_of_its_id(project: Any) -> None:
    task = await project.tasks.run("true")
    first = await project.snapshots.create("of the task", task_id=task)
    second = await project.snapshots.create("of the folder", stats={"f1": 0.5})
    assert first.task_id == task.id
    assert (await project.snapshots.get(first)).id == first.id
    assert [each.key for each in (await project.snapshots.diff(first, second)).stats] == ["f1"]
    assert (await project.snapshots.checkout(second)).snapshot.id == second.id
    assert (await project.snapshots.verify(first, second)).ok
    assert await project.tasks.summaries(task) == {}
    assert [each.id for each in await project.tasks.wait(task)] == [task.id]
    assert (await project.sessions.select(await project.sessions.current())).name == "default"
    with pytest.raises(EntityNotFound):
        await project.snapshots.get(task)
    with pytest.raises(InvalidArgumentType, match="not by 5"):
        await project.tasks.get(5)
