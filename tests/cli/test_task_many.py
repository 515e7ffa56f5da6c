"""`datmo task run` of several tasks: commands, grids, repetitions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio


async def test_a_grid_runs_every_combination_and_prefixes_each_line(run: Datmo, project: Path) -> None:
    done = await run(
        "task",
        "run",
        "-j",
        "2",
        "sh -c 'echo lr: {lr}; echo seed: {seed}'",
        "--grid",
        "lr=0.1,0.01",
        "--grid",
        "seed=0..2",
    )
    assert done.code == 0
    tasks = (await run("task", "ls", "--format", "json")).json
    found = {(each["results"]["lr"], each["results"]["seed"]) for each in tasks}
    assert found == {(lr, seed) for lr in (0.1, 0.01) for seed in range(3)}
    assert all(each["config"] == each["results"] for each in tasks)
    lines = done.out.splitlines()
    assert sorted(lines) == sorted(
        f"{each['id'][:4]} | {key}: {each['results'][key]}" for each in tasks for key in ("lr", "seed")
    )
    assert "6/6  " in done.err
    assert "6 of 6 tasks succeeded" in done.err
    assert done.err.count("captured code") == 1


async def test_several_commands_and_what_stands_behind_the_dashes(run: Datmo, project: Path) -> None:
    done = await run("task", "run", "python train.py", "sh -c 'exit 3'", "--", "echo", "last: 1")
    assert done.code == 1
    assert "2 of 3 tasks succeeded" in done.err
    assert "FAILED" in done.err
    assert "(exit code 3)" in done.err
    assert len((await run("task", "ls", "--format", "json")).json) == 3


async def test_repetitions(run: Datmo, project: Path) -> None:
    assert (await run("task", "run", "--repeat", "3", "--name", "again", "true")).code == 0
    assert [each["name"] for each in (await run("task", "ls", "--format", "json")).json] == ["again"] * 3


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--grid", "lr", "true x"], "'lr' names no values"),
        (["--grid", "a=1", "--grid", "a=2", "true x"], "the parameter 'a' is given twice"),
        (["-p", "8888:8888", "true x", "true y"], "several tasks cannot have one port"),
        (["-j", "0", "true x"], "invalid value for '--jobs'"),
        (["python", "train.py"], "quote it or put -- before it"),
    ],
)
async def test_mistakes_are_refused_before_anything_runs(
    run: Datmo, project: Path, arguments: list[str], why: str
) -> None:
    done = await run("task", "run", *arguments)
    assert done.code != 0
    assert why in done.err.splitlines()[0]
    assert (await run("task", "ls", "--format", "json")).json == []
