"""Checking snapshots out: the tree becomes the snapshot, git and unsaved work are safe, and there is a way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datmo.errors import InvalidArgument, Refused
from tests.api.conftest import Git, Said, run_git
from tests.api.face import Face
from tests.api.trees import git_state, listed

pytestmark = pytest.mark.anyio


async def test_code_comes_back_and_git_stays_as_it_was(face: Face, project: Any, home: Path, git: Git) -> None:
    (home / "run.sh").write_text("true\n")
    (home / "run.sh").chmod(0o755)
    (home / "link").symlink_to("train.py")
    first = await project.snapshots.create("first")
    tree = listed(home)
    git("commit", "-q", "--allow-empty", "-m", "second")
    (home / "train.py").write_text("print(2)\n")
    git("add", "train.py")
    (home / "run.sh").chmod(0o644)
    (home / "link").unlink()
    (home / "lib").mkdir()
    (home / "lib" / "new.py").write_text("new\n")
    before, scrambled = git_state(home), listed(home)
    done = await project.snapshots.checkout(first.id)
    assert listed(home) == tree
    assert git_state(home) == before
    assert not (home / "lib").exists(), "a folder that is empty now goes"
    assert (done.snapshot.id, done.written, done.removed, done.in_git) == (first.id, 3, 1, True)
    assert (await project.snapshots.current()).id == first.id
    back = await project.snapshots.checkout("-")
    assert listed(home) == scrambled
    assert (back.snapshot.id, back.saved) == (done.saved.id, None)
    assert "before the checkout of" in back.snapshot.message
    assert git_state(home) == before


async def test_what_is_saved_already_is_not_saved_again(face: Face, project: Any, home: Path) -> None:
    first = await project.snapshots.create("first")
    (home / "train.py").write_text("print(2)\n")
    second = await project.snapshots.create("second")
    for target in (first, second, first):
        assert (await project.snapshots.checkout(target.id, save=False)).saved is None
    assert (await project.snapshots.checkout("-")).snapshot.id == second.id
    assert len(await project.snapshots.ls()) == 2
    again = await project.snapshots.checkout(second.id)
    assert (again.written, again.removed, again.saved) == (0, 0, None)
    assert (await project.snapshots.checkout("-")).snapshot.id == first.id, "the way back is not lost by that"


async def test_files_of_the_project_return_to_their_places(face: Face, project: Any, home: Path, git: Git) -> None:
    (home / ".gitignore").write_text("*.bin\n")
    (home / "data").mkdir()
    (home / "data" / "w.bin").write_bytes(b"weights")
    (home / "data" / "w.bin").chmod(0o640)
    (home / "plain.txt").write_text("also in the code")
    (home / "plain.txt").chmod(0o600)
    first = await project.snapshots.create("first", filepaths=[str(home / "data"), str(home / "plain.txt")])
    tree = listed(home)
    (home / "data" / "w.bin").write_bytes(b"others")
    (home / "plain.txt").chmod(0o644)
    (home / "not-in-it.bin").write_bytes(b"ignored")
    scrambled = listed(home)
    done = await project.snapshots.checkout(first.id)
    assert listed(home) == {**tree, "not-in-it.bin": scrambled["not-in-it.bin"]}
    assert {file.name for file in await face.opened(done.saved)} == {"data/w.bin", "plain.txt"}
    await project.snapshots.checkout("-")
    assert listed(home) == scrambled
    (home / "data" / "w.bin").unlink()
    removed = listed(home)
    await project.snapshots.checkout(first.id)
    assert listed(home)["data/w.bin"] == tree["data/w.bin"]
    await project.snapshots.checkout("-")
    assert listed(home) == removed, "what was not there before goes again"


async def test_a_file_that_lay_there_before_is_not_taken_away_on_the_way_back(
    face: Face, project: Any, home: Path
) -> None:
    (home / ".gitignore").write_text("*.bin\n")
    (home / "w.bin").write_bytes(b"weights")
    first = await project.snapshots.create("with the weights", filepaths=[str(home / "w.bin")])
    (home / "train.py").write_text("print(2)\n")
    await project.snapshots.create("without")
    tree = listed(home)
    assert (await project.snapshots.checkout(first.id)).saved is None
    await project.snapshots.checkout("-")
    assert listed(home) == tree


async def test_what_has_no_place_in_the_tree_is_put_beside_it(
    face: Face, project: Any, home: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "weights.bin"
    outside.write_bytes(b"weights")
    first = await project.snapshots.create("first", filepaths=[str(outside)], config={"lr": 0.1})
    tree = listed(home)
    done = await project.snapshots.checkout(first.id)
    assert done.folder == home / ".datmo" / "checkout" / first.id
    assert (done.folder / "files" / "weights.bin").read_bytes() == b"weights"
    assert (done.folder / "config.json").read_text() == '{\n  "lr": 0.1\n}\n'
    assert listed(home) == tree
    task = await project.tasks.run(["sh", "-c", "echo made > model.pkl"])
    second = await project.snapshots.create("of a task", task_id=task.id)
    done = await project.snapshots.checkout(second.id)
    assert (done.folder / "files" / "model.pkl").read_text() == "made\n"
    assert listed(home) == tree


async def test_an_environments_definition_from_elsewhere_is_put_beside_it(
    face: Face, project: Any, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "requirements.txt").write_text("numpy\n")
    first = await project.snapshots.create("first", environment_definition=tmp_path / "requirements.txt")
    done = await project.snapshots.checkout(first.id)
    assert (done.folder / "environment" / "requirements.txt").read_text() == "numpy\n"
    (home / "requirements.txt").write_text("pandas\n")
    second = await project.snapshots.create("second")
    assert (await project.snapshots.checkout(second.id)).folder is None
    done = await project.snapshots.checkout(first.id, to=tmp_path / "copy")
    assert (done.folder / "environment" / "requirements.txt").read_text() == "numpy\n"


@pytest.mark.parametrize("ignored", [False, True])
async def test_the_configurations_file_comes_back(face: Face, project: Any, home: Path, ignored: bool) -> None:
    (home / ".gitignore").write_text("config.json\n" if ignored else "")
    (home / "config.json").write_text('{"lr":   0.1}')
    first = await project.snapshots.create("first")
    (home / "config.json").write_text('{"lr": 0.2}')
    tree = listed(home)
    done = await project.snapshots.checkout(first.id)
    assert (home / "config.json").read_text() == '{"lr":   0.1}'
    assert done.folder is None
    assert done.saved.config == {"lr": 0.2}
    await project.snapshots.checkout("-")
    assert listed(home) == tree
    await project.snapshots.update(first.id, config={"lr": 0.3})
    if ignored:
        await project.snapshots.checkout(first.id)
        assert (home / "config.json").read_text() == '{\n  "lr": 0.3\n}\n'


async def test_where_both_claim_a_path_the_code_wins(
    face: Face, project: Any, home: Path, git: Git, said: Said
) -> None:
    (home / "train.py").write_text("another\n")
    first = await project.snapshots.create("first", commit_id="HEAD", filepaths=[str(home / "train.py")])
    done = await project.snapshots.checkout(first.id)
    assert (home / "train.py").read_text() == "print('accuracy: 0.9')\n"
    assert (done.folder / "files" / "train.py").read_text() == "another\n"
    assert "train.py: both the code and the files have it" in said.text
    assert (await project.snapshots.checkout("-")).saved is None
    assert (home / "train.py").read_text() == "another\n"


async def test_another_folder_gets_everything_and_nothing_else_is_touched(
    face: Face, project: Any, home: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "weights.bin"
    outside.write_bytes(b"weights")
    (home / ".gitignore").write_text("*.bin\n")
    (home / "own.bin").write_bytes(b"own")
    first = await project.snapshots.create("first", filepaths=[str(outside), str(home / "own.bin")])
    tree = listed(home)
    (home / "train.py").write_text("print(2)\n")
    scrambled, position = listed(home), await project.log.head()
    to = tmp_path / "deep" / "copy"
    done = await project.snapshots.checkout(first.id, to=to)
    assert listed(to) == tree
    assert (done.folder / "files" / "weights.bin").read_bytes() == b"weights"
    assert done.folder.is_relative_to(to)
    assert (listed(home), await project.log.head()) == (scrambled, position)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "iris", "weights.bin"]
    for wrong in (to, home / ".datmo" / "x", home / "train.py"):
        with pytest.raises(InvalidArgument):
            await project.snapshots.checkout(first.id, to=wrong)
    with pytest.raises(InvalidArgument, match="exclude"):
        await project.snapshots.checkout(first.id, to=tmp_path / "y", branch="x")


async def test_a_branch_is_made_and_entered(face: Face, project: Any, home: Path, git: Git) -> None:
    head = git("rev-parse", "HEAD")
    (home / "train.py").write_text("print(2)\n")
    first = await project.snapshots.create("better\nwith words")
    tree = listed(home)
    git("checkout", "-q", "train.py")
    await project.snapshots.checkout(first.id, branch="from-best")
    assert listed(home) == tree
    assert git("symbolic-ref", "HEAD") == "refs/heads/from-best"
    assert git("status", "--porcelain") == ""
    assert git("rev-parse", "main", "from-best^") == f"{head}\n{head}"
    assert git("log", "-1", "--format=%B") == "better\nwith words"
    for wrong in ("main", "a..b", "-x"):
        with pytest.raises((Refused, InvalidArgument), match=wrong):
            await project.snapshots.checkout(first.id, branch=wrong)
    (home / "train.py").write_text("print(3)\n")
    git("add", "train.py")
    (home / "train.py").write_text("print(4)\n")
    with pytest.raises(Refused, match="the index holds"):
        await project.snapshots.checkout(first.id, branch="other")


async def test_a_file_too_large_for_git_comes_back(
    face: Face, home: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATMO_CODE_SIZE_LIMIT", "1000")
    async with face.init(home) as project:
        (home / "big.bin").write_bytes(b"x" * 2000)
        first = await project.snapshots.create("first")
        tree = listed(home)
        (home / "big.bin").write_bytes(b"y" * 3000)
        scrambled = listed(home)
        done = await project.snapshots.checkout(first.id)
        assert listed(home) == tree
        assert done.saved is not None
        await project.snapshots.checkout("-")
        assert listed(home) == scrambled


async def test_line_endings_follow_the_attributes_of_the_snapshot(face: Face, project: Any, home: Path) -> None:
    (home / "a.txt").write_bytes(b"one\ntwo\n")
    plain = await project.snapshots.create("plain")
    before = listed(home)
    (home / ".gitattributes").write_text("*.txt text eol=crlf\n")
    (home / "a.txt").write_bytes(b"one\r\ntwo\r\n")
    dos = await project.snapshots.create("dos")
    after = listed(home)
    await project.snapshots.checkout(plain.id)
    assert listed(home) == before
    await project.snapshots.checkout(dos.id)
    assert listed(home) == after


async def test_a_repository_inside_is_left_to_git(face: Face, project: Any, home: Path, said: Said) -> None:
    first = await project.snapshots.create("first")
    inner = home / "inner"
    inner.mkdir()
    run_git(inner, "init", "-q")
    (inner / "x.py").write_text("x\n")
    run_git(inner, "add", ".")
    run_git(inner, "commit", "-q", "-m", "inner")
    second = await project.snapshots.create("second")
    await project.snapshots.checkout(first.id)
    assert (inner / "x.py").read_text() == "x\n"
    assert "inner: a repository of its own that the snapshot does not have" in said.text
    await project.snapshots.checkout(second.id)


async def test_without_a_checkout_there_is_no_way_back(face: Face, project: Any) -> None:
    await project.snapshots.create("first")
    with pytest.raises(Refused, match="no way back"):
        await project.snapshots.checkout("-")


async def test_the_log_tells_it(face: Face, project: Any, home: Path) -> None:
    first = await project.snapshots.create("first")
    (home / "train.py").write_text("print(2)\n")
    done = await project.snapshots.checkout(first.id)
    (event,) = [each async for each in project.log.read(types=["snapshot.checked_out"])]
    assert (event.stream, event.data["previous"], event.data["saved"]) == (f"snapshot/{first.id}", done.saved.id, True)
    assert (await project.log.verify()).ok
    assert (await project.log.replay()).different == ()
