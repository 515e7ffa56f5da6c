"""The package as a whole: what it names, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import datmo

HEAVY = {
    "aiodocker",
    "aiosqlite",
    "anyio",
    "asyncclick",
    "asyncio",
    "importlib.metadata",
    "pygit2",
    "rich",
    "sqlite3",
}


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_datmo_loads_nothing_of_it() -> None:
    loaded = loaded_by("import datmo")
    assert {name for name in loaded if name.startswith("datmo.")} == set()
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("module", ["datmo.errors", "datmo.core.frames"])
def test_the_inner_rooms_are_cheap_to_import(module: str) -> None:
    assert loaded_by(f"import {module}") & HEAVY == set()


def test_the_version_is_written_in_the_package() -> None:
    assert datmo.__version__ == "0.1.0"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        datmo.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(datmo.__file__).parent / "py.typed").exists()
