"""`datmo session`."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Datmo

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("project")]


async def current(run: Datmo) -> str:
    (name,) = [each["name"] for each in (await run("session", "ls", "--format", "json")).json if each["current"]]
    return str(name)


@pytest.mark.parametrize("given", [["sweeps"], ["--name", "sweeps"], ["-m", "sweeps"], ["sweeps", "--current"]])
async def test_create_makes_the_new_session_the_current_one(run: Datmo, given: list[str]) -> None:
    done = await run("session", "create", *given)
    assert len(done.id) == 16
    assert done.err.splitlines() == [
        "created session sweeps, which is now the current one",
        "hint: `datmo session select default` goes back",
    ]
    assert await current(run) == "sweeps"


async def test_create_leaves_the_current_one_as_it_is_where_it_is_told_to(run: Datmo) -> None:
    done = await run("session", "create", "sweeps", "--no-current")
    assert done.err.splitlines() == [
        "created session sweeps",
        "hint: `datmo session select sweeps` makes it the current one",
    ]
    assert await current(run) == "default"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ([], "give the session's name: as NAME or as --name NAME"),
        (["a", "--name", "b"], "give the name once: as NAME or as --name NAME"),
    ],
)
@pytest.mark.parametrize("verb", ["create", "select", "delete"])
async def test_a_name_is_given_once(run: Datmo, verb: str, given: list[str], error: str) -> None:
    done = await run("session", verb, *given)
    assert (done.code, done.err.splitlines()[0]) == (2, f"error: {error}")


async def test_a_taken_or_empty_name_is_refused(run: Datmo) -> None:
    assert (await run("session", "create", "default")).code == 1
    assert (await run("session", "create", "")).code == 2


@pytest.mark.parametrize("given", [["default"], ["--name", "default"]])
async def test_select(run: Datmo, given: list[str]) -> None:
    await run("session", "create", "sweeps")
    done = await run("session", "select", *given)
    assert done == (0, "", "the current session is default\n")
    assert await current(run) == "default"


@pytest.mark.parametrize("given", [["sweeps"], ["--name", "sweeps"]])
async def test_delete_says_which_is_current_then(run: Datmo, given: list[str]) -> None:
    await run("session", "create", "sweeps")
    said = ["deleted session sweeps; the current one is default"]
    said.append("hint: `datmo session undelete sweeps` brings it back, with what is in it")
    assert await run("session", "delete", *given) == (0, "", "".join(f"{line}\n" for line in said))
    assert await run("session", "undelete", *given) == (0, "", "restored session sweeps\n")


async def test_the_default_session_stays(run: Datmo) -> None:
    done = await run("session", "delete", "default")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: ")


async def test_ls_marks_the_current_one(run: Datmo) -> None:
    made = (await run("session", "create", "sweeps")).id
    rows = (await run("session", "ls")).rows
    assert rows[0] == ["id", "name", "tasks", "snapshots", "created"]
    assert rows[1][1:4] == ["default", "0", "0"]
    assert rows[2][:5] == ["*", made[:4], "sweeps", "0", "0"]


async def test_ls_as_json(run: Datmo) -> None:
    (found,) = (await run("session", "ls", "--format", "json")).json
    assert list(found) == ["id", "model_id", "name", "current", "tasks", "snapshots", "created_at"]
    assert found["created_at"].endswith("Z")
