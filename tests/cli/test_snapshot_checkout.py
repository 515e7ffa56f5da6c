"""`datmo snapshot checkout`, as people see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio


@pytest.fixture
async def first(run: Datmo, project: Path) -> str:
    """A snapshot, after which the code was changed."""
    made = (await run("snapshot", "create", "-m", "first", "--label", "best", "--config", "lr:0.1")).id
    (project / "train.py").write_text("print(2)\n")
    return made


async def test_what_was_done_is_said(run: Datmo, project: Path, first: str) -> None:
    done = await run("snapshot", "checkout", "best")
    assert done.id == first
    kept = (await run("snapshot", "ls", "--format", "json", "--limit", "1")).json[0]["id"]
    assert done.err.splitlines() == [
        f"checked out snapshot {first[:4]}: first, 1 file written",
        f"unsaved work is kept as snapshot {kept[:4]}",
        f"what has no place in the folder lies in {project / '.datmo' / 'checkout' / first}",
        "hint: `datmo snapshot checkout -` goes back",
    ]
    assert (project / "train.py").read_text() == "print('accuracy: 0.9')\n"
    assert f"* {kept[:4]}" not in (await run("snapshot", "ls")).out
    back = await run("snapshot", "checkout", "-")
    assert back.id == kept
    assert (project / "train.py").read_text() == "print(2)\n"
    assert "as the folder is already" in (await run("snapshot", "checkout", "--id", kept)).err


async def test_in_git_the_edits_are_explained(run: Datmo, project: Path, first: str) -> None:
    from tests.api.conftest import run_git

    run_git(project, "init", "-q")
    done = await run("snapshot", "checkout", first)
    assert "branch, index and HEAD are as they were: git shows as edits what differs from them" in done.err
    run_git(project, "add", ".")
    assert "on branch again" in (await run("snapshot", "checkout", first, "--branch", "again")).err


async def test_unsaved_work_is_refused_where_that_is_asked_for(run: Datmo, project: Path, first: str) -> None:
    done = await run("snapshot", "checkout", first, "--no-save")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: the tree holds work that is in no snapshot: nothing was changed\nhint:")


async def test_another_folder(run: Datmo, project: Path, first: str) -> None:
    done = await run("snapshot", "checkout", first, "--to", "../copy")
    assert done.err.startswith(f"wrote snapshot {first[:4]}: first, to ../copy\n")
    assert (project.parent / "copy" / "train.py").read_text() == "print('accuracy: 0.9')\n"


@pytest.mark.parametrize(
    "wrong", [[], ["a", "--id", "a"], ["a", "--to", "x", "--branch", "y"]], ids=["none", "twice", "both"]
)
async def test_wrong_usage(run: Datmo, project: Path, wrong: list[str]) -> None:
    assert (await run("snapshot", "checkout", *wrong)).code == 2
