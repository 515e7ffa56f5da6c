"""`datmo task run` of several tasks: commands, grids, repetitions."""

from __future__ import annotations

import json
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
        (["--detach", "-p", "8888:8888", "true x", "true y"], "several tasks cannot have one port"),
        (["-j", "0", "true x"], "invalid value for '--jobs'"),
        (["--from", "no.csv", "true x"], "no parameters can be read from no.csv"),
        (["--from", "train.py", "true x"], "no parameters can be read from train.py"),
        (["--fail-fast", "--max-failures", "2", "true x"], "exclude one another"),
        (["--rank", "label", "true x"], "label"),
        (["--rank", "results", "true x"], "say which value"),
        (["--session", "a", "--session-id", "b", "true x"], "exclude one another"),
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


async def test_the_table_at_the_end_has_the_best_first(run: Datmo, project: Path) -> None:
    command = "sh -c 'echo accuracy: $DATMO_PARAM_X'"
    best = await run("task", "run", command, "--grid", "x=0.5,0.9,nan,0.7", "--rank", "stats.accuracy")
    table = best.err[best.err.index("stats.accuracy") :].splitlines()[1:5]
    assert [row.split()[0] for row in table[:3]] == ["1", "2", "3"]
    assert [next(word for word in row.split() if word.startswith("x=")) for row in table] == [
        "x=0.9",
        "x=0.7",
        "x=0.5",
        "x=nan",
    ]
    tasks = (await run("task", "ls", "--sort", "results.accuracy", "--format", "json")).json
    assert f"--task-id {tasks[0]['id'][:8]}` keeps the best" in best.err
    least = await run("task", "run", command, "--grid", "x=0.5,0.9", "--rank", "results.accuracy asc")
    rows = [row.split() for row in least.err.splitlines() if row[:3] in ("1  ", "2  ")]
    assert [(row[0], row[-2]) for row in rows] == [("1", "x=0.5"), ("2", "x=0.9")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("points.jsonl", '{"x": 1, "y": "a"}\n\n{"x": 2}\n'),
        ("points.csv", "x,y\n1,a\n2,\n"),
        ("points.json", '[{"x": 1, "y": "a"}, {"x": 2}]'),
        ("points.yaml", "- {x: 1, y: a}\n- {x: 2}\n"),
        ("points.toml", '[[point]]\nx = 1\ny = "a"\n[[point]]\nx = 2\n'),
    ],
)
async def test_parameters_from_a_file(run: Datmo, project: Path, name: str, text: str) -> None:
    (project / name).write_text(text)
    assert (await run("task", "run", "echo {x}", "--from", name, "--grid", "z=3,4")).code == 0
    configs = [each["config"] for each in (await run("task", "ls", "--format", "json")).json]
    wanted = [{**point, "z": z} for point in ({"x": 1, "y": "a"}, {"x": 2}) for z in (3, 4)]
    assert sorted(configs, key=str) == sorted(wanted, key=str)


async def test_attempts_and_giving_up(run: Datmo, project: Path) -> None:
    done = await run("task", "run", "-j", "1", "false a", "true b", "--retries", "1", "--fail-fast")
    assert done.code == 1
    assert "(tried again, after " in done.err
    assert "STOPPED (never started: another one failed)" in done.err
    tasks = (await run("task", "ls", "--format", "json")).json
    assert [each["status"] for each in tasks] == ["FAILED", "STOPPED", "FAILED"]
    assert tasks[0]["retry_of"] == tasks[2]["id"]


async def test_a_session_by_its_name_is_made_where_there_is_none(run: Datmo, project: Path) -> None:
    for _ in range(2):
        assert (await run("task", "run", "--session", "sweeps", "true")).code == 0
    assert (await run("task", "run", "--session", "sweeps", "--repeat", "2", "true")).code == 0
    sessions = {each["name"]: each for each in (await run("session", "ls", "--format", "json")).json}
    assert set(sessions) == {"default", "sweeps"}
    assert not sessions["sweeps"]["current"]
    assert len((await run("task", "ls", "--session-id", "sweeps", "--format", "json")).json) == 4


async def test_programs_get_every_event_as_a_line(run: Datmo, project: Path) -> None:
    done = await run("task", "run", "sh -c 'echo out; echo err >&2; exit 3'", "--format", "json")
    assert done.code == 3
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [each["type"] for each in events if each["type"] != "task.output"] == [
        "task.created",
        "task.started",
        "task.failed",
    ]
    printed = [part for each in events for part in each["output"]]
    assert sorted((part["stream"], part["text"]) for part in printed) == [("stderr", "err\n"), ("stdout", "out\n")]
    assert len({each["task_id"] for each in events}) == 1
    assert "tasks succeeded" not in done.err


async def test_detached_tasks_are_named_and_left(run: Datmo, project: Path) -> None:
    done = await run("task", "run", "--detach", "echo {x}", "--grid", "x=1,2")
    assert done.code == 0
    ids = done.out.split()
    assert len(ids) == 2
    assert "2 tasks left to a process of their own" in done.err
    assert (await run("task", "wait", *ids)).code == 0
    assert (await run("task", "logs", ids[1], "-f")).out == "2\n"


async def test_several_commands_are_told_apart_at_the_end(run: Datmo, project: Path) -> None:
    done = await run("task", "run", "true one", "false two", "-j", "1")
    ended = [line for line in done.err.splitlines() if line.startswith(("1/2", "2/2"))]
    assert [line.rpartition(" · ")[2] for line in ended] == ["true one", "false two"]
    heading = next(line for line in done.err.splitlines() if line.startswith("id "))
    assert "command" in heading
    swept = await run("task", "run", "true {x}", "--grid", "x=1,2")
    assert "command" not in next(line for line in swept.err.splitlines() if line.startswith("id "))
