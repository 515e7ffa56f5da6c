"""`datmo config`, and how much the command line says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "datmo"


async def test_set_get_unset(run: Datmo, project: Path) -> None:
    assert await run("config", "get", "output.limit") == (0, "1g\n", "")
    done = await run("config", "set", "output.limit", "200m")
    assert done == (0, "", "output.limit is 200m: as this project says\n")
    assert (await run("config", "get", "output.limit")).out == "200m\n"
    found = (await run("config", "get", "output.limit", "--format", "json")).json
    assert (found["key"], found["value"], found["source"]) == ("output.limit", 200 << 20, "project")
    done = await run("config", "unset", "output.limit")
    assert done == (0, "", "output.limit is 1g: the default\n")


async def test_ls(run: Datmo, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await run("config", "set", "executor", "process")
    await run("config", "set", "jobs", "2", "--user")
    monkeypatch.setenv("DATMO_STOP_GRACE", "1m")
    rows = {row[0]: row[1:3] for row in (await run("config", "ls")).rows}
    assert rows["setting"] == ["value", "from"]
    assert rows["executor"] == ["process", "project"]
    assert rows["jobs"] == ["2", "user"]
    assert rows["stop.grace"] == ["60s", "environment"]
    assert rows["output.limit"] == ["1g", "default"]
    listed = {each["key"]: each for each in (await run("config", "ls", "--format", "json")).json}
    assert set(listed["jobs"]) == {"key", "value", "source", "default", "variable", "help"}
    assert listed["stop.grace"]["value"] == 60.0


async def test_without_a_project_there_are_the_users_own(run: Datmo, anywhere: Path, own_settings: Path) -> None:
    done = await run("config", "set", "jobs", "2", "--user")
    assert done == (0, "", "jobs is 2: as you say for all projects\n")
    assert (own_settings / "settings.json").read_text() == '{\n  "jobs": 2\n}\n'
    assert (await run("config", "get", "jobs")).out == "2\n"
    done = await run("config", "set", "jobs", "2")
    assert (done.code, done.err.splitlines()[-1]) == (3, "hint: --user sets it for all of yours")
    assert (await run("config", "unset", "jobs", "--user")).code == 0
    assert (await run("config", "get", "jobs")).out == "auto\n"


async def test_mistakes_are_usage_errors(run: Datmo, project: Path) -> None:
    assert await run("config", "get", "executer") == (
        2, "", "error: there is no setting 'executer'\nhint: did you mean `executor`?\n",
    )  # fmt: skip
    done = await run("config", "set", "executor", "slurm")
    assert (done.code, done.err) == (
        2, "error: executor cannot be 'slurm'\nhint: give one of auto, docker, process\n",
    )  # fmt: skip


# How much is said


async def test_quiet_says_nothing_but_errors(run: Datmo, project: Path) -> None:
    made = await run("snapshot", "create", "-m", "x", "--quiet")
    assert (len(made.id), made.err) == (16, "")
    assert (await run("--quiet", "snapshot", "update", made.id, "-m", "y")).err == ""
    done = await run("task", "run", "-q", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert done == (3, "out\n", "err\n")
    assert (await run("snapshot", "inspect", "9z", "-q")).err.splitlines() == [
        "error: no snapshot has an id that begins with '9z'", "hint: `datmo snapshot ls` shows the ids",
    ]  # fmt: skip
    assert (await run("task", "run", "--", "echo", "-q")).out == "-q\n"  # the command's own


async def test_verbose_says_when_and_what_an_error_came_from(run: Datmo, project: Path) -> None:
    (project / "stats.json").write_text("{")
    done = await run("snapshot", "create", "-m", "x", "--verbose")
    assert done.err.splitlines()[-1].startswith("  because of ")
    assert "because" not in (await run("snapshot", "create", "-m", "x")).err
    done = await run("--verbose", "task", "run", "true")
    assert "s captured code" in done.err.splitlines()[0]


async def test_the_setting_holds_unless_the_command_says_otherwise(
    run: Datmo, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run("config", "set", "verbosity", "quiet")
    assert (await run("snapshot", "ls")).err == ""
    assert "captured code" in (await run("task", "run", "--verbose", "true")).err
    monkeypatch.setenv("DATMO_VERBOSITY", "normal")
    assert (await run("snapshot", "ls")).err.startswith("no snapshots yet")
