"""Which snapshot the folder is, and what has changed since: nothing is stored for that, and nothing claimed wrongly."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Git, run_git
from tests.api.face import Face
from tests.api.trees import git_state

pytestmark = pytest.mark.anyio


async def test_without_a_snapshot_there_is_nothing_to_compare(face: Face, project: Any) -> None:
    assert (await project.status()).changes is None


async def test_a_fresh_snapshot_is_what_the_folder_is(face: Face, project: Any, home: Path) -> None:
    (home / "new.py").write_text("new\n")
    made = await project.snapshots.create("first")
    found = await project.status()
    assert found.snapshot.id == made.id
    assert found.changes.same
    assert found.changes.notices == ()
    assert (await project.status(changes=False)).changes is None
    assert (await project.snapshots.diff(made.id)).same


async def test_a_commit_of_the_same_tree_changes_nothing(face: Face, project: Any, home: Path, git: Git) -> None:
    (home / "train.py").write_text("print(2)\n")
    await project.snapshots.create("dirty")
    git("commit", "-q", "-a", "-m", "second")
    assert (await project.status()).changes.same


async def test_everything_that_has_changed_is_named(face: Face, project: Any, home: Path, tmp_path: Path) -> None:
    (home / ".gitignore").write_text("*.bin\nconfig.json\n")
    for name in ("same.bin", "other.bin", "gone.bin", "mode.bin"):
        (home / name).write_bytes(b"weights")
        (home / name).chmod(0o644)
    outside = tmp_path / "outside.txt"
    outside.write_text("outside")
    (home / "old.py").write_text("old\n")
    (home / "run.sh").write_text("true\n")
    (home / "config.json").write_text('{"lr": 0.1, "n": 1}')
    (home / "requirements.txt").write_text("numpy==1.0\n")
    files = [home / name for name in ("same.bin", "other.bin", "gone.bin", "mode.bin")]
    first = await project.snapshots.create("first", filepaths=[*files, outside], stats={"f1": 0.5})
    (home / "other.bin").write_bytes(b"heavier weights")
    (home / "gone.bin").unlink()
    (home / "mode.bin").chmod(0o600)
    (home / "ignored.bin").write_bytes(b"of no collection")
    outside.unlink()
    (home / "old.py").unlink()
    (home / "run.sh").chmod(0o755)
    (home / os.fsdecode(b"caf\xe9.py")).write_text("new\n")
    (home / "config.json").write_text('{"lr": 0.2, "n": 1}')
    (home / "requirements.txt").write_text("numpy==2.0\n")
    before, head = git_state(home), await project.log.head()
    found = (await project.status()).changes
    code = {each.path: each.kind for each in found.code}
    assert code == {
        os.fsdecode(b"caf\xe9.py"): "added",
        "old.py": "removed",
        "requirements.txt": "changed",
        "run.sh": "mode",
    }
    assert {each.path: each.kind for each in found.files} == {
        "gone.bin": "removed",
        "mode.bin": "mode",
        "other.bin": "changed",
    }
    assert [(each.key, each.before, each.after) for each in found.config] == [("lr", 0.1, 0.2)]
    assert found.environment is not None
    assert found.environment[0] == first.environment_id
    difference = await project.snapshots.diff(first.id)
    assert (difference.first, difference.second, difference.same) == (first.id, None, False)
    assert {each.path: each.kind for each in difference.code} == code
    assert (difference.files, difference.config, difference.environment) == (
        found.files,
        found.config,
        found.environment,
    )
    assert "-numpy==1.0\n+numpy==2.0\n" in difference.definitions[0].patch
    assert "+new\n" in next(each.patch for each in difference.code if each.kind == "added")
    assert difference.stats == ()
    assert (git_state(home), await project.log.head()) == (before, head)


async def test_after_a_checkout_the_folder_is_that_snapshot(face: Face, project: Any, home: Path) -> None:
    first = await project.snapshots.create("first", config={"lr": 0.1})
    (home / "train.py").write_text("print(2)\n")
    (home / "config.json").write_text('{"lr": 0.3}')
    assert not (await project.status()).changes.same
    await project.snapshots.checkout(first.id)
    found = await project.status()
    assert (found.snapshot.id, found.changes.same) == (first.id, True)
    await project.snapshots.checkout("-")
    assert (await project.status()).changes.same


async def test_a_file_too_large_for_git_is_compared_without_being_stored(
    face: Face, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATMO_CODE_SIZE_LIMIT", "1000")
    async with face.init(home) as project:
        (home / "big.bin").write_bytes(b"x" * 2000)
        await project.snapshots.create("first")
        assert (await project.status()).changes.same
        (home / "big.bin").write_bytes(b"y" * 2000)
        (home / "new.bin").write_bytes(b"z" * 2000)
        packs = sorted((home / ".datmo" / "objects" / "packs").iterdir())
        found = (await project.status()).changes
        assert [(each.path, each.kind) for each in found.code] == [("big.bin", "changed"), ("new.bin", "added")]
        assert sorted((home / ".datmo" / "objects" / "packs").iterdir()) == packs


async def test_an_environment_from_elsewhere_is_not_said_to_have_changed(
    face: Face, project: Any, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "requirements.txt").write_text("numpy\n")
    await project.snapshots.create("first", environment_definition=tmp_path / "requirements.txt")
    found = (await project.status()).changes
    assert (found.same, found.environment) == (True, None)
    (home / "envs").mkdir()
    (home / "envs" / "Dockerfile").write_text("FROM scratch\n")
    made = await project.snapshots.create("second", environment_definition="envs/Dockerfile")
    assert (await project.snapshots.changes(made.id)).same
    (home / "envs" / "Dockerfile").write_text("FROM debian\n")
    assert (await project.snapshots.changes(made.id)).environment is not None


async def test_what_cannot_be_compared_is_said(face: Face, project: Any, home: Path) -> None:
    (home / "pyproject.toml").write_text('[project]\nname = "iris"\nversion = "1"\n')
    await project.snapshots.create("first")
    (home / "pyproject.toml").write_text("[project\n")
    found = (await project.status()).changes
    assert [each.path for each in found.code] == ["pyproject.toml"]
    assert any("the environment cannot be compared" in notice for notice in found.notices)


async def test_a_repository_inside_is_compared_by_its_commit(face: Face, project: Any, home: Path) -> None:
    inner = home / "inner"
    inner.mkdir()
    run_git(inner, "init", "-q")
    (inner / "x.py").write_text("x\n")
    run_git(inner, "add", ".")
    run_git(inner, "commit", "-q", "-m", "one")
    first = await project.snapshots.create("first")
    run_git(inner, "commit", "-q", "--allow-empty", "-m", "two")
    assert [(each.path, each.kind) for each in (await project.status()).changes.code] == [("inner", "changed")]
    assert (await project.snapshots.diff(first.id)).code[0].added is None
