"""`datmo init`, `status`, `cleanup` and `version`."""

from __future__ import annotations

from pathlib import Path

import pytest

import datmo
from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio


async def test_version(run: Datmo) -> None:
    assert await run("version") == (0, f"datmo {datmo.__version__}\n", "")


async def test_init_prints_the_id_and_says_what_to_do_next(run: Datmo, anywhere: Path) -> None:
    done = await run("init", "--name", "iris", "--description", "first steps")
    assert len(done.id) == 16
    assert done.err.splitlines()[0] == f"{anywhere} is now the project iris"
    assert done.err.splitlines()[-1].startswith("hint: ")


async def test_init_without_a_name_takes_the_folders_where_nobody_can_be_asked(run: Datmo) -> None:
    await run("init")
    assert (await run("status", "--format", "json")).json["name"] == "iris"


async def test_init_again_changes_the_words_and_keeps_the_id(run: Datmo) -> None:
    first = await run("init", "-n", "iris", "--description", "first steps")
    again = await run("init", "-n", "flowers")
    assert again.id == first.id
    assert "is the project flowers" in again.err
    status = (await run("status", "--format", "json")).json
    assert (status["name"], status["description"]) == ("flowers", "first steps")


async def test_an_empty_name_is_refused(run: Datmo) -> None:
    done = await run("init", "--name", " ")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: a project needs a name\nhint: give one: --name NAME\n"


async def test_status_of_a_new_project(run: Datmo, project: Path) -> None:
    done = await run("status")
    assert done.rows[1:] == [
        ["folder", str(project)],
        ["session", "default"],
        ["current", "none", "yet"],
        ["has", "0", "snapshots,", "0", "tasks"],
    ]


async def test_status_shows_the_current_snapshot(run: Datmo, project: Path) -> None:
    snapshot = (await run("snapshot", "create", "-m", "baseline", "-l", "best")).id
    shown = (await run("status")).out
    assert f"current    {snapshot[:4]}  baseline [best], " in shown
    assert "has        1 snapshot, 0 tasks" in shown


async def test_status_as_json(run: Datmo, project: Path) -> None:
    snapshot = (await run("snapshot", "create", "-m", "baseline")).id
    status = (await run("status", "--format", "json")).json
    assert list(status) == [
        "id", "name", "description", "home", "session", "snapshot", "running", "ended", "snapshots",
        "tasks", "changes",
    ]  # fmt: skip
    assert status["home"] == str(project)
    assert status["session"]["name"] == "default"
    assert status["snapshot"]["id"] == snapshot
    assert (status["running"], status["snapshots"], status["tasks"]) == ([], 1, 0)


async def test_status_works_when_the_session_of_the_current_snapshot_is_gone(run: Datmo, project: Path) -> None:
    await run("session", "create", "sweeps")
    await run("snapshot", "create", "-m", "in a sweep")
    await run("session", "delete", "sweeps")
    assert "current    none yet" in (await run("status")).out


async def test_a_snapshot_of_a_task_is_not_the_current_one(run: Datmo, project: Path) -> None:
    await run("task", "run", "python train.py")
    task = (await run("task", "ls", "--format", "json")).json[0]["id"]
    await run("snapshot", "create", "-m", "of a task", "--task-id", task)
    shown = (await run("status")).out
    assert "current    none: no snapshot was made of this folder itself\n" in shown


async def test_commands_work_from_any_folder_below(run: Datmo, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = project / "notebooks" / "old"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert ["folder", str(project)] in (await run("status")).rows


@pytest.mark.parametrize(
    "arguments",
    ["status", "cleanup --yes", "session ls", "snapshot ls", "snapshot create -m x", "task ls", "log ls", "log verify"],
)
async def test_outside_of_a_project_every_command_exits_with_3_and_says_what_makes_one(
    run: Datmo, anywhere: Path, arguments: str
) -> None:
    done = await run(*arguments.split())
    assert (done.code, done.out) == (3, "")
    assert done.err == f"error: no project at {anywhere} or above it\nhint: `datmo init` makes one\n"


async def test_cleanup_lists_what_goes_and_removes_nothing_where_nobody_can_say_yes(run: Datmo, project: Path) -> None:
    done = await run("cleanup")
    assert done.code == 1
    assert done.out.startswith(f"{project / '.datmo'}: ")
    assert done.err.splitlines() == [
        "error: nothing was removed: nobody is here to be asked",
        "hint: `datmo cleanup --yes` does not ask",
    ]
    assert (project / ".datmo").exists()


@pytest.mark.parametrize("flag", ["--yes", "-y"])
async def test_cleanup_with_a_yes_removes_the_project_and_leaves_your_files(
    run: Datmo, project: Path, flag: str
) -> None:
    await run("snapshot", "create", "-m", "first")
    done = await run("cleanup", flag)
    assert done.code == 0
    assert done.err.splitlines()[-1] == "removed"
    assert [each.name for each in project.iterdir()] == ["train.py"]
    assert (await run("status")).code == 3
