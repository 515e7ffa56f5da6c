"""Where the config and the stats of a snapshot come from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from datmo.errors import InvalidArgument

pytestmark = pytest.mark.anyio


async def test_config_and_stats_are_looked_up_in_the_root(project: Any, home: Path) -> None:
    (home / "config.json").write_text('{"lr": 0.1}')
    (home / "stats.json").write_text('{"accuracy": NaN, "steps": 10}')
    made = await project.snapshots.create("x")
    assert made.config == {"lr": 0.1}
    assert made.stats["steps"] == 10
    assert math.isnan(made.stats["accuracy"])
    inspected = await project.snapshots.inspect(made.id)
    assert (inspected["config_path"], inspected["stats_path"]) == ("config.json", "stats.json")


async def test_given_values_go_before_files(project: Any, home: Path) -> None:
    (home / "config.json").write_text('{"lr": 0.1}')
    made = await project.snapshots.create("x", config={"lr": 0.2})
    none = await project.snapshots.create("y", config={})
    assert (made.config, none.config) == ({"lr": 0.2}, {})


async def test_the_given_files_are_looked_through_after_the_root(project: Any, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "stats.json").write_text('{"from": "a folder"}')
    (tmp_path / "config.json").write_text('{"from": "a file"}')
    given = [folder, tmp_path / "config.json"]
    made = await project.snapshots.create("x", filepaths=given)
    assert (made.config, made.stats) == ({"from": "a file"}, {"from": "a folder"})
    (home / "stats.json").write_text('{"from": "the root"}')
    assert (await project.snapshots.create("y", filepaths=given)).stats == {"from": "the root"}


async def test_a_neighbour_of_a_given_file_is_not_looked_at(project: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"nobody": "gave it"}')
    (tmp_path / "model.bin").write_text("m")
    assert (await project.snapshots.create("x", filepaths=[tmp_path / "model.bin"])).config == {}


async def test_another_filename_can_be_given_and_an_unknown_one_gives_nothing(project: Any, home: Path) -> None:
    (home / "config.json").write_text('{"not": "this"}')
    (home / "settings.json").write_text('{"but": "this"}')
    made = await project.snapshots.create("x", config_filename="settings.json", stats_filename="nowhere.json")
    assert (made.config, made.stats) == ({"but": "this"}, {})


async def test_a_filepath_must_be_there(
    project: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "values.json").write_text('{"a": 1}')
    made = await project.snapshots.create("x", config_filepath=tmp_path / "values.json")
    monkeypatch.chdir(tmp_path)
    relative = await project.snapshots.create("y", stats_filepath="values.json")
    assert (made.config, relative.stats) == ({"a": 1}, {"a": 1})
    for option in ("config_filepath", "stats_filepath"):
        with pytest.raises(InvalidArgument, match=r"no file .*nowhere\.json"):
            await project.snapshots.create("z", **{option: "nowhere.json"})


@pytest.mark.parametrize(
    "text", ["{", "[1]", "3", "[" * 100_000, "\xff"], ids=["torn", "list", "number", "deep", "bytes"]
)
async def test_a_file_that_is_no_json_object_is_said(project: Any, home: Path, text: str) -> None:
    (home / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidArgument, match=r"config\.json"):
        await project.snapshots.create("x")
    assert await project.snapshots.ls() == []
