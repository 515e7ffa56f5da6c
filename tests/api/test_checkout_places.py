"""Checking out where git is not the plain case: below a larger repository, linked, unborn, or come later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datmo.errors import Refused
from tests.api.conftest import Said, run_git
from tests.api.face import AsyncFace
from tests.api.trees import git_state, listed

pytestmark = pytest.mark.anyio

Open = Any


@pytest.fixture
def face() -> AsyncFace:
    """One face is enough: the places are below it."""
    return AsyncFace()


async def scrambled_and_back(project: Any, home: Path, git: Path) -> str:
    """Snapshot, change, check out, go back; returns the snapshot's id."""
    (home / "lib").mkdir()
    (home / "lib" / "a.py").write_text("a\n")
    first = await project.snapshots.create("first")
    tree = listed(home)
    (home / "lib" / "a.py").write_text("b\n")
    (home / "new.py").write_text("new\n")
    scrambled, before = listed(home), git_state(git)
    await project.snapshots.checkout(first.id)
    assert listed(home) == tree
    await project.snapshots.checkout("-")
    assert listed(home) == scrambled
    assert git_state(git) == before
    return str(first.id)


async def test_below_a_larger_repository_only_the_projects_folder_is_touched(face: AsyncFace, home: Path) -> None:
    inner = home / "deep" / "iris"
    inner.mkdir(parents=True)
    (inner / "x.py").write_text("x\n")
    run_git(home, "add", "-A")
    run_git(home, "commit", "-q", "-m", "inner")
    (home / "train.py").write_text("print('not of the project')\n")
    async with face.init(inner) as project:
        made = await scrambled_and_back(project, inner, home)
        assert (home / "train.py").read_text() == "print('not of the project')\n"
        await project.snapshots.checkout(made, branch="inner")
        assert run_git(home, "status", "--porcelain") == " M train.py"
        assert run_git(home, "ls-tree", "-r", "--name-only", "HEAD").split() == [
            "deep/iris/lib/a.py",
            "deep/iris/x.py",
            "train.py",
        ]


async def test_in_a_linked_work_tree_only_that_one_changes_its_branch(
    face: AsyncFace, home: Path, tmp_path: Path
) -> None:
    linked = tmp_path / "linked"
    run_git(home, "worktree", "add", "-q", "-b", "side", str(linked))
    before = git_state(home)["head"]
    async with face.init(linked) as project:
        (linked / "train.py").write_text("print(2)\n")
        first = await project.snapshots.create("first")
        (linked / "train.py").write_text("print(3)\n")
        await project.snapshots.checkout(first.id, branch="from-first")
        assert (linked / "train.py").read_text() == "print(2)\n"
        assert run_git(linked, "symbolic-ref", "--short", "HEAD") == "from-first"
        assert run_git(linked, "status", "--porcelain") == ""
        assert git_state(home)["head"] == before
        merging = Path(run_git(linked, "rev-parse", "--absolute-git-dir")) / "MERGE_HEAD"
        merging.write_text("")
        with pytest.raises(Refused, match="a merge is under way"):
            await project.snapshots.checkout("-")


async def test_in_a_repository_without_commits(face: AsyncFace, tmp_path: Path) -> None:
    home = tmp_path / "unborn"
    home.mkdir()
    run_git(home, "init", "-q", "-b", "main")
    (home / "x.py").write_text("x\n")
    run_git(home, "add", "x.py")
    async with face.init(home) as project:
        made = await scrambled_and_back(project, home, home)
        await project.snapshots.checkout(made, branch="begun")
        assert run_git(home, "log", "--format=%s") == "first"
        assert run_git(home, "status", "--porcelain") == ""


async def test_where_git_came_later_older_snapshots_come_back(face: AsyncFace, tmp_path: Path, said: Said) -> None:
    home = tmp_path / "later"
    home.mkdir()
    (home / "x.py").write_text("x\n")
    async with face.init(home, notice=said.append) as project:
        first = await project.snapshots.create("before git")
        with pytest.raises(Refused, match="no git repository"):
            await project.snapshots.checkout(first.id, branch="none")
        tree = listed(home)
        run_git(home, "init", "-q", "-b", "main")
        (home / "x.py").write_text("y\n")
        run_git(home, "add", "-A")
        run_git(home, "commit", "-q", "-m", "with git")
        done = await project.snapshots.checkout(first.id)
        assert listed(home) == tree
        assert (done.saved is not None, done.in_git) == (True, True)
        await project.snapshots.checkout(first.id, branch="old")
        assert run_git(home, "show", "HEAD:x.py") == "x"
        assert run_git(home, "fsck", "--strict").strip() == ""


async def test_a_detached_head_stays_detached(face: AsyncFace, home: Path) -> None:
    run_git(home, "checkout", "-q", "--detach")
    async with face.init(home) as project:
        await scrambled_and_back(project, home, home)


async def test_tracked_files_that_datmoignore_leaves_out_stay(face: AsyncFace, home: Path) -> None:
    (home / "secret.txt").write_text("secret\n")
    run_git(home, "add", "-A")
    run_git(home, "commit", "-q", "-m", "secret")
    async with face.init(home) as project:
        committed = await project.snapshots.create("committed", commit_id="HEAD")
        (home / ".datmoignore").write_text("secret.txt\n")
        (home / "train.py").write_text("print(2)\n")
        left_out = await project.snapshots.create("left out")
        await project.snapshots.checkout(committed.id, save=False)
        assert (home / "secret.txt").read_text() == "secret\n"
        await project.snapshots.checkout(left_out.id)
        assert (home / "secret.txt").read_text() == "secret\n"


async def test_a_link_to_a_folder_comes_back_though_folders_of_its_name_are_ignored(
    face: AsyncFace, home: Path, tmp_path: Path
) -> None:
    big = tmp_path / "big"
    big.mkdir()
    (big / "train.csv").write_text("1\n")
    (home / ".gitignore").write_text("data/\n")
    (home / "data").symlink_to(big)
    async with face.init(home) as project:
        made = await project.snapshots.create("with its link")
        (home / "data").unlink()
        await project.snapshots.checkout(made.id)
        assert (home / "data").readlink() == big
        await project.snapshots.checkout("-")
        assert not (home / "data").exists()
        (home / "data").mkdir()
        (home / "data" / "own.csv").write_text("2\n")  # now it is a folder, and ignored
        with pytest.raises(Refused):
            await project.snapshots.checkout(made.id)
        assert (home / "data" / "own.csv").read_text() == "2\n"
