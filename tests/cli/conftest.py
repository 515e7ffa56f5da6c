"""The command line, run in the test's own loop where that will do, and as a real program where it will not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from blockbuster import BlockBuster

import datmo
from datmo.cli.edge import execute

SOURCES = str(Path(datmo.__file__).parent.parent)
PROGRAM = [sys.executable, "-m", "datmo"]


class Done(NamedTuple):
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)

    @property
    def id(self) -> str:
        """What a command printed that makes something: its id and nothing else."""
        assert self.code == 0, self.err
        return self.out.strip()

    @property
    def rows(self) -> list[list[str]]:
        """The words of each row of a table; the first are the headings."""
        return [line.split() for line in self.out.splitlines()]


Datmo = Callable[..., Awaitable[Done]]


def environment(**more: str) -> dict[str, str]:
    """The environment of a real program: as users have it, so that what was compiled once is used again."""
    unwanted = {"COLUMNS", "NO_COLOR", "DATMO_DEBUG", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    plain = {name: value for name, value in os.environ.items() if name not in unwanted}
    return plain | {"PYTHONPATH": SOURCES, "TERM": "xterm"} | more


def program(*arguments: str, cwd: Path, **more: str) -> Done:
    """Run the real program to its end, with nobody at a terminal."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> Iterator[None]:
    """As everywhere; but reading the command line may look for its translations, before anything else runs."""
    detector = BlockBuster(scanned_modules="datmo")
    detector.functions["os.stat"].can_block_in("gettext.py", {"find"})
    detector.activate()
    try:
        yield
    finally:
        detector.deactivate()


@pytest.fixture
def anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is no project, and the working folder."""
    folder = tmp_path / "iris"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("COLUMNS", "NO_COLOR", "DATMO_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def run(anywhere: Path, capsys: pytest.CaptureFixture[str]) -> Datmo:
    """Runs a command line in this process."""

    async def run(*arguments: str) -> Done:
        code = await execute(arguments)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


@pytest.fixture
async def project(anywhere: Path, run: Datmo) -> Path:
    """A project with one file, in the working folder."""
    (anywhere / "train.py").write_text("print('accuracy: 0.9')\n")
    assert (await run("init", "--name", "iris")).id
    return anywhere
