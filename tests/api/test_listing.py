"""Listing by an expression, and sorted by a key."""

from __future__ import annotations

from typing import Any

import pytest

from datmo.errors import InvalidArgument, InvalidArgumentType
from tests.api.face import Face

pytestmark = pytest.mark.anyio


@pytest.fixture
async def four(project: Any) -> list[str]:
    """Four snapshots with different metrics; the last has none."""
    values = [(0.1, 0.95), (0.01, 0.97), (0.1, 0.8)]
    made = [await project.snapshots.create(f"lr {lr}", config={"lr": lr}, stats={"acc": acc}) for lr, acc in values]
    made.append(await project.snapshots.create("no metrics", label="best"))
    return [each.id for each in made]


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("stats.acc > 0.9 and config.lr == 0.1", [0]),
        ("stats.acc > 0.9", [1, 0]),
        ("stats.acc != null", [2, 1, 0]),
        ("not stats.acc > 0.9", [3, 2]),
        ('label == "best" or message contains "LR 0.01"', [3, 1]),
        ('session == "default" and created_at > "2020-01-01" and task_id == null', [3, 2, 1, 0]),
        ('session == "other"', []),
    ],
)
async def test_snapshots_for_which_an_expression_holds(
    project: Any, four: list[str], where: str, numbers: list[int]
) -> None:
    assert [each.id for each in await project.snapshots.ls(where=where)] == [four[number] for number in numbers]


@pytest.mark.parametrize(
    ("sort", "numbers"),
    [
        ("stats.acc", [1, 0, 2, 3]),
        ("stats.acc asc", [2, 0, 1, 3]),
        ("config.lr", [2, 0, 1, 3]),
        ("created_at asc", [0, 1, 2, 3]),
        ("label", [3, 2, 1, 0]),
    ],
)
async def test_snapshots_are_sorted_by_a_key(project: Any, four: list[str], sort: str, numbers: list[int]) -> None:
    assert [each.id for each in await project.snapshots.ls(sort=sort)] == [four[number] for number in numbers]
    assert [each.id for each in await project.snapshots.ls(sort=sort, limit=2)] == [four[each] for each in numbers[:2]]


async def test_everything_at_once(project: Any, four: list[str]) -> None:
    await project.snapshots.delete(four[1])
    found = await project.snapshots.ls(
        session_id="default", filter="lr", where="stats.acc > 0.5", sort="stats.acc asc", limit=1
    )
    assert [each.id for each in found] == [four[2]]
    assert [each.id for each in await project.snapshots.ls(where="stats.acc > 0.5", deleted=True)] == [four[1]]


async def test_what_cannot_be_read_is_refused(project: Any) -> None:
    for room in (project.snapshots, project.tasks):
        for wrong in ({"where": "config.lr >"}, {"sort": "config"}, {"where": ""}, {"where": "nothing == 1"}):
            with pytest.raises(InvalidArgument, match="column"):
                await room.ls(**wrong)
        with pytest.raises(InvalidArgumentType):
            await room.ls(where=3)


async def test_tasks_by_results_status_and_duration(face: Face, project: Any) -> None:
    commands = ["print('accuracy: 0.9')", "print('accuracy: 0.7')", "raise SystemExit(3)"]
    ran = [
        (await project.tasks.run(["python", "-c", command], name=f"number {n}")).id
        for n, command in enumerate(commands)
    ]

    async def found(**selection: Any) -> list[int]:
        return [ran.index(each.id) for each in await project.tasks.ls(**selection)]

    assert await found(where="results.accuracy > 0.8") == [0]
    assert await found(sort="results.accuracy") == [0, 1, 2]
    assert await found(sort="results.accuracy asc", limit=1) == [1]
    assert await found(where='status == "FAILED" and exit_code == 3 and duration >= 0') == [2]
    assert await found(where='name == "number 1" and command contains "ACCURACY" and executor == "process"') == [1]
    assert await found(where="start_time == null or end_time == null") == []
