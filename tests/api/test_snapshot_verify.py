"""Verifying snapshots: what is missing or damaged is named, and what is whole is not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from datmo.errors import EntityNotFound

pytestmark = pytest.mark.anyio

LARGE = b"weights" * 300_000


@pytest.fixture
async def two(project: Any, home: Path, tmp_path: Path) -> list[Any]:
    """Two snapshots that share a small file; the second has a large one, too."""
    (home / "Dockerfile").write_text("FROM python:3.11-slim\n")
    (tmp_path / "small.txt").write_text("little")
    (tmp_path / "large.bin").write_bytes(LARGE)
    first = await project.snapshots.create("first", filepaths=[tmp_path / "small.txt"])
    second = await project.snapshots.create("second", filepaths=[tmp_path / "small.txt", tmp_path / "large.bin"])
    return [first, second]


def objects(home: Path) -> Path:
    return home / ".datmo" / "objects"


def large_file(home: Path) -> Path:
    (found,) = [path for path in (objects(home) / "large").glob("*/*") if path.stat().st_size == len(LARGE)]
    return found


async def test_what_is_whole(project: Any, two: list[Any]) -> None:
    told: list[tuple[int, int]] = []
    report = await project.snapshots.verify(progress=lambda done, total: told.append((done, total)))
    assert (report.ok, report.problems, report.snapshots) == (True, (), 2)
    assert report.objects == 2 + 2 + 1  # two lists, two files, one Dockerfile
    assert told[-1] == (report.size, report.size)
    assert report.size > len(LARGE)
    assert (await project.snapshots.verify(two[0].id[:8])).objects == 3


async def test_an_unknown_one_is_named(project: Any, two: list[Any]) -> None:
    with pytest.raises(EntityNotFound, match="zzzz"):
        await project.snapshots.verify(two[0].id, "zzzz")


@pytest.mark.parametrize("how", ["removed", "changed", "cut"])
async def test_a_large_object_that_is_not_what_it_was(project: Any, home: Path, two: list[Any], how: str) -> None:
    file = large_file(home)
    file.chmod(0o644)
    if how == "removed":
        file.unlink()
    elif how == "changed":
        file.write_bytes(LARGE[:-1] + b"X")
    else:
        file.write_bytes(LARGE[:-1])
    report = await project.snapshots.verify()
    ((snapshot_id, part, name, object_id, reason),) = report.problems
    assert not report.ok
    assert (snapshot_id, part, name.rpartition("/")[2]) == (two[1].id, "files", "large.bin")
    assert len(object_id) == 64
    assert reason
    assert (await project.snapshots.verify(two[0].id)).ok


async def test_damage_in_a_pack_is_named_for_each_snapshot_that_needs_it(
    project: Any, home: Path, two: list[Any]
) -> None:
    for pack in (objects(home) / "packs").iterdir():
        data = pack.read_bytes()
        pack.chmod(0o644)
        pack.write_bytes(data.replace(b"little", b"lottle"))
    report = await project.snapshots.verify()
    assert {(problem.snapshot_id, problem.name.rpartition("/")[2]) for problem in report.problems} == {
        (each.id, "small.txt") for each in two
    }


async def test_a_lost_store_is_named_part_by_part(project: Any, home: Path, two: list[Any]) -> None:
    shutil.rmtree(objects(home) / "packs")
    (objects(home) / "packs").mkdir()
    report = await project.snapshots.verify(two[0].id)
    assert {(problem.part, problem.name) for problem in report.problems} == {
        ("environment", "Dockerfile"),
        ("files", "the list of its files"),
    }


async def test_code_that_git_has_lost(project: Any, home: Path, two: list[Any]) -> None:
    (home / "train.py").write_text("print('changed')\n")
    made = await project.snapshots.create("third")
    for folder in (home / ".git" / "objects").iterdir():  # the captured code lies in a pack of its own
        if folder.name == "pack":
            shutil.rmtree(folder)
    report = await project.snapshots.verify(made.id)
    assert [(each.part, each.name, each.object) for each in report.problems] == [("code", made.code_id, None)]
