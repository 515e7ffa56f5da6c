"""`datmo environment`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio


async def test_ls_says_which_is_in_use_and_why(run: Datmo, project: Path) -> None:
    done = await run("environment", "ls")
    assert (done.code, done.out) == (0, "")
    said = done.err.splitlines()
    assert said[0].startswith("in use: ")
    assert ", not recorded yet: the project has no definition" in said[0]
    assert said[1] == "a task runs in a process: the environment needs no container"
    assert said[2] == "hint: `datmo environment setup` proposes a definition"
    (project / "requirements.txt").write_text("six==1.16.0\n")
    made = (await run("environment", "create", "--no-build")).id
    rows = (await run("environment", "ls")).rows
    assert rows[0] == ["id", "kind", "definition", "packages", "built", "created"]
    assert rows[1][:6] == ["*", made[:7], "requirements", "requirements.txt", "?", "no"]
    (found,) = (await run("environment", "ls", "--format", "json")).json
    assert (found["id"], found["current"], found["kind"]) == (made, True, "requirements")


async def test_a_definition_that_cannot_be_used_is_said_and_the_rest_is_listed(run: Datmo, project: Path) -> None:
    made = (await run("environment", "create")).id
    (project / "pyproject.toml").write_text("[project\n")
    done = await run("environment", "ls")
    assert (done.code, done.rows[1][0]) == (0, made[:7])
    assert done.err.startswith("in use: none, as ")


async def test_setup_shows_a_proposal_and_writes_it_where_it_is_told_to(run: Datmo, project: Path) -> None:
    (project / "train.py").write_text("import anyio\n")
    done = await run("environment", "setup")
    assert done.out.startswith("anyio==")
    assert done.err.splitlines()[-1].startswith("hint: `datmo environment setup --write` writes it")
    assert not (project / "requirements.txt").exists()
    written = await run("environment", "setup", "--write")
    assert (project / "requirements.txt").read_text() == written.out == done.out
    assert (await run("environment", "setup")).code == 1
    assert (await run("environment", "setup", "--dockerfile")).out.startswith("FROM python:3.")


async def test_inspect_diff_delete(run: Datmo, project: Path) -> None:
    ids = []
    for version in ("1.16.0", "1.15.0"):
        (project / "requirements.txt").write_text(f"six=={version}\n")
        ids.append((await run("environment", "create", "--no-build")).id)
    rows = (await run("environment", "inspect", ids[0][:8])).rows
    assert ["environment", ids[0]] in rows
    assert ["packages", "not", "known"] in rows
    assert (await run("environment", "inspect", ids[0], "--format", "json")).json["definition"] == "requirements.txt"
    page = (await run("environment", "diff", *ids)).out
    assert "definition" in page
    assert "+six==1.15.0" in page
    document = (await run("environment", "diff", *ids, "--format", "json")).json
    assert (document["same"], document["packages"]) == (False, [])
    assert (await run("environment", "diff", ids[0], ids[0])).err == "nothing differs\n"
    done = await run("environment", "delete", ids[0][:8])
    assert done == (0, "", f"deleted environment {ids[0][:7]}: requirements.txt\n")
    assert (await run("environment", "inspect", ids[0])).code == 1


async def test_where_no_engine_answers_the_exit_code_is_4(
    run: Datmo, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    (project / "Dockerfile").write_text("FROM scratch\n")
    done = await run("environment", "create")
    assert (done.code, done.out) == (4, "")
    assert done.err.splitlines()[-2].startswith("error: no Docker engine answers")
