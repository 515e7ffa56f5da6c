"""The user's repository before and after any command: index, HEAD, branches, stash and files are the same."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import datmo.aio
from tests.api.conftest import Git

pytestmark = pytest.mark.anyio


@pytest.fixture
def dirty(home: Path, git: Git) -> Path:
    """A repository in the middle of work: stash, staged, unstaged, untracked, ignored, removed, another branch."""
    (home / "stashed.py").write_text("stashed")
    git("stash", "push", "-q", "--include-untracked", "-m", "for later")
    git("branch", "other")
    for name in ("kept.py", "removed.py", "renamed.py"):
        (home / name).write_text(name)
    (home / ".gitignore").write_text("*.log\n")
    git("add", ".")
    git("commit", "-q", "-m", "second")
    git("tag", "-a", "v1", "-m", "tagged")
    (home / "staged.py").write_text("staged")
    (home / "train.py").write_text("print('staged: 1')\n")
    git("add", "staged.py", "train.py")
    git("mv", "renamed.py", "newname.py")
    git("rm", "-q", "--cached", "kept.py")
    (home / "train.py").write_text("print('accuracy: 0.9')\n# and not staged\n")
    (home / "removed.py").unlink()
    (home / "untracked").mkdir()
    (home / "untracked" / "data.bin").write_bytes(os.urandom(100))
    (home / "ignored.log").write_text("ignored")
    git("update-index", "--assume-unchanged", ".gitignore")
    return home


def state(home: Path, git: Git) -> dict[str, Any]:
    """Everything of a repository that is the user's own."""
    found: dict[str, Any] = {
        "status": git("status", "--porcelain=v2", "--branch", "--ignored", "--", ".", ":!.datmo"),
        "refs": [line for line in git("for-each-ref").splitlines() if "refs/datmo/" not in line],
        "stash": git("stash", "list"),
        "reflog": git("reflog", "--all"),
        "staged": git("diff", "--cached"),
        "unstaged": git("diff"),
    }
    kept = {home / ".git" / "objects", home / ".git" / "refs" / "datmo", home / ".datmo"}
    for folder, folders, names in os.walk(home):
        folders[:] = [name for name in folders if Path(folder, name) not in kept]
        for name in names:
            path = Path(folder, name)
            status = path.lstat()
            if path == home / ".git" / "packed-refs":
                continue
            found[str(path)] = (path.read_bytes(), status.st_mode, status.st_mtime_ns, status.st_ino)
    return found


async def run_and_snapshot(project: datmo.aio.Project) -> None:
    task = await project.tasks.run("python train.py")
    await project.snapshots.create("of a task", task_id=task.id)


async def snapshot_and_look(project: datmo.aio.Project) -> None:
    made = await project.snapshots.create("x", label="best", filepaths=["untracked", "ignored.log"])
    await project.snapshots.inspect("best")
    await project.snapshots.ls(filter="x")
    await (await project.snapshots.get(made.id)).get_files("rb")


async def change_the_tree(project: datmo.aio.Project) -> None:
    script = "rm -r *; git init -q . 2>/dev/null; echo mine > train.py; git add -A 2>/dev/null; true"
    task = await project.tasks.run(["sh", "-c", script])
    assert task.status == "SUCCESS"


async def sessions(project: datmo.aio.Project) -> None:
    await project.sessions.create("sweep")
    await project.sessions.select("default")
    await project.sessions.delete("sweep")


async def look_at_the_log(project: datmo.aio.Project) -> None:
    await project.snapshots.create("x")
    assert (await project.log.verify()).ok
    await project.log.replay()
    await project.log.as_of(3)


COMMANDS: dict[str, Callable[[datmo.aio.Project], Awaitable[Any]]] = {
    "init again": lambda project: project.describe(name="other", description="words"),
    "status": lambda project: project.status(),
    "sessions": sessions,
    "task run": run_and_snapshot,
    "task run that fails": lambda project: project.tasks.run("no-such-program"),
    "task run that changes its tree": change_the_tree,
    "task ls": lambda project: project.tasks.ls(),
    "snapshot create": lambda project: project.snapshots.create("x"),
    "snapshot create of a commit": lambda project: project.snapshots.create("x", commit_id="other"),
    "snapshot create, ls, inspect": snapshot_and_look,
    "environment ls": lambda project: project.environments.ls(),
    "log": look_at_the_log,
    "cleanup plan": lambda project: project.cleanup_plan(),
}


@pytest.fixture
async def project(dirty: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[datmo.aio.Project]:
    monkeypatch.chdir(dirty)
    async with datmo.aio.init(dirty, name="iris") as project:
        yield project


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_leaves_the_repository_as_it_was(
    project: datmo.aio.Project, dirty: Path, git: Git, command: str
) -> None:
    before = state(dirty, git)
    await COMMANDS[command](project)
    assert state(dirty, git) == before
    git("fsck", "--strict")


async def test_so_do_init_and_cleanup(dirty: Path, git: Git) -> None:
    before = state(dirty, git)
    async with datmo.aio.init(dirty) as project:
        assert state(dirty, git) == before
        await project.snapshots.create("x")
    await datmo.aio.cleanup(dirty)
    assert state(dirty, git) == before
    assert not (dirty / ".datmo").exists()


async def test_what_was_captured_survives_an_amend_and_gc(project: datmo.aio.Project, dirty: Path, git: Git) -> None:
    made = await project.snapshots.create("before")
    old = await project.snapshots.create("head", commit_id="HEAD")
    git("commit", "-q", "--amend", "-m", "amended")
    git("stash", "push", "-q", "--include-untracked")
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "-q", "--prune=now")
    assert git("cat-file", "-t", made.code_id) == git("cat-file", "-t", old.code_id) == "commit"
    (project.home / ".gitignore").write_text("")
    assert (await project.snapshots.create("again", commit_id=made.code_id)).code_id == made.code_id
