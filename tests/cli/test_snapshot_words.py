"""`datmo snapshot update | delete | undelete`, and values given inline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio


async def test_inline_values_have_types(run: Datmo, project: Path) -> None:
    pairs = ["lr:0.1", "n:3", "flag:true", "none:null", "name:adam", "layers:[64, 32]", "url:http://x", 'text:"0.1"']
    given = [word for pair in pairs for word in ("--config", pair)]
    made = (await run("snapshot", "create", "-m", "x", *given, "--stats", "f1:NaN", "--stats", "on:True")).id
    found = (await run("snapshot", "inspect", made, "--format", "json")).json
    assert found["config"] == {
        "lr": 0.1, "n": 3, "flag": True, "none": None, "name": "adam", "layers": [64, 32], "url": "http://x",
        "text": "0.1",
    }  # fmt: skip
    assert found["stats"]["on"] is True


@pytest.mark.parametrize("pair", ["lr", ":0.1", " :1"])
async def test_what_is_no_pair_is_refused_by_name(run: Datmo, project: Path, pair: str) -> None:
    done = await run("snapshot", "create", "-m", "x", "--config", pair)
    assert done.code != 0
    assert repr(pair) in done.err.splitlines()[0]
    assert (await run("snapshot", "ls", "--format", "json")).json == []


@pytest.mark.parametrize("other", ["--config-filename", "--config-filepath"])
async def test_inline_values_and_a_file_exclude_one_another(run: Datmo, project: Path, other: str) -> None:
    done = await run("snapshot", "create", "-m", "x", "--config", "lr:1", other, "config.json")
    assert (done.code, "exclude one another" in done.err) == (2, True)


async def test_update_says_what_it_did(run: Datmo, project: Path) -> None:
    made = (await run("snapshot", "create", "-m", "first")).id
    done = await run("snapshot", "update", made[:6], "-m", "second", "--label", "best", "--stats", "f1:0.5")
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines()[0] == f"changed snapshot {made[:4]}: second"
    found: dict[str, Any] = (await run("snapshot", "inspect", "best", "--format", "json")).json
    assert (found["message"], found["stats"]) == ("second", {"f1": 0.5})
    assert (await run("snapshot", "update", "best", "-m", "second")).err == f"snapshot {made[:4]} is so already\n"
    nothing = await run("snapshot", "update", "best")
    assert (nothing.code, "say what shall change" in nothing.err) == (2, True)


@pytest.mark.parametrize("words", [[], ["--id"]])
async def test_delete_and_undelete(run: Datmo, project: Path, words: list[str]) -> None:
    made = (await run("snapshot", "create", "-m", "first")).id
    deleted = await run("snapshot", "delete", *words, made[:6])
    assert deleted.err.splitlines()[0] == f"deleted snapshot {made[:4]}: first"
    assert (await run("snapshot", "ls", "--format", "json")).json == []
    assert [each["id"] for each in (await run("snapshot", "ls", "--deleted", "--format", "json")).json] == [made]
    assert (await run("snapshot", "delete", made)).code == 1
    assert (await run("snapshot", "undelete", made)).code == 0
    assert [each["id"] for each in (await run("snapshot", "ls", "--format", "json")).json] == [made]
    assert (await run("snapshot", "delete")).code == 2
