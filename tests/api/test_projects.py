"""A project: made, found, described, moved, copied, removed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from datmo.core.ids import is_id
from datmo.errors import InvalidArgument, InvalidArgumentType, ProjectError, ProjectNotFound
from tests.api.conftest import Git
from tests.api.face import Face

pytestmark = pytest.mark.anyio


async def test_init_makes_a_project_that_says_who_it_is(face: Face, home: Path) -> None:
    async with face.init(home, name="iris", description="first steps") as project:
        status = await project.status()
    assert is_id(status.id)
    assert (status.name, status.description, status.home) == ("iris", "first steps", home)
    assert (status.session.name, status.snapshot, status.running) == ("default", None, [])
    assert (status.snapshots, status.tasks) == (0, 0)


async def test_the_name_is_the_folders_where_none_is_given_and_the_description_may_be_empty(
    face: Face, home: Path
) -> None:
    async with face.init(home) as project:
        status = await project.status()
    assert (status.name, status.description) == ("iris", "")


async def test_init_again_changes_the_words_and_keeps_the_id(face: Face, home: Path) -> None:
    async with face.init(home, name="iris", description="first") as project:
        first = project.id
    async with face.init(home, description="second") as project:
        status = await project.status()
    assert (status.id, status.name, status.description) == (first, "iris", "second")
    async with face.init(home, name="petals") as project:
        status = await project.status()
        events = [event.type async for event in project.log.read()]
    assert (status.name, status.description) == ("petals", "second")
    assert events.count("project.described") == 2
    async with face.init(home) as project:
        assert (await project.log.head())[0] == len(events), "nothing was said, so nothing happened"


@pytest.mark.parametrize("name", ["", "  ", 7, "\udcff"])
async def test_a_name_that_is_none_is_refused_and_nothing_is_made(face: Face, home: Path, name: Any) -> None:
    with pytest.raises(InvalidArgument):
        async with face.init(home, name=name):
            pass
    assert not (home / ".datmo").exists()


async def test_describe_changes_what_is_given(face: Face, home: Path) -> None:
    async with face.init(home, name="iris", description="first") as project:
        await project.describe(description="")
        status = await project.status()
        with pytest.raises(InvalidArgumentType):
            await project.describe(name=3)
    assert (status.name, status.description) == ("iris", "")


async def test_everything_lies_in_a_folder_that_git_ignores(face: Face, home: Path, git: Git) -> None:
    async with face.init(home):
        pass
    assert git("status", "--porcelain") == ""
    assert sorted(path.name for path in home.iterdir()) == [".datmo", ".git", "train.py"]


async def test_a_file_in_the_place_of_the_folder_is_named(face: Face, home: Path) -> None:
    (home / ".datmo").touch()
    with pytest.raises(ProjectError, match="is in the way"):
        async with face.init(home):
            pass


async def test_it_is_found_from_a_folder_below(face: Face, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with face.init(home) as project:
        expected = project.id
    below = home / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    async with face.open() as project:
        assert (project.id, project.home) == (expected, home)


async def test_an_explicit_home_is_the_project_itself(face: Face, home: Path) -> None:
    async with face.init(home):
        pass
    (home / "below").mkdir()
    with pytest.raises(ProjectNotFound, match="below"):
        async with face.open(home / "below"):
            pass


async def test_a_relative_home_is_taken_from_the_working_folder(
    face: Face, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.parent)
    async with face.init("iris"):
        pass
    async with face.open("iris") as project:
        assert project.home == home


async def test_without_a_project_the_error_says_how_to_make_one(
    face: Face, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    with pytest.raises(ProjectNotFound, match=str(home)) as caught:
        async with face.open():
            pass
    assert "datmo init" in str(caught.value.hint)


@pytest.mark.parametrize("missing", ["nowhere", "train.py"])
async def test_a_home_that_is_no_folder_is_an_error_of_its_own(face: Face, home: Path, missing: str) -> None:
    for door in (face.open, face.init):
        with pytest.raises(InvalidArgument, match=f"no folder: .*{missing}"):
            async with door(home / missing):
                pass


async def test_a_working_folder_that_is_gone_is_said(
    face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(InvalidArgument, match="no longer there"):
        async with face.open():
            pass


async def test_a_moved_project_goes_on(face: Face, home: Path) -> None:
    async with face.init(home) as project:
        task = await project.tasks.run("python train.py")
        made = await project.snapshots.create("before", task_id=task.id)
    moved = home.parent / "elsewhere" / "iris-2"
    moved.parent.mkdir()
    home.rename(moved)
    async with face.open(moved) as project:
        found = await project.snapshots.get(made.id)
        again = await project.tasks.run("python train.py")
        assert found == made
        assert again.results == {"accuracy": 0.9}
        assert (await project.log.verify()).ok
        names = [Path(str(file.name)).name for file in await face.opened(found)]
    assert names == ["task.log"]


async def test_a_copied_project_goes_its_own_way(face: Face, home: Path) -> None:
    async with face.init(home) as project:
        await project.snapshots.create("shared")
    copy = home.parent / "copy"
    shutil.copytree(home, copy, symlinks=True)
    async with face.open(copy) as project:
        await project.snapshots.create("only in the copy")
        assert (await project.log.verify()).ok
    async with face.open(home) as project:
        assert [snapshot.message for snapshot in await project.snapshots.ls()] == ["shared"]
        assert (await project.log.verify()).ok


async def test_no_absolute_path_is_kept(face: Face, home: Path) -> None:
    async with face.init(home) as project:
        task = await project.tasks.run("python train.py")
        await project.snapshots.create("one", task_id=task.id)
        await project.snapshots.create("two", filepaths=[home / "train.py"])
        kept = [(event.type, str(event.data)) async for event in project.log.read()]
    found = [kind for kind, data in kept if str(home.parent) in data]
    assert found == []


async def test_a_project_without_git_has_a_repository_of_its_own(face: Face, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('accuracy: 0.5')\n")
    async with face.init(tmp_path) as project:
        task = await project.tasks.run("python train.py")
        made = await project.snapshots.create("first", task_id=task.id)
    assert (tmp_path / ".datmo" / "code.git").is_dir()
    assert sorted(os.listdir(tmp_path)) == [".datmo", "train.py"]
    assert made.stats == {"accuracy": 0.5}


async def test_cleanup_says_what_goes_and_leaves_the_users_files(face: Face, home: Path, git: Git) -> None:
    (home / "notes.txt").write_text("mine")
    async with face.init(home) as project:
        await project.snapshots.create("first")
        plan = await project.cleanup_plan()
    assert str(home / ".datmo") in plan[0]
    assert "refs/datmo" in plan[1]
    assert await face.cleanup(home) == plan
    assert sorted(path.name for path in home.iterdir()) == [".git", "notes.txt", "train.py"]
    assert git("for-each-ref", "refs/datmo") == ""
    with pytest.raises(ProjectNotFound):
        await face.cleanup(home)
