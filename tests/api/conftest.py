"""Projects in real git repositories, and both faces."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api.face import AsyncFace, Face, SyncFace

Git = Callable[..., str]


@pytest.fixture(params=[AsyncFace, SyncFace], ids=lambda face: face.name)
def face(request: pytest.FixtureRequest) -> Face:
    """The API that a test speaks to: each test runs with both."""
    found: Face = request.param()
    return found


@pytest.fixture(autouse=True)
def home_of_the_user(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests out of the home of whoever runs them, their git settings above all."""
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ada@example.org")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a git repository, one commit in it, and no project yet."""
    folder = tmp_path / "iris"
    folder.mkdir()
    run_git(folder, "init", "-q", "-b", "main")
    (folder / "train.py").write_text("print('accuracy: 0.9')\n")
    run_git(folder, "add", "train.py")
    run_git(folder, "commit", "-q", "-m", "first")
    return folder


@pytest.fixture
def git(home: Path) -> Git:
    """Git in the project's folder."""
    return lambda *arguments: run_git(home, *arguments)


def run_git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "maintenance.auto=false", *arguments],  # a newer git goes on with it when the command has ended
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
    )
    return done.stdout.rstrip("\n")


class Said(list[str]):
    """The lines that the user was told."""

    @property
    def text(self) -> str:
        return "\n".join(self)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
async def project(face: Face, home: Path, said: Said) -> AsyncIterator[Any]:
    """An open project; what it tells the user is in `said`."""
    async with face.init(home, name="iris", notice=said.append) as project:
        yield project
