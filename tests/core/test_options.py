"""Options of a task: what their values mean, which are refused, and that no secret is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datmo.core.options import Limits, TaskOptions, looks_secret
from datmo.errors import InvalidArgument


def limits(**options: Any) -> Limits:
    return Limits.of(TaskOptions(**options))


def test_nothing_given_is_nothing_recorded() -> None:
    assert Limits.of(None).recorded() == {}
    assert Limits.of(None) == limits()


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["iris.csv"], {"iris.csv": "iris.csv"}),
        (["/data/iris/"], {"iris": "/data/iris/"}),
        (["../x>flowers"], {"flowers": "../x"}),
        (["a>b>c"], {"c": "a>b"}),
        ([Path("a>b")], {"a>b": "a>b"}),
        ({"flowers": Path("x")}, {"flowers": "x"}),
        ((), {}),
    ],
)
def test_data_is_a_path_and_a_name(given: Any, found: dict[str, str]) -> None:
    assert limits(data=given).data == found


@pytest.mark.parametrize(
    ("option", "given", "attribute", "found"),
    [
        ("mem_limit", "512m", "memory", 512 << 20),
        ("mem_limit", "1.5 GiB", "memory", 3 << 29),
        ("mem_limit", 1 << 30, "memory", 1 << 30),
        ("cpus", 2, "cpus", 2.0),
        ("gpus", 2, "gpus", "2"),
        ("gpus", "device=0,GPU-1", "gpus", "device=0,GPU-1"),
        ("gpus", "all", "gpus", "all"),
        ("timeout", "1.5h", "timeout", 5400.0),
        ("timeout", 90, "timeout", 90.0),
        ("timeout", "90s", "timeout", 90.0),
        ("workdir", "sub/./deeper/", "workdir", "sub/deeper"),
        ("workdir", ".", "workdir", ""),
        ("workdir", "/code/", "code_at", "/code"),
        ("network", "none", "network", "none"),
    ],
)
def test_what_a_value_means(option: str, given: Any, attribute: str, found: Any) -> None:
    assert getattr(limits(**{option: given}), attribute) == found


@pytest.mark.parametrize(
    "options",
    [
        {"data": "iris.csv"},
        {"data": ["x>a", "y>a"]},
        {"data": ["x>.."]},
        {"data": {"a/b": "x"}},
        {"data": [3]},
        {"gpus": 0},
        {"gpus": True},
        {"gpus": "device="},
        {"gpus": "some"},
        {"mem_limit": "much"},
        {"mem_limit": 1000},
        {"cpus": 0},
        {"cpus": float("nan")},
        {"variables": {"1X": "y"}},
        {"variables": {"X": 1}},
        {"variables": {"DATMO_TASK_ID": "x"}},
        {"variables": [("X", "y")]},
        {"network": ""},
        {"network": "a b"},
        {"user": "nobody"},
        {"workdir": "../elsewhere"},
        {"workdir": "/"},
        {"workdir": "/data/x"},
        {"workdir": ""},
        {"timeout": 0},
        {"timeout": "soon"},
    ],
    ids=repr,
)
def test_what_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        limits(**options)


@pytest.mark.parametrize("name", ["API_KEY", "hf_token", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "GCP_CREDENTIALS"])
def test_secrets_go_by_their_names(name: str) -> None:
    found = limits(variables={name: "hush", "LR": "0.1"})
    assert found.recorded()["variables"] == {name: None, "LR": "0.1"}
    assert found.variables[name] == "hush"


def test_a_password_in_an_address_is_a_secret() -> None:
    assert looks_secret("DATABASE_URL", "postgres://ada:hush@host/db")
    assert not looks_secret("DATABASE_URL", "postgres://host/db")
    assert not looks_secret("PATTERN", "x")


@given(st.integers(min_value=6 << 20, max_value=1 << 50))
def test_bytes_mean_themselves_as_number_and_as_text(size: int) -> None:
    assert limits(mem_limit=size).memory == limits(mem_limit=str(size)).memory == size
