"""The options of `datmo task run` that say what a task may use and is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio


async def inspected(run: Datmo) -> dict[str, Any]:
    (newest,) = (await run("task", "ls", "--limit", "1", "--format", "json")).json
    found: dict[str, Any] = (await run("task", "inspect", newest["id"], "--format", "json")).json
    return found


async def test_data_and_variables_are_passed_on(
    run: Datmo, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "iris.csv").write_text("setosa\n")
    monkeypatch.setenv("API_KEY", "hush")
    command = "sh -c 'cat $DATMO_DATA_DIR/flowers; echo $API_KEY $LR'"
    arguments = ("--data", f"{tmp_path}/iris.csv>flowers", "--env", "API_KEY", "--env", "LR=0.1", "--timeout", "1h")
    done = await run("task", "run", command, *arguments)
    assert (done.code, done.out) == (0, "setosa\nhush 0.1\n")
    options = (await inspected(run))["options"]
    assert options["variables"] == {"API_KEY": None, "LR": "0.1"}
    assert options["timeout"] == 3600
    page = (await run("task", "inspect", (await inspected(run))["id"])).out
    assert "flowers" in page
    assert "API_KEY (not recorded)" in page
    assert "LR=0.1" in page


async def test_a_whole_sweep_is_given_them(run: Datmo, project: Path) -> None:
    assert (await run("task", "run", "sh -c 'echo $X'", "--repeat", "2", "--env", "X=y")).out.count("| y\n") == 2


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--env", "NOT_SET_ANYWHERE"], "'NOT_SET_ANYWHERE' is not set here"),
        (["--data", "nowhere.csv"], "there is no file or folder 'nowhere.csv'"),
        (["--mem-limit", "2g"], "cannot be given a memory limit"),
        (["--timeout", "soon"], "'soon' is no time to run"),
        (["--gpu", "--gpus", "1"], "gpu and gpus exclude one another"),
        (["--user", "nobody"], "invalid value for '--user'"),
    ],
)
async def test_mistakes_are_usage_errors(run: Datmo, project: Path, arguments: list[str], why: str) -> None:
    done = await run("task", "run", *arguments, "true")
    assert done.code == 2
    assert why in done.err
    assert (await run("task", "ls", "--format", "json")).json == []
