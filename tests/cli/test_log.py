"""`datmo log`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio

KEYS = [
    "position", "id", "stream", "version", "type", "schema", "recorded_at", "actor", "correlation", "data", "digest",
    "hash",
]  # fmt: skip


async def positions(run: Datmo, *arguments: str) -> list[int]:
    return [each["position"] for each in (await run("log", "ls", "--format", "json", *arguments)).json]


async def test_ls_is_newest_first(run: Datmo, project: Path) -> None:
    rows = (await run("log", "ls")).rows
    assert rows[0] == ["position", "recorded", "type", "entity", "data"]
    assert [row[0] for row in rows[1:]] == ["3", "2", "1"]
    assert "project.initialized" in rows[-1]
    assert rows[-1][-2:] == ["name=iris", "description="]


async def test_ls_as_json_has_every_stored_column(run: Datmo, project: Path) -> None:
    last = (await run("log", "ls", "--format", "json")).json[-1]
    assert list(last) == KEYS
    assert (last["type"], last["data"]) == ("project.initialized", {"name": "iris", "description": ""})
    assert set(last["actor"]) == {"user", "host", "pid", "program"}


async def test_ls_filters_by_type_order_and_number(run: Datmo, project: Path) -> None:
    await run("session", "create", "sweeps")
    for arguments, expected in {
        (): [5, 4, 3, 2, 1],
        ("--reverse",): [1, 2, 3, 4, 5],
        ("--limit", "2"): [5, 4],
        ("--limit", "2", "--reverse"): [4, 5],
        ("--limit", "0"): [5, 4, 3, 2, 1],
        ("--type", "session.*"): [5, 4, 3, 2],
        ("--type", "session.created", "--type", "project.*"): [4, 2, 1],
        ("--type", "nothing.at_all"): [],
        ("--since", "1h"): [5, 4, 3, 2, 1],
        ("--until", "1h"): [],
        ("--since", "2000-01-01", "--until", "2001-01-01T00:00Z"): [],
    }.items():
        assert await positions(run, *arguments) == expected, arguments


async def test_ls_filters_by_exact_times(run: Datmo, project: Path) -> None:
    await run("session", "create", "sweeps")
    times = {each["position"]: each["recorded_at"] for each in (await run("log", "ls", "--format", "json")).json}
    assert await positions(run, "--since", times[4]) == [5, 4]
    assert await positions(run, "--until", times[3]) == [3, 2, 1]


async def test_ls_filters_by_entity(run: Datmo, project: Path) -> None:
    made = (await run("session", "create", "sweeps")).id
    snapshot = (await run("snapshot", "create", "-m", "x", "-l", "best")).id
    for entity in (f"session/{made}", f"session/{made[:5]}", "session/sweeps"):
        assert await positions(run, "--entity", entity) == [5, 4]
    for entity in ("session", "session/*"):
        assert await positions(run, "--entity", entity) == [5, 4, 3, 2]
    (created,) = (await run("log", "ls", "--entity", "snapshot/best", "--format", "json")).json
    assert created["stream"] == f"snapshot/{snapshot}"


async def test_the_log_knows_what_was_deleted(run: Datmo, project: Path) -> None:
    made = (await run("session", "create", "sweeps")).id
    await run("session", "delete", "sweeps")
    types = [each[2] for each in (await run("log", "ls", "--entity", f"session/{made[:6]}")).rows]
    assert "session.deleted" in (await run("log", "ls", "--entity", f"session/{made[:6]}")).out
    assert len(types) == 4


@pytest.mark.parametrize(
    ("entity", "code", "error"),
    [
        ("sesion/x", 2, "'sesion/x' names no entity"),
        ("task/9z", 1, "no task has an id that begins with '9z'"),
        ("session/zzz", 1, "no session has the name 'zzz', or an id that begins with it"),
    ],
)
async def test_unknown_entities(run: Datmo, project: Path, entity: str, code: int, error: str) -> None:
    done = await run("log", "ls", "--entity", entity)
    assert (done.code, done.err.splitlines()[0]) == (code, f"error: {error}")


async def test_a_time_that_is_none(run: Datmo, project: Path) -> None:
    done = await run("log", "ls", "--since", "soon")
    assert done.code == 2
    assert done.err.startswith("error: invalid value for '--since': 'soon' is no time")


async def test_ls_says_when_there_are_more(run: Datmo, project: Path) -> None:
    assert (await run("log", "ls", "--limit", "2")).err.startswith("showing the newest 2; --limit 0 shows all\n")
    assert (await run("log", "ls", "--limit", "3")).err == ""
    assert (await run("log", "ls", "--type", "task.*")).err == "no events fit\n"


async def test_show_has_all_of_an_event(run: Datmo, project: Path) -> None:
    as_json = (await run("log", "show", "1", "--format", "json")).json
    assert list(as_json) == [*KEYS, "payload_size"]
    shown = await run("log", "show", "1")
    assert ["hash", as_json["hash"]] in shown.rows
    assert ["command", as_json["correlation"]] in shown.rows
    assert f"by           {as_json['actor']['user']}@{as_json['actor']['host']}, process " in shown.out
    assert '  "name": "iris",' in shown.out.replace("    ", "  ")
    assert "payload" not in shown.out


async def test_show_says_how_large_the_payload_is(run: Datmo, project: Path) -> None:
    await run("task", "run", "echo hi")
    (position,) = await positions(run, "--type", "task.output")
    assert ["payload", "8", "B"] in (await run("log", "show", str(position))).rows  # a frame of 5 + 3 bytes
    assert (await run("log", "show", str(position), "--format", "json")).json["payload_size"] == 8


async def test_show_beyond_the_end(run: Datmo, project: Path) -> None:
    done = await run("log", "show", "99")
    assert done.code == 1
    assert done.err.splitlines() == ["error: there is no event at position 99", "hint: the log has positions 1 to 3"]
    assert (await run("log", "show", "9" * 30)).code == 1


async def test_verify(run: Datmo, project: Path) -> None:
    last = (await run("log", "show", "3", "--format", "json")).json
    done = await run("log", "verify")
    assert done.code == 0
    assert done.out == f"3 events, chain and 0 payloads verified\nhead 3 {last['hash']}\n"
    as_json = (await run("log", "verify", "--format", "json")).json
    assert as_json == {
        "events": 3, "payloads": 0, "erased": 0, "position": 3, "hash": last["hash"], "problems": [], "ok": True,
    }  # fmt: skip


async def test_verify_names_the_position_of_an_edited_event(run: Datmo, project: Path) -> None:
    with closing(sqlite3.connect(project / ".datmo" / "log.db")) as connection, connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute('UPDATE event SET data = CAST(\'{"name":"edited"}\' AS BLOB) WHERE position = 2')
    done = await run("log", "verify")
    assert done.code == 1
    assert "\nposition 2: " in done.out
    error, hint = done.err.splitlines()
    assert error == "error: the log is not as it was written"
    assert hint.startswith("hint: a backup")
    assert (await run("log", "verify", "--quiet")).err == done.err
    as_json = await run("log", "verify", "--format", "json")
    assert (as_json.code, as_json.json["problems"][0]["position"]) == (1, 2)


async def test_replay_compares_with_the_live_views(run: Datmo, project: Path) -> None:
    done = await run("log", "replay")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("views rebuilt from 3 events in ")
    assert done.out.endswith(", equal to the live ones\n")
    assert (await run("log", "replay", "--format", "json")).json["same"] is True


async def test_replay_names_the_views_that_differ(run: Datmo, project: Path) -> None:
    with closing(sqlite3.connect(project / ".datmo" / "log.db")) as connection, connection:
        connection.execute("UPDATE session SET name = 'edited'")
    done = await run("log", "replay")
    assert done.code == 1
    assert done.out.endswith("these differ from the live ones: session\n")


async def test_replay_to_a_position_or_a_time_shows_the_project_as_it_was(run: Datmo, project: Path) -> None:
    await run("snapshot", "create", "-m", "before")
    head = (await positions(run))[0]
    moment = (await run("log", "show", str(head), "--format", "json")).json["recorded_at"]
    await run("session", "create", "later")
    await run("snapshot", "create", "-m", "after")
    for to in (str(head), moment):
        then = (await run("log", "replay", "--to", to, "--format", "json")).json
        assert list(then) == ["position", "name", "sessions", "snapshots", "tasks"]
        assert then["position"] == head
        assert [each["message"] for each in then["snapshots"]] == ["before"]
        assert [each["name"] for each in then["sessions"]] == ["default"]
    shown = (await run("log", "replay", "--to", str(head))).out
    assert shown.startswith(f"iris, as of position {head}\n\nsessions\n")
    assert "before" in shown
    assert "after" not in shown


async def test_replay_to_a_time_before_the_project(run: Datmo, project: Path) -> None:
    assert await run("log", "replay", "--to", "2000-01-01") == (0, "no project yet, as of position 0\n", "")
