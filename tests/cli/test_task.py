"""`datmo task`, in this process; what needs a real terminal or signals is in `test_program`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio

KEYS = {
    "id", "model_id", "session_id", "name", "command", "status", "created_at", "start_time", "end_time", "duration",
    "exit_code", "reason", "executor", "runs_on", "code_id", "environment_id", "file_collection_id", "config",
    "results", "notices", "unattended", "retry_of", "rerun_of",
}  # fmt: skip


async def newest(run: Datmo) -> dict[str, object]:
    found: list[dict[str, object]] = (await run("task", "ls", "--limit", "1", "--format", "json")).json
    return found[0]


async def test_output_is_passed_on_and_the_rest_is_said_beside_it(run: Datmo, project: Path) -> None:
    (project / "train.py").write_text("import sys\nprint('accuracy: 0.9')\nprint('warned', file=sys.stderr)\n")
    done = await run("task", "run", "python train.py")
    task = await newest(run)
    short = str(task["id"])[:4]
    assert (done.code, done.out) == (0, "accuracy: 0.9\n")
    said = done.err.splitlines()
    assert said[0].startswith(f"  captured code {str(task['code_id'])[:7]} ")
    assert "warned" in said
    assert said[-2].startswith(f"task {short} SUCCESS after ")
    assert said[-2].endswith("· accuracy=0.9")
    assert said[-1] == f'hint: `datmo snapshot create -m "…" --task-id {short}` keeps what it ran and left'


@pytest.mark.parametrize(
    ("command", "code", "why"),
    [
        ("python -c 'raise SystemExit(3)'", 3, "(exit code 3)"),
        ("no-such-program", 127, "no-such-program"),
        ("./train.py", 126, "train.py"),
    ],
)
async def test_the_exit_code_is_the_commands_own(run: Datmo, project: Path, command: str, code: int, why: str) -> None:
    done = await run("task", "run", command)
    assert done.code == code
    last = done.err.splitlines()[-1]
    assert last.startswith(f"task {str((await newest(run))['id'])[:4]} FAILED")
    assert why in last


async def test_a_failure_of_ours_is_125(run: Datmo, project: Path) -> None:
    done = await run("task", "run", "--session-id", "nope", "python train.py")
    assert done.code == 125
    assert done.err.splitlines()[0] == "error: no session has the name 'nope', or an id that begins with it"


async def test_what_stands_behind_two_dashes_is_one_command(run: Datmo, project: Path) -> None:
    done = await run(
        "task", "run", "--name", "words", "--", "python", "-c", "import sys; print(sys.argv)", "--lr", "a b"
    )
    assert done.out == "['-c', '--lr', 'a b']\n"
    assert (await newest(run))["name"] == "words"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "give a command to run"),
        (["--"], "give a command to run"),
        (["python", "a.py"], "2 commands of one word each: if these are the words of one, quote it"),
        (
            ["python train.py", "--epochs", "3"],
            "no such option '--epochs': those of your own command go into its quotes",
        ),
        (["--executer", "process", "x"], "no such option '--executer'"),
        (["--executor", "slurm", "x"], "invalid value for '--executor'"),
        (["", "--executor", "process"], "there is no command to run"),
        (["python 'a"], 'the command "python \'a" cannot be split'),
        (["--ports", "eight", "x"], "'eight' is no port mapping"),
    ],
)
async def test_mistakes_are_refused_before_anything_runs(
    run: Datmo, project: Path, arguments: list[str], error: str
) -> None:
    done = await run("task", "run", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {error}")
    assert (await run("task", "ls", "--format", "json")).json == []


async def test_flags_reach_the_task(run: Datmo, project: Path) -> None:
    await run("session", "create", "sweeps", "--no-current")
    done = await run(
        "task", "run", "--gpu", "-p", "8123:8123", "--ports", "8124:8124", "--session-id", "sweeps", "--name", "served",
        "--executor", "process", "python train.py",
    )  # fmt: skip
    assert done.code == 0
    task = await newest(run)
    assert (task["name"], task["executor"]) == ("served", "process")
    assert "sweeps" in (await run("task", "ls")).out
    created = (await run("log", "ls", "--type", "task.created", "--format", "json")).json[0]["data"]
    assert created["options"] == {"gpu": True, "ports": ["127.0.0.1:8123:8123", "127.0.0.1:8124:8124"]}


async def test_an_environment_can_be_given(run: Datmo, project: Path) -> None:
    (project / "other.Dockerfile").write_text("FROM scratch\n")
    done = await run("task", "run", "--environment-def", "other.Dockerfile", "--executor", "process", "python train.py")
    assert done.code == 0
    assert "other.Dockerfile" in done.err


async def test_ls_is_newest_first(run: Datmo, project: Path) -> None:
    assert await run("task", "ls") == (
        0, "", 'no tasks yet\nhint: `datmo task run "python train.py"` runs one\n',
    )  # fmt: skip
    await run("task", "run", "python train.py")
    await run("task", "run", "--name", "broken", "python none.py")
    rows = (await run("task", "ls")).rows
    assert rows[0] == ["id", "name", "status", "created", "took", "command", "results"]
    assert [rows[1][1], rows[1][2]] == ["broken", "FAILED"]
    assert (rows[2][1], rows[2][-1]) == ("SUCCESS", "accuracy=0.9")


async def test_ls_filters_by_command_name_and_session(run: Datmo, project: Path) -> None:
    await run("task", "run", "--name", "first", "python train.py")
    await run("session", "create", "sweeps")
    await run("task", "run", "echo hi")
    for arguments, commands in {
        (): ["echo hi", "python train.py"],
        ("--filter", "train"): ["python train.py"],
        ("--filter", "first"): ["python train.py"],
        ("--session-id", "sweeps"): ["echo hi"],
        ("--session-id",): ["echo hi", "python train.py"],
        ("--limit", "1"): ["echo hi"],
    }.items():
        found = (await run("task", "ls", "--format", "json", *arguments)).json
        assert [each["command"] for each in found] == commands, arguments
    assert (await run("task", "ls", "--limit", "1")).err == "showing 1 of 2; --limit 0 shows all\n"


async def test_ls_as_json(run: Datmo, project: Path) -> None:
    await run("task", "run", "python train.py")
    task = await newest(run)
    assert set(task) == KEYS
    assert (task["results"], task["exit_code"]) == ({"accuracy": 0.9}, 0)
    assert str(task["start_time"]).endswith("Z")
