"""Configuration and metrics in JSON, YAML and TOML files."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from datmo.errors import DatmoError, InvalidArgument
from tests.api.conftest import Said

pytestmark = pytest.mark.anyio

JSON = '{"lr": 0.001, "layers": [64, 32], "optimizer": {"name": "adam", "on": "yes"}, "worst": NaN}'
YAML = """
lr: 1e-3  # a number, as YAML 1.2 has it
layers: [64, 32]
optimizer: &shared {name: adam, on: yes}
worst: .nan
"""
TOML = """
lr = 1e-3
layers = [64, 32]
worst = nan
[optimizer]
name = "adam"
on = "yes"
"""


@pytest.mark.parametrize(
    ("name", "text"), [("c.json", JSON), ("c.yaml", YAML), ("c.YML", YAML), ("c.toml", TOML), ("c.cfg", JSON)]
)
async def test_all_formats_say_the_same(project: Any, home: Path, name: str, text: str) -> None:
    (home / name).write_text(text)
    by_path = await project.snapshots.create("x", config_filepath=home / name, stats_filename=name)
    for found in (by_path.config, by_path.stats):
        assert math.isnan(found["worst"])
        rest = {key: value for key, value in found.items() if key != "worst"}
        assert rest == {"lr": 0.001, "layers": [64, 32], "optimizer": {"name": "adam", "on": "yes"}}
    assert (await project.snapshots.inspect(by_path.id))["config_path"] == name


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("c.yaml", "day: 2026-01-31", {"day": "2026-01-31"}),
        ("c.yaml", "at: 2026-01-31T10:00:00Z", {"at": "2026-01-31T10:00:00+00:00"}),
        ("c.toml", "at = 2026-01-31T10:00:00+01:00\nday = 2026-01-31\nclock = 10:30:00",
         {"at": "2026-01-31T10:00:00+01:00", "day": "2026-01-31", "clock": "10:30:00"}),
        ("c.yaml", "1: x\nnull: y\nfalse: z\n0.5: w", {"1": "x", "null": "y", "false": "z", "0.5": "w"}),
        ("c.yaml", "a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("c.yaml", "", {}),
        ("c.toml", "", {}),
    ],
)  # fmt: skip
async def test_what_json_cannot_say_becomes_what_it_would_have_to_say(
    project: Any, home: Path, name: str, text: str, value: dict[str, Any]
) -> None:
    (home / name).write_text(text)
    assert (await project.snapshots.create("x", config_filename=name)).config == value


BOMB = "x0: &x0 [1]\n" + "".join(f"x{n + 1}: &x{n + 1} [{', '.join([f'*x{n}'] * 9)}]\n" for n in range(8))


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("c.yaml", "- 1", "no mapping of names to values"),
        ("c.yaml", "a: [1", "cannot be read"),
        ("c.yaml", "a: 1\na: 2", "duplicate key"),
        ("c.yaml", "a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("c.yaml", "a: &x [*x]", "nested more than"),
        ("c.yaml", BOMB, "more than 100000 values"),
        ("c.yaml", "a: 1\n---\nb: 2", "another document"),
        ("c.yaml", "a: !!binary aGk=", "of the kind bytes"),
        ("c.yaml", "? [1, 2]\n: x", "which is no name"),
        ("c.toml", "a = ", "cannot be read"),
        ("c.json", "[1]", "no JSON object"),
        ("c.yaml", "\udcff: 1", "cannot be read"),
        ("c.toml", "a = '\udcff'", "cannot be read"),
    ],
)
async def test_what_cannot_be_read_is_refused_before_anything_is_written(
    project: Any, home: Path, name: str, text: str, problem: str
) -> None:
    (home / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidArgument, match=problem):
        await project.snapshots.create("x", config_filepath=home / name)
    assert await project.snapshots.ls() == []


async def test_json_goes_before_yaml_and_that_before_toml(project: Any, home: Path, said: Said) -> None:
    found = []
    texts = {"toml": 'from = "toml"', "yml": "from: yml", "yaml": "from: yaml", "json": '{"from": "json"}'}
    for ending, text in texts.items():
        said.clear()
        (home / f"config.{ending}").write_text(text)
        found.append((await project.snapshots.create(ending)).config["from"])
    assert found == ["toml", "yml", "yaml", "json"]
    for ending in ("yaml", "yml", "toml"):
        assert f"config.json is the config; config.{ending} is there as well, and was not read" in said


async def test_without_the_package_yaml_is_an_error_that_names_the_extra(
    project: Any, home: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ruamel.yaml", None)
    (home / "config.yaml").write_text("lr: 1")
    for named in ({"config_filepath": home / "config.yaml"}, {"config_filename": "config.yaml"}):
        with pytest.raises(DatmoError, match="without the package") as caught:
            await project.snapshots.create("x", **named)
        assert caught.value.hint == "pip install 'datmo[yaml]'"
    # One that is there by chance does not keep a snapshot from being made.
    assert (await project.snapshots.create("x")).config == {}
    assert "config.yaml was not read as the config" in said.text
