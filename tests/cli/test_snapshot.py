"""`datmo snapshot`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio

KEYS = {
    "id", "model_id", "session_id", "task_id", "message", "label", "code_id", "environment_id", "file_collection_id",
    "config", "stats", "created_at", "updated_at",
}  # fmt: skip


async def listed(run: Datmo, *arguments: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = (await run("snapshot", "ls", "--format", "json", *arguments)).json
    return found


async def test_create_prints_the_id_and_says_the_next_step(run: Datmo, project: Path) -> None:
    done = await run("snapshot", "create", "--message", "first", "--label", "best")
    short = done.id[:4]
    assert done.err.splitlines()[-2:] == [
        f"created snapshot {short}: first",
        f"hint: `datmo snapshot inspect {short}` shows all of it",
    ]
    (found,) = await listed(run)
    assert set(found) == KEYS | {"current"}
    assert (found["id"], found["message"], found["label"], found["current"]) == (done.id, "first", "best", True)


async def test_a_message_is_needed(run: Datmo, project: Path) -> None:
    done = await run("snapshot", "create")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: missing option '--message' / '-m'")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("--code-id", "--commit-id"),
        ("--environment-id", "--environment-def"),
        ("--file-collection-id", "--filepaths"),
        ("--config-filepath", "--config-filename"),
        ("--stats-filepath", "--stats-filename"),
        ("--task-id", "--code-id"),
        ("--task-id", "--commit-id"),
        ("--task-id", "--environment-id"),
        ("--task-id", "--environment-def"),
        ("--task-id", "--file-collection-id"),
        ("--task-id", "--filepaths"),
    ],
)
async def test_options_of_which_only_one_can_hold(run: Datmo, project: Path, one: str, other: str) -> None:
    done = await run("snapshot", "create", "-m", "x", one, "a", other, "b")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        f"error: {one} and {other} exclude one another: give one of them",
        "hint: `datmo snapshot create --help` shows how it is used",
    ]


async def test_files_and_folders_are_kept(run: Datmo, project: Path, tmp_path: Path) -> None:
    (project / "weights.bin").write_bytes(b"w" * 10)
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "loss.svg").write_text("<svg/>")
    arguments = ("--filepaths", "weights.bin", "--filepaths", str(tmp_path / "plots"))
    snapshot = (await run("snapshot", "create", "-m", "x", *arguments)).id
    files = (await run("snapshot", "inspect", snapshot, "--format", "json")).json["file_collection"]
    assert (files["count"], files["size"]) == (2, 16)
    assert [each["path"].rpartition("/")[2] for each in files["files"]] == ["loss.svg", "weights.bin"]


async def test_what_a_snapshot_consists_of_can_be_named(run: Datmo, project: Path) -> None:
    (project / "weights.bin").write_bytes(b"w")
    first = (await run("snapshot", "create", "-m", "x", "--filepaths", "weights.bin")).id
    whole = (await run("snapshot", "inspect", first, "--format", "json")).json
    (project / "train.py").write_text("print('changed')\n")
    await run("session", "create", "sweeps", "--no-current")
    content = {
        "--environment-id": whole["environment"]["id"][:8],
        "--file-collection-id": whole["file_collection"]["id"],
        "--session-id": "sweeps",
    }
    for flag in ("--code-id", "--commit-id"):
        given = [word for pair in content.items() for word in pair]
        made = (await run("snapshot", "create", "-m", "again", flag, whole["code"]["id"], *given)).id
        again = (await run("snapshot", "inspect", made, "--format", "json")).json
        for part in ("code", "environment", "file_collection"):
            assert again[part]["id"] == whole[part]["id"]
        assert again["session_id"] != whole["session_id"]


async def test_an_environment_can_be_defined_by_a_file(run: Datmo, project: Path) -> None:
    (project / "gpu.Dockerfile").write_text("FROM python:3.11-slim\n")
    made = (await run("snapshot", "create", "-m", "x", "--environment-def", "gpu.Dockerfile")).id
    found = (await run("snapshot", "inspect", made, "--format", "json")).json["environment"]
    assert (found["kind"], list(found["files"])) == ("dockerfile", ["gpu.Dockerfile"])


async def test_config_and_stats_are_found_by_name_or_path(run: Datmo, project: Path, tmp_path: Path) -> None:
    for name, values in {"config.json": {"a": 1}, "stats.json": {"b": 2}, "other.json": {"c": 3}}.items():
        (project / name).write_text(json.dumps(values))
    outside = tmp_path / "far.json"
    outside.write_text('{"d": 4}')
    await run("snapshot", "create", "-m", "0")
    await run("snapshot", "create", "-m", "1", "--config-filename", "other.json", "--stats-filename", "none.json")
    await run("snapshot", "create", "-m", "2", "--config-filepath", str(outside), "--stats-filepath", "other.json")
    found = {each["message"]: (each["config"], each["stats"]) for each in await listed(run)}
    assert found == {"0": ({"a": 1}, {"b": 2}), "1": ({"c": 3}, {}), "2": ({"d": 4}, {"c": 3})}


async def test_an_unknown_path_is_an_error(run: Datmo, project: Path) -> None:
    done = await run("snapshot", "create", "-m", "x", "--config-filepath", "none.json")
    assert done.code == 2
    assert done.err.splitlines() == [
        "error: there is no file 'none.json' to read the config from",
        "hint: `datmo snapshot create --help` shows how it is used",
    ]


async def test_a_snapshot_of_a_task(run: Datmo, project: Path) -> None:
    assert (await run("task", "run", "python train.py")).code == 0
    (task,) = (await run("task", "ls", "--format", "json")).json
    await run("snapshot", "create", "-m", "x", "--task-id", task["id"][:6])
    (found,) = await listed(run)
    assert (found["task_id"], found["stats"], found["code_id"]) == (task["id"], {"accuracy": 0.9}, task["code_id"])


async def test_the_same_content_twice_is_said(run: Datmo, project: Path) -> None:
    first = (await run("snapshot", "create", "-m", "x")).id
    assert f"  same content as snapshot {first[:4]}" in (await run("snapshot", "create", "-m", "y")).err


async def test_ls_is_newest_first_and_marks_the_current_one(run: Datmo, project: Path) -> None:
    assert await run("snapshot", "ls") == (
        0, "", 'no snapshots yet\nhint: `datmo snapshot create -m "first model"` makes one\n',
    )  # fmt: skip
    (project / "config.json").write_text('{"lr": 0.01}')
    first = (await run("snapshot", "create", "-m", "one", "-l", "best")).id
    second = (await run("snapshot", "create", "-m", "two")).id
    done = await run("snapshot", "ls")
    assert done.rows[0] == ["id", "created", "label", "message", "config"]
    assert done.rows[1][:2] == ["*", second[:4]]
    assert done.rows[2][0] == first[:4]
    assert done.rows[2][-3:] == ["best", "one", "lr=0.01"]
    assert done.err == ""


@pytest.mark.parametrize("flag", ["--all", "-a"])
async def test_ls_with_all_shows_what_they_consist_of(run: Datmo, project: Path, flag: str) -> None:
    await run("task", "run", "python train.py")
    (task,) = (await run("task", "ls", "--format", "json")).json
    await run("snapshot", "create", "-m", "one", "--task-id", task["id"])
    done = await run("snapshot", "ls", flag)
    assert done.rows[0][-4:] == ["code", "environment", "files", "task"]
    assert done.rows[1][-4] == task["code_id"][:7]
    assert done.rows[1][-1] == task["id"][:4]


async def test_ls_filters_by_words_and_session(run: Datmo, project: Path) -> None:
    await run("snapshot", "create", "-m", "baseline", "-l", "best")
    await run("session", "create", "sweeps")
    await run("snapshot", "create", "-m", "lr 0.1")
    for arguments, messages in {
        (): ["lr 0.1", "baseline"],
        ("--filter", "BASE"): ["baseline"],
        ("--filter", "best"): ["baseline"],
        ("--session-id", "sweeps"): ["lr 0.1"],
        ("--session-id", "--all"): ["lr 0.1", "baseline"],
        ("--session-id",): ["lr 0.1", "baseline"],
        ("--limit", "1"): ["lr 0.1"],
        ("--limit", "0"): ["lr 0.1", "baseline"],
    }.items():
        assert [each["message"] for each in await listed(run, *arguments)] == messages, arguments
    unknown = await run("snapshot", "ls", "--session-id", "nope")
    assert unknown.code == 1
    assert unknown.err.splitlines()[0] == "error: no session has the name 'nope', or an id that begins with it"


async def test_ls_says_how_many_it_does_not_show(run: Datmo, project: Path) -> None:
    for message in ("one", "two", "three"):
        await run("snapshot", "create", "-m", message)
    done = await run("snapshot", "ls", "--limit", "2")
    assert len(done.rows) == 3
    assert done.err == "showing 2 of 3; --limit 0 shows all\n"
    assert (await run("snapshot", "ls", "--limit", "0")).err == ""
    assert len((await run("snapshot", "ls", "--limit", "9" * 30)).rows) == 4
    assert (await run("snapshot", "ls", "--filter", "none")).err.startswith("no snapshots fit\n")


async def test_ls_on_a_narrow_terminal_cuts_with_a_sign(
    run: Datmo, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run("snapshot", "create", "-m", "a message that takes much room " * 3)
    assert "…" not in (await run("snapshot", "ls")).out
    monkeypatch.setenv("COLUMNS", "40")
    lines = (await run("snapshot", "ls")).out.splitlines()
    assert max(map(len, lines)) == 40
    assert lines[1].endswith("…")


async def test_inspect_takes_an_id_a_prefix_or_a_label(run: Datmo, project: Path) -> None:
    (project / "config.json").write_text('{"lr": 0.1234567890123}')
    made = (await run("snapshot", "create", "-m", "one", "-l", "best")).id
    for given in (made, made[:4], "best"):
        rows = (await run("snapshot", "inspect", given)).rows
        assert ["snapshot", made] in rows
        assert ["label", "best"] in rows
        assert ["config", "from", "config.json"] in rows
        assert ["lr", "0.1234567890123"] in rows


async def test_inspect_as_json(run: Datmo, project: Path) -> None:
    made = (await run("snapshot", "create", "-m", "one")).id
    found = (await run("snapshot", "inspect", made, "--format", "json")).json
    parts = {"code", "environment", "file_collection", "config_path", "stats_path"}
    assert set(found) == KEYS | {"current"} | parts


async def test_an_unknown_snapshot(run: Datmo, project: Path) -> None:
    assert await run("snapshot", "inspect", "9z") == (
        1, "", "error: no snapshot has an id that begins with '9z'\nhint: `datmo snapshot ls` shows the ids\n",
    )  # fmt: skip
