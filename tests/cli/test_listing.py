"""`--where`, `--sort`, `--limit` and `--format csv` of lists."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio


async def make(run: Datmo, *pairs: str) -> str:
    words = [word for pair in pairs for word in (f"--{pair.partition(' ')[0]}", pair.partition(" ")[2])]
    return (await run("snapshot", "create", *words)).id


async def test_where_and_sort(run: Datmo, project: Path) -> None:
    first = await make(run, "message a", "config lr:0.1", "stats accuracy:0.95")
    second = await make(run, "message b", "config lr:0.1", "stats accuracy:0.97")
    await make(run, "message c", "config lr:0.2")
    arguments = ("--where", "stats.accuracy > 0.9 and config.lr == 0.1", "--sort", "stats.accuracy")
    done = await run("snapshot", "ls", "--format", "json", *arguments)
    assert [each["id"] for each in done.json] == [second, first]
    done = await run("snapshot", "ls", *arguments, "--limit", "1")
    assert done.rows[1][0] == second[:4]
    assert done.err == "showing 1 of 2; --limit 0 shows all\n"
    assert (await run("snapshot", "ls", "--where", "config.lr > 1")).err == "no snapshots fit\n"
    assert (await run("task", "ls", "--where", "results.accuracy > 0.9")).err == "no tasks fit\n"


async def test_what_cannot_be_read_is_marked(run: Datmo, project: Path) -> None:
    for group in ("snapshot", "task"):
        done = await run(group, "ls", "--where", "config.lr > and x")
        assert (done.code, done.out) == (2, "")
        said, marked = done.err.splitlines()
        assert said.startswith("error: the expression is wrong at column 13: a value is expected here")
        assert marked == "hint: at ^ in: config.lr > ^and x"


async def test_csv_has_stable_columns_and_one_for_each_value(run: Datmo, project: Path) -> None:
    await make(
        run, 'message said "hi",\nthen left', "label best", "config lr:0.1", 'config opt:{"beta 2": 0.9, "n": [1]}'
    )
    await make(run, "message plain", "config on:true", "stats f1:NaN", "stats acc:1e-7")
    done = await run("snapshot", "ls", "--format", "csv")
    assert done.code == 0
    text = done.out
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert text.count("\r\n") == 3
    assert list(rows[0]) == [
        "id", "created_at", "updated_at", "session_id", "session", "label", "message", "current", "task_id", "code_id",
        "environment_id", "file_collection_id", "config.lr", "config.on", 'config.opt."beta 2"', "config.opt.n",
        "stats.acc", "stats.f1",
    ]  # fmt: skip
    plain, said = rows
    assert said["message"] == 'said "hi",\nthen left'
    assert (said["label"], said["current"], said["session"], said["config.lr"]) == ("best", "false", "default", "0.1")
    assert (said['config.opt."beta 2"'], said["config.opt.n"], said["config.on"]) == ("0.9", "[1]", "")
    assert (plain["current"], plain["config.on"], plain["stats.f1"], plain["stats.acc"]) == (
        "true",
        "true",
        "nan",
        "1e-07",
    )
    for column in ('config.opt."beta 2"', "config.lr"):
        (found,) = (await run("snapshot", "ls", "--format", "json", "--where", f"{column} > 0")).json
        assert found["id"] == said["id"]


async def test_an_empty_list_is_a_line_of_columns(run: Datmo, project: Path) -> None:
    done = await run("task", "ls", "--format", "csv")
    assert (done.code, done.out.count("\r\n"), done.out.startswith("id,created_at,start_time,")) == (0, 1, True)


async def test_tasks_as_csv(run: Datmo, project: Path) -> None:
    await run("task", "run", "--name", "t", "python train.py")
    (row,) = csv.DictReader(io.StringIO((await run("task", "ls", "--format", "csv")).out, newline=""))
    assert (row["name"], row["status"], row["exit_code"], row["results.accuracy"]) == ("t", "SUCCESS", "0", "0.9")
    assert float(row["duration"]) >= 0
