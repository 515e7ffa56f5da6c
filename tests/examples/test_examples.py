"""The examples: in each folder a README says what it shows, the one command, and what comes of it; that is run.

A README's first block of code is the command; the second has lines of its output, in their order, `…` for anything.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import datmo.project
from _fitted import fitted
from tests.cli.conftest import PROGRAM, environment

EXAMPLES = Path(__file__).parents[2] / "examples"
BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SEED = {
    "cli/snapshot_create_iris_sklearn",
    "python/snapshot_create_iris_sklearn",
    "notebook/snapshot_create_iris_sklearn",
    "python/task_run_iris_sklearn_basic",
    "python/task_run_iris_sklearn_compare",
}
"""The flows of the seed's documentation, by their names."""


def name_of(folder: Path) -> str:
    return folder.relative_to(EXAMPLES).as_posix()


FOLDERS = sorted({path.parent for path in EXAMPLES.rglob("*") if path.is_file()} - {EXAMPLES})
"""Every folder that has a file in it: each is an example."""


def test_every_example_is_listed_and_the_seeds_are_among_them() -> None:
    names = [name_of(folder) for folder in FOLDERS]
    assert sorted(re.findall(r"^\| \[([^\]]+)\]", (EXAMPLES / "README.md").read_text(), re.MULTILINE)) == names
    assert set(names) >= SEED


@pytest.mark.parametrize("example", FOLDERS, ids=name_of)
def test_a_page_says_what_an_example_shows_the_one_command_and_what_comes_of_it(example: Path) -> None:
    page = (example / "README.md").read_text("utf-8")
    title, about, *_ = page.split("\n\n")
    assert title.startswith("# ")
    assert len(about.split()) > 10
    command, expected = BLOCK.findall(page)
    assert len(command.splitlines()) == 1
    assert any(line != "…" for line in expected.splitlines())


@pytest.fixture
def binaries(tmp_path: Path) -> Path:
    """The folder of the programs that an example's user has."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, command in {"datmo": PROGRAM, "python": [sys.executable]}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def tried() -> Iterator[list[Path]]:
    """Where examples have run: removed together at the end, so that what their images share is built once."""
    folders: list[Path] = []
    yield folders
    for folder in folders:
        if (folder / ".datmo").exists():
            datmo.project.cleanup(folder)


@pytest.mark.timeout(900)  # one trains 32 times, in containers
@pytest.mark.parametrize("example", FOLDERS, ids=name_of)
def test_an_example_gives_what_its_page_says(
    example: Path, binaries: Path, tmp_path: Path, tried: list[Path], request: pytest.FixtureRequest
) -> None:
    folder = shutil.copytree(example, tmp_path / example.name)
    tried.append(folder)
    dockerfile = folder / "Dockerfile"
    if dockerfile.exists():
        request.getfixturevalue("base_image")
        dockerfile.write_text(fitted(dockerfile.read_text(), folder))
    command, expected = BLOCK.findall((folder / "README.md").read_text("utf-8"))
    variables = environment(COLUMNS="200", HOME=str(tmp_path))
    variables["PATH"] = f"{binaries}:{variables['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=variables, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    shown = iter(done.stdout.decode().splitlines())
    for line in expected.splitlines():
        assert line == "…" or any(matches(line, each) for each in shown), (line, done.stdout.decode())


def matches(line: str, shown: str) -> bool:
    """Say whether a line is shown, however wide its columns are; `…` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in " ".join(line.split()).split("…"))
    return re.fullmatch(pattern, " ".join(shown.split())) is not None
