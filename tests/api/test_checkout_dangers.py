"""Checking out where something could be lost: ignored files, links, edits meanwhile, hostile trees, full disks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from anyio.to_thread import run_sync

from datmo.capture.tree import Tree
from datmo.errors import CodeError, FilesError, ObjectError, ProjectBusy, Refused
from datmo.runner.witness import FileLock
from tests.api.conftest import Git, Said
from tests.api.face import Face
from tests.api.trees import listed

pytestmark = pytest.mark.anyio


async def test_unsaved_work_can_be_refused(face: Face, project: Any, home: Path) -> None:
    first = await project.snapshots.create("first")
    (home / "train.py").write_text("print(2)\n")
    tree = listed(home)
    with pytest.raises(Refused, match="in no snapshot") as caught:
        await project.snapshots.checkout(first.id, save=False)
    assert "--no-save" in str(caught.value.hint)
    assert listed(home) == tree
    assert len(await project.snapshots.ls()) == 1


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
