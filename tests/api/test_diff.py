"""What differs between two snapshots: config, stats, files, environment and code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from datmo.errors import EntityNotFound
from tests.api.face import Face

pytestmark = pytest.mark.anyio


async def test_snapshots_of_the_same_content_do_not_differ(face: Face, project: Any) -> None:
    first = await project.snapshots.create("first", label="a")
    second = await project.snapshots.create("second", label="b")
    found = await project.snapshots.diff("a", second.id[:8])
    assert (found.first, found.second, found.same) == (first.id, second.id, True)


async def test_everything_that_differs_is_named(face: Face, project: Any, home: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"w" * 10)
    (home / "old.py").write_text("old\n")
    (home / "data.bin").write_bytes(b"\0\1")
    (home / "requirements.txt").write_text("numpy==1.0\n")
    (home / "run.sh").write_text("true\n")
    first = await project.snapshots.create("first", config={"lr": 0.1}, stats={"f1": 0.5}, filepaths=[str(weights)])
    weights.write_bytes(b"w" * 20)
    (home / "old.py").unlink()
    (home / os.fsdecode(b"caf\xe9.py")).write_text("new\n")
    (home / "data.bin").write_bytes(b"\0\2")
    (home / "train.py").write_text("print('accuracy: 0.95')\nprint('done')\n")
    (home / "requirements.txt").write_text("numpy==2.0\n")
    (home / "run.sh").chmod(0o755)
    second = await project.snapshots.create("second", config={"lr": 0.2}, stats={"f1": 0.75}, filepaths=[str(weights)])
    found = await project.snapshots.diff(first.id, second.id)
    assert [(each.key, each.kind, each.delta) for each in found.config] == [("lr", "changed", 0.1)]
    assert [(each.key, each.delta) for each in found.stats] == [("f1", 0.25)]
    assert found.files == (("weights.bin", "changed", 10, 20),)
    code = {each.path: (each.kind, each.added, each.removed) for each in found.code}
    assert code == {
        os.fsdecode(b"caf\xe9.py"): ("added", 1, 0),
        "data.bin": ("changed", None, None),
        "old.py": ("removed", 0, 1),
        "requirements.txt": ("changed", 1, 1),
        "run.sh": ("mode", 0, 0),
        "train.py": ("changed", 2, 1),
    }
    assert found.environment == (first.environment_id, second.environment_id)
    assert [each.path for each in found.definitions] == ["requirements.txt"]
    assert "-numpy==1.0\n+numpy==2.0\n" in found.definitions[0].patch
    back = await project.snapshots.diff(second.id, first.id)
    assert {each.path: each.kind for each in back.code}["old.py"] == "added"


async def test_a_commit_of_the_same_tree_is_the_same_code(face: Face, project: Any, home: Path, git: Any) -> None:
    (home / "train.py").write_text("print(2)\n")
    first = await project.snapshots.create("dirty")
    git("commit", "-q", "-a", "-m", "second")
    second = await project.snapshots.create("committed")
    assert first.code_id != second.code_id
    assert (await project.snapshots.diff(first.id, second.id)).code == ()


async def test_an_unknown_snapshot_is_named(face: Face, project: Any) -> None:
    made = await project.snapshots.create("first")
    with pytest.raises(EntityNotFound, match="zzzz"):
        await project.snapshots.diff(made.id, "zzzz")
