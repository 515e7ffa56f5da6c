"""Checking snapshots out: the tree becomes the snapshot, git and unsaved work are safe, and there is a way back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from anyio.to_thread import run_sync

from datmo.capture.tree import Tree
from datmo.errors import CodeError, FilesError, InvalidArgument, ObjectError, ProjectBusy, Refused
from datmo.runner.witness import FileLock
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


async def test_unsaved_work_can_be_refused(face: Face, project: Any, home: Path) -> None:
    first = await project.snapshots.create("first")
    (home / "train.py").write_text("print(2)\n")
    tree = listed(home)
    with pytest.raises(Refused, match="in no snapshot") as caught:
        await project.snapshots.checkout(first.id, save=False)
    assert "--no-save" in str(caught.value.hint)
    assert listed(home) == tree
    assert len(await project.snapshots.ls()) == 1


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


@pytest.mark.parametrize("state", ["MERGE_HEAD", "rebase-merge", "rebase-apply", "BISECT_LOG", "CHERRY_PICK_HEAD"])
async def test_it_is_refused_while_git_is_at_it(face: Face, project: Any, home: Path, state: str) -> None:
    first = await project.snapshots.create("first")
    (home / "train.py").write_text("print(2)\n")
    (home / ".git" / state).mkdir()
    with pytest.raises(Refused, match="is under way"):
        await project.snapshots.checkout(first.id)
    assert (home / "train.py").read_text() == "print(2)\n"


async def test_ignored_files_are_never_touched(face: Face, project: Any, home: Path) -> None:
    (home / "out").write_text("a file of the code")
    first = await project.snapshots.create("first")
    (home / "out").unlink()
    (home / "out").mkdir()
    (home / "out" / "log.txt").write_text("ignored")
    (home / ".gitignore").write_text("out/\n")
    with pytest.raises(Refused, match=r"in the way.*out/log.txt"):
        await project.snapshots.checkout(first.id)
    assert (home / "out" / "log.txt").read_text() == "ignored"
    (home / "out" / "log.txt").rename(home / "log.txt")
    await project.snapshots.checkout(first.id)
    assert (home / "out").read_text() == "a file of the code"


async def test_an_ignored_file_in_a_files_place_is_kept(face: Face, project: Any, home: Path) -> None:
    (home / "note").write_text("of the code")
    first = await project.snapshots.create("first")
    (home / ".gitignore").write_text("note\n")
    (home / "note").write_text("ignored by now")
    tree = listed(home)
    done = await project.snapshots.checkout(first.id)
    assert (home / "note").read_text() == "of the code"
    assert [file.name for file in await face.opened(done.saved)] == ["note"]
    await project.snapshots.checkout("-")
    assert listed(home) == tree


async def test_what_the_target_ignores_stays(face: Face, project: Any, home: Path) -> None:
    (home / ".gitignore").write_text("*.log\n")
    (home / "run.log").write_text("a log")
    first = await project.snapshots.create("first")
    (home / ".gitignore").unlink()
    done = await project.snapshots.checkout(first.id)
    assert (home / "run.log").read_text() == "a log"
    assert done.removed == 0


async def test_nothing_is_written_through_a_link(face: Face, project: Any, home: Path, tmp_path: Path) -> None:
    (home / "lib").mkdir()
    (home / "lib" / "a.py").write_text("a\n")
    first = await project.snapshots.create("first")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.py").write_text("not ours\n")
    (home / "lib" / "a.py").unlink()
    (home / "lib").rmdir()
    (home / "lib").symlink_to(elsewhere)
    scrambled = listed(home)
    await project.snapshots.checkout(first.id)
    assert (home / "lib" / "a.py").read_text() == "a\n"
    assert not (home / "lib").is_symlink()
    assert (elsewhere / "a.py").read_text() == "not ours\n"
    await project.snapshots.checkout("-")
    assert listed(home) == scrambled
    (home / ".gitignore").write_text("/lib\n")
    with pytest.raises(Refused, match=r"in the way.*lib"):
        await project.snapshots.checkout(first.id)
    assert os.readlink(home / "lib") == str(elsewhere)


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


async def test_what_a_filter_drops_is_kept(face: Face, project: Any, home: Path, git: Git, said: Said) -> None:
    git("config", "filter.strip.clean", "sed -e s/output:.*//")
    git("config", "filter.strip.smudge", "cat")
    (home / ".gitattributes").write_text("*.ipynb filter=strip\n")
    (home / "work.ipynb").write_text("code\n")
    first = await project.snapshots.create("first")
    (home / "work.ipynb").write_text("more code\n")
    second = await project.snapshots.create("second")
    (home / "work.ipynb").write_text("more code\noutput: hours of work\n")
    git("add", "work.ipynb")
    with pytest.raises(Refused, match="in no snapshot"):
        await project.snapshots.checkout(first.id, save=False)
    done = await project.snapshots.checkout(first.id)
    assert (home / "work.ipynb").read_text() == "code\n"
    back = await project.snapshots.checkout("-")
    assert (back.folder / "files" / "work.ipynb").read_text() == "more code\noutput: hours of work\n"
    assert "work.ipynb: both the code and the files have it" in said.text
    assert back.snapshot.id == done.saved.id != second.id


async def test_a_broken_definition_does_not_keep_work_from_being_saved(
    face: Face, project: Any, home: Path, said: Said
) -> None:
    first = await project.snapshots.create("first")
    (home / "pyproject.toml").write_text("[project\n")
    (home / "config.json").write_text("{")
    tree = listed(home)
    await project.snapshots.checkout(first.id)
    await project.snapshots.checkout("-")
    assert listed(home) == tree


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


async def test_only_one_at_a_time(face: Face, project: Any, home: Path) -> None:
    first = await project.snapshots.create("first")
    folder = home / ".datmo" / "checkout"
    folder.mkdir()
    lock = FileLock(folder / "lock")
    assert await run_sync(lock.try_acquire)
    with pytest.raises(ProjectBusy, match="another checkout"):
        await project.snapshots.checkout(first.id)
    await run_sync(lock.release)
    await project.snapshots.checkout(first.id)


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


async def test_what_fails_half_way_is_undone(
    face: Face, project: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        (home / f"f{number}").write_text("one")
    first = await project.snapshots.create("first")
    for number in range(6):
        (home / f"f{number}").write_text("two")
    (home / "f6").write_text("two")
    scrambled = listed(home)
    put, count = Tree.put, iter(range(100))

    def failing(tree: Tree, staged: str, stage: int, path: str) -> None:
        if next(count) == 3:
            raise OSError(28, "No space left on device")
        put(tree, staged, stage, path)

    monkeypatch.setattr(Tree, "put", failing)
    with pytest.raises(FilesError, match="No space left"):
        await project.snapshots.checkout(first.id)
    assert listed(home) == scrambled
    assert not (home / ".datmo" / "checkout" / "pending").exists()
    assert (await project.status()).changes.same, "it is what was kept"
    await project.snapshots.checkout(first.id)
    assert (home / "f5").read_text() == "one"
    assert not (home / "f6").exists()


async def test_an_edit_in_the_middle_is_kept(
    face: Face, project: Any, home: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        (home / f"f{number}").write_text("one")
    first = await project.snapshots.create("first")
    tree = listed(home)
    for number in range(6):
        (home / f"f{number}").write_text("two")
    put, count = Tree.put, iter(range(100))

    def while_somebody_edits(tree: Tree, staged: str, stage: int, path: str) -> None:
        put(tree, staged, stage, path)
        if next(count) == 2:
            (home / "f5").write_text("edited")

    monkeypatch.setattr(Tree, "put", while_somebody_edits)
    done = await project.snapshots.checkout(first.id)
    assert listed(home) == tree
    (found,) = await project.snapshots.ls(filter="found in the checkout")
    assert f"is kept as snapshot {found.id[:4]}" in said.text
    await project.snapshots.checkout(found.id)
    assert (home / "f5").read_text() == "edited"
    await project.snapshots.checkout(done.saved.id)
    assert (home / "f5").read_text() == "two"


async def test_what_is_gone_is_noticed_before_anything_is_touched(
    face: Face, project: Any, home: Path, tmp_path: Path
) -> None:
    (home / ".gitignore").write_text("*.bin\n")
    (home / "w.bin").write_bytes(b"w" * (2 << 20))
    first = await project.snapshots.create("first", filepaths=[home / "w.bin"])
    (home / "w.bin").unlink()
    (home / "train.py").write_text("print(2)\n")
    scrambled = listed(home)
    (large,) = [path for path in (home / ".datmo" / "objects" / "large").rglob("*") if path.is_file()]
    large.unlink()
    with pytest.raises(ObjectError):
        await project.snapshots.checkout(first.id)
    assert listed(home) == scrambled


@pytest.mark.parametrize("name", [".git", ".GIT"])
async def test_a_tree_that_leads_into_git_is_refused(face: Face, project: Any, home: Path, git: Git, name: str) -> None:
    hook = git("hash-object", "-w", "train.py")
    inner = make_tree(home, f"100755 blob {hook}\tpost-checkout\n")
    outer = make_tree(home, f"040000 tree {inner}\t{name}\n100644 blob {hook}\ttrain.py\n")
    commit = git("commit-tree", outer, "-m", "hostile")
    made = await project.snapshots.create("hostile", commit_id=commit)
    (home / "train.py").write_text("print(2)\n")
    scrambled = listed(home)
    with pytest.raises(CodeError, match="cannot be written safely"):
        await project.snapshots.checkout(made.id)
    assert listed(home) == scrambled
    assert not (home / ".git" / "post-checkout").exists()


def make_tree(home: Path, entries: str) -> str:
    """Write a tree object, whatever git thinks of its names; returns its id."""
    data = b""
    for line in entries.splitlines():
        front, _, name = line.partition("\t")
        mode, _, oid = front.split(" ")
        data += f"{mode.lstrip('0')} {name}\0".encode() + bytes.fromhex(oid)
    done = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"],
        cwd=home,
        input=data,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip()
