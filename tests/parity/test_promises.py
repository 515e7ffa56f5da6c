"""Every promise has tests that show it; those that nothing else shows are here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import datmo
from tests.api.conftest import home, home_of_the_user
from tests.cli.conftest import PROGRAM, Done, environment, program
from tests.parity.asked_for import ASKED_FOR, AskedFor
from tests.parity.nodes import problem_of
from tests.parity.promises import KEPT, NEVER_AGAIN, Kept, NeverAgain

__all__ = ["home", "home_of_the_user"]


@pytest.mark.parametrize("row", NEVER_AGAIN, ids=lambda row: row.never)
def test_a_failure_of_the_original_does_not_come_back(row: NeverAgain) -> None:
    assert row.shown
    assert [problem for node in row.shown if (problem := problem_of(node))] == []


@pytest.mark.parametrize("row", KEPT, ids=lambda row: row.ours)
def test_what_users_rely_on_is_shown(row: Kept) -> None:
    assert row.shown
    assert [problem for node in row.shown if (problem := problem_of(node))] == []


@pytest.mark.parametrize("row", ASKED_FOR, ids=lambda row: row.wish)
def test_what_users_asked_for_is_there(row: AskedFor) -> None:
    assert row.shown
    assert [problem for node in row.shown if (problem := problem_of(node))] == []


def test_a_test_that_is_not_there_or_does_not_run_is_found_out(tmp_path: Path) -> None:
    assert problem_of("parity/test_nowhere.py::test_x") == "there is no file tests/parity/test_nowhere.py"
    assert problem_of("parity/test_promises.py::test_x") == "tests/parity/test_promises.py has no test test_x"
    skipped = "api/test_sync.py::test_threads_go_on_when_the_main_one_has_ended"
    assert problem_of(skipped) == "test_threads_go_on_when_the_main_one_has_ended is not always run"


@pytest.fixture
def made(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a git repository, and the working folder."""
    monkeypatch.chdir(home)
    assert datmo_in(home, "init", "--name", "iris").id
    return home


def datmo_in(folder: Path, *arguments: str, **more: str) -> Done:
    return program(*arguments, cwd=folder, **more)


def test_a_name_is_content(made: Path) -> None:
    (made / "one.txt").write_text("same")
    (made / "two.txt").write_text("same")
    one, two = [datmo.snapshot.create("x", filepaths=[name]) for name in ("one.txt", "two.txt")]
    assert one.file_collection_id != two.file_collection_id
    for snapshot, name in ((one, "one.txt"), (two, "two.txt")):
        (file,) = snapshot.files
        with file:
            assert (Path(file.name).name, file.read()) == (name, "same")


@pytest.mark.parametrize(
    "flag", ["--task-id", "--session-id", "--code-id", "--commit-id", "--environment-id", "--file-collection-id"]
)
def test_whatever_is_named_is_looked_up_before_anything_is_written(made: Path, flag: str) -> None:
    done = datmo_in(made, "snapshot", "create", "-m", "x", flag, "zzzz")
    assert (done.code, done.out) == (1, "")
    assert "zzzz" in done.err.splitlines()[0]
    assert datmo.snapshot.ls() == []


@pytest.mark.parametrize(
    "words",
    [
        "snapshot delete", "snapshot inspect", "snapshot checkout", "snapshot diff zzzz", "snapshot ls --session-id",
        "task stop", "task stop --id", "task ls --session-id", "session select", "session delete",
        "task run true --session-id",
    ],
)  # fmt: skip
def test_commands_name_the_id_that_they_do_not_find(made: Path, words: str) -> None:
    done = datmo_in(made, *words.split(), "zzzz")
    assert done.code == (125 if words.startswith("task run") else 1)
    assert "zzzz" in done.err.splitlines()[0]


def test_no_engine_is_asked_for_gpus(made: Path) -> None:
    """A process needs no engine: were one asked, it would not answer."""
    done = datmo_in(made, "task", "run", "--gpu", "python train.py", DOCKER_HOST="tcp://127.0.0.1:1")
    assert (done.code, done.out) == (0, "accuracy: 0.9\n")


def test_each_kind_of_failure_has_its_exit_code(made: Path, tmp_path: Path) -> None:
    assert datmo_in(made, "status").code == 0
    assert datmo_in(made, "snapshot", "inspect", "zzzz").code == 1
    assert datmo_in(made, "snapshot", "inspect").code == 2
    assert datmo_in(tmp_path, "status").code == 3
    (made / "Dockerfile").write_text("FROM python:3.11-slim\n")
    nobody = {"DOCKER_HOST": "tcp://127.0.0.1:1"}
    assert datmo_in(made, "task", "run", "true", **nobody).code == 125
    for done in (datmo_in(made, "snapshot", "inspect", "zzzz"), datmo_in(tmp_path, "status")):
        assert done.out == ""
        assert [line.partition(":")[0] for line in done.err.splitlines()] == ["error", "hint"]


def test_a_relative_env_is_taken_from_the_project(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (made / "envs").mkdir()
    (made / "envs" / "requirements.txt").write_text("")
    (made / "deep").mkdir()
    monkeypatch.chdir(made / "deep")
    made_there = datmo.snapshot.create("x", environment_definition="envs/requirements.txt", home=made)
    with datmo.open(made) as project:
        assert list(project.environments.get(made_there.environment_id).files) == ["envs/requirements.txt"]


def test_a_held_task_follows_the_running_one(made: Path, tmp_path: Path) -> None:
    """The object was made while the task ran in another process; what it says afterwards is how it ended."""
    gate = tmp_path / "gate"
    subprocess.run(["mkfifo", gate], check=True)
    command = ["task", "run", "--", "sh", "-c", f"echo begun; read line < {gate}; echo loss: 1"]
    with subprocess.Popen(
        [*PROGRAM, *command], cwd=made, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"begun\n"
        (held,) = datmo.task.ls(home=made)
        assert (held.status, held.end_time, held.duration, held.results) == ("RUNNING", None, None, {})
        gate.write_text("on\n")
    assert (held.status, held.results, held.logs) == ("SUCCESS", {"loss": 1}, "begun\nloss: 1\n")
    assert held.end_time is not None
