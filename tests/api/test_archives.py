"""Snapshots from one project to another: with all that they consist of, and what happened to them."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from anyio.to_thread import run_sync

from datmo.errors import ArchiveError, EntityNotFound, InvalidArgument, ObjectDamaged
from tests.api.conftest import run_git
from tests.api.face import Face, contents

pytestmark = pytest.mark.anyio

WEIGHTS = bytes(range(256)) * 6000


@pytest.fixture
async def other(face: Face, tmp_path: Path) -> AsyncIterator[Any]:
    """Another project, without git."""
    folder = tmp_path / "other"
    folder.mkdir()
    async with face.init(folder, name="other") as project:
        yield project


@pytest.fixture
async def best(project: Any, home: Path, tmp_path: Path) -> Any:
    """A snapshot with something of everything, and a history."""
    (home / "train.py").write_text("print('changed')\n")
    (home / "pkg").mkdir()
    (home / "pkg" / "run.sh").write_text("#!/bin/sh\n")
    (home / "pkg" / "run.sh").chmod(0o755)
    (home / "link").symlink_to("train.py")
    (home / "requirements.txt").write_text("six==1.16.0\n")
    (tmp_path / "weights.bin").write_bytes(WEIGHTS)
    (tmp_path / "note.txt").write_text("a note")
    made = await project.snapshots.create(
        "best model",
        config={"lr": 0.1, "deep": {"$": [1, None]}},
        stats={"loss": float("inf")},
        filepaths=[tmp_path / "weights.bin", tmp_path / "note.txt"],
    )
    return await project.snapshots.update(made.id, label="best", stats={"accuracy": 0.9})


def workspace_of(project: Any) -> Any:
    target = getattr(project, "_target", project)
    return getattr(target, "_project", target)._workspace


async def code_of(project: Any, code_id: str) -> list[Any]:
    """What a code consists of, by path."""
    return await run_sync(lambda: list(workspace_of(project).code.files(code_id)))


async def test_everything_arrives_and_the_history_with_it(
    face: Face, project: Any, other: Any, best: Any, tmp_path: Path
) -> None:
    archive = tmp_path / "best.zip"
    exported = await project.snapshots.export_archive(archive, "best")
    assert (exported.path, exported.snapshots, exported.size) == (archive, (best.id,), archive.stat().st_size)

    imported = await other.snapshots.import_archive(archive)
    (found,) = imported.snapshots
    assert imported.known == []
    for name in ("id", "message", "label", "config", "stats", "environment_id", "file_collection_id", "code_id"):
        assert getattr(found, name) == getattr(best, name), name
    assert (found.created_at, found.updated_at) == (best.created_at, best.updated_at)
    assert (found.model_id, found.session_id) == (other.id, (await other.sessions.current()).id)
    assert await contents(face, found) == await contents(face, best)
    assert await code_of(other, found.code_id) == await code_of(project, best.code_id)
    assert (await other.snapshots.verify()).ok
    assert (await other.environments.get(found.environment_id)).files.keys() == {"requirements.txt"}

    there = [event async for event in project.log.read(stream=f"snapshot/{best.id}")]
    here = [event async for event in other.log.read(stream=f"snapshot/{best.id}")]
    assert [event.type for event in here] == ["snapshot.created", "snapshot.updated"]
    for one, event in zip(there, here, strict=True):
        origin = event.data["imported"]
        assert (origin["project"], origin["position"], origin["id"]) == (project.id, one.position, one.id)
        assert (origin["recorded_us"], origin["actor"]) == (one.recorded_us, one.actor._asdict())
    assert (await other.log.verify()).ok
    assert (await other.log.replay()).different == ()
    assert (await other.gc()).empty


async def test_the_code_can_be_checked_out_of_it(project: Any, other: Any, best: Any, tmp_path: Path) -> None:
    await project.snapshots.export_archive(tmp_path / "a.zip")
    await other.snapshots.import_archive(tmp_path / "a.zip")
    workspace = workspace_of(other)
    await run_sync(lambda: workspace.code.checkout(best.code_id, tmp_path / "out", workspace.store))
    assert (tmp_path / "out" / "train.py").read_text() == "print('changed')\n"
    assert (tmp_path / "out" / "pkg" / "run.sh").stat().st_mode & 0o111
    assert (tmp_path / "out" / "link").readlink() == Path("train.py")


async def test_importing_twice_doubles_nothing(project: Any, other: Any, best: Any, tmp_path: Path) -> None:
    await project.snapshots.export_archive(tmp_path / "a.zip", best.id)
    await other.snapshots.import_archive(tmp_path / "a.zip")
    head, _ = await other.log.head()
    again = await other.snapshots.import_archive(tmp_path / "a.zip")
    assert (again.snapshots, again.known) == ([], [best.id])
    assert (await other.log.head())[0] == head
    back = await project.snapshots.import_archive(tmp_path / "a.zip")
    assert (back.snapshots, back.known) == ([], [best.id])
    assert len(await other.snapshots.ls()) == len(await project.snapshots.ls()) == 1


async def test_a_selection_shares_what_it_has_in_common_and_skips_what_is_there(
    project: Any, other: Any, best: Any, home: Path, tmp_path: Path
) -> None:
    (home / "train.py").write_text("print('more')\n")
    second = await project.snapshots.create("second", filepaths=[tmp_path / "weights.bin"], stats={"accuracy": 0.5})
    await project.snapshots.export_archive(tmp_path / "one.zip", where="stats.accuracy > 0.8")
    exported = await project.snapshots.export_archive(tmp_path / "both.zip")
    assert set(exported.snapshots) == {best.id, second.id}
    assert (tmp_path / "both.zip").stat().st_size < (tmp_path / "one.zip").stat().st_size + 10_000
    await other.snapshots.import_archive(tmp_path / "one.zip")
    imported = await other.snapshots.import_archive(tmp_path / "both.zip")
    assert ([each.id for each in imported.snapshots], imported.known) == ([second.id], [best.id])
    assert (await other.snapshots.verify()).snapshots == 2
    assert (await other.snapshots.verify()).ok


async def test_a_clean_commit_comes_as_its_tree_alone(
    face: Face, project: Any, other: Any, home: Path, tmp_path: Path
) -> None:
    made = await project.snapshots.create("clean")
    assert made.code_id == run_git(home, "rev-parse", "HEAD")
    await project.snapshots.export_archive(tmp_path / "a.zip")
    (found,) = (await other.snapshots.import_archive(tmp_path / "a.zip")).snapshots
    assert found.code_id != made.code_id
    assert await code_of(other, found.code_id) == await code_of(project, made.code_id)
    events = [event async for event in other.log.read(stream=f"snapshot/{made.id}")]
    assert events[0].data["imported"]["code_id"] == made.code_id
    # A clone of the repository has the commit itself.
    run_git(tmp_path, "clone", "-q", str(home), "clone")
    async with face.init(tmp_path / "clone") as clone:
        (found,) = (await clone.snapshots.import_archive(tmp_path / "a.zip")).snapshots
        assert found.code_id == made.code_id
        assert (await clone.snapshots.verify()).ok


async def test_into_a_repository_that_stays_as_it_is(face: Face, project: Any, best: Any, tmp_path: Path) -> None:
    await project.snapshots.export_archive(tmp_path / "a.zip")
    folder = tmp_path / "with git"
    folder.mkdir()
    run_git(folder, "init", "-q")
    async with face.init(folder) as other:
        await other.snapshots.import_archive(tmp_path / "a.zip")
        assert run_git(folder, "status", "--porcelain") == ""
        assert run_git(folder, "fsck", "--full", "--strict") == ""
        run_git(folder, "gc", "-q", "--prune=now")
        assert (await other.snapshots.verify()).ok


async def test_the_current_snapshot_and_the_task_are_not_those_of_the_other_project(
    project: Any, other: Any, tmp_path: Path
) -> None:
    task = await project.tasks.run(["python", "-c", "print('accuracy: 0.9')"])
    made = await project.snapshots.create("of a task", task_id=task.id)
    await project.snapshots.export_archive(tmp_path / "a.zip")
    own = await other.snapshots.create("own")
    (found,) = (await other.snapshots.import_archive(tmp_path / "a.zip")).snapshots
    assert (found.task_id, found.stats) == (None, {"accuracy": 0.9})
    assert (await other.snapshots.current()).id == own.id
    events = [event async for event in other.log.read(stream=f"snapshot/{made.id}")]
    assert events[0].data["imported"]["task_id"] == task.id


async def test_into_a_session(project: Any, other: Any, best: Any, tmp_path: Path) -> None:
    await project.snapshots.export_archive(tmp_path / "a.zip")
    session = await other.sessions.create("from elsewhere", current=False)
    with pytest.raises(EntityNotFound):
        await other.snapshots.import_archive(tmp_path / "a.zip", session_id="nowhere")
    (found,) = (await other.snapshots.import_archive(tmp_path / "a.zip", session_id="from elsewhere")).snapshots
    assert found.session_id == session.id


async def test_what_was_collected_comes_back(face: Face, project: Any, best: Any, tmp_path: Path) -> None:
    before = await contents(face, best)
    await project.snapshots.export_archive(tmp_path / "a.zip")
    await project.snapshots.create("the current one")
    await project.snapshots.delete(best.id)
    deleted = await project.snapshots.import_archive(tmp_path / "a.zip")
    assert deleted.known == [best.id]  # deleted, and `undelete` brings it back
    await project.gc()
    (found,) = (await project.snapshots.import_archive(tmp_path / "a.zip")).snapshots
    assert (found.id, found.label, found.created_at) == (best.id, "best", best.created_at)
    assert await contents(face, found) == before
    assert (await project.snapshots.verify()).ok
    await project.snapshots.export_archive(tmp_path / "again.zip")
    assert (await project.log.replay()).different == ()


async def test_the_same_selection_gives_the_same_bytes(project: Any, best: Any, tmp_path: Path) -> None:
    for name in ("one.zip", "other.zip"):
        await project.snapshots.export_archive(tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist()[:2] == ["datmo.json", "events.jsonl"]
        assert archive.testzip() is None


async def test_what_cannot_be_exported_leaves_no_archive(project: Any, best: Any, home: Path, tmp_path: Path) -> None:
    with pytest.raises(EntityNotFound):
        await project.snapshots.export_archive(tmp_path / "a.zip", "nothing")
    with pytest.raises(EntityNotFound):
        await project.snapshots.export_archive(tmp_path / "a.zip", where="stats.accuracy > 1")
    with pytest.raises(InvalidArgument):
        await project.snapshots.export_archive(tmp_path / "a.zip", best.id, where="stats.accuracy > 0")
    (tmp_path / "there.zip").write_text("mine")
    with pytest.raises(ArchiveError, match="exists already"):
        await project.snapshots.export_archive(tmp_path / "there.zip")
    with pytest.raises(ArchiveError, match="cannot be written"):
        await project.snapshots.export_archive(tmp_path / "nowhere" / "a.zip")
    assert (tmp_path / "there.zip").read_text() == "mine"
    (large,) = (home / ".datmo" / "objects" / "large").glob("*/*")
    large.chmod(0o644)
    large.write_bytes(WEIGHTS[:-1] + b"X")
    with pytest.raises(ObjectDamaged):
        await project.snapshots.export_archive(tmp_path / "a.zip")
    assert sorted(path.name for path in tmp_path.glob("*.zip*")) == ["there.zip"]
    assert list(tmp_path.glob(".*")) == []
