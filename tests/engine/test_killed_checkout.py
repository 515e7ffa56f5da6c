"""kill -9 at random moments of create and of checkout: no half snapshot, no lost work, and the next command goes on.

`DATMO_KILLS` says how many moments are tried.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync

import datmo.aio
from tests.api.conftest import run_git
from tests.api.processes import script
from tests.api.trees import git_state, listed

pytestmark = pytest.mark.anyio

KILLS = int(os.environ.get("DATMO_KILLS", "4"))
FILES = 60
LARGE = 3 << 20

CREATE = """
import datmo, sys
with datmo.open() as project:
    print("working", flush=True)
    for number in range(1000):
        with open("notes.txt", "a") as file:
            file.write(f"{number}\\n")
        project.snapshots.create(f"x{number}", filepaths=["weights.bin"])
"""
CHECKOUT = """
import datmo, sys
with datmo.open() as project:
    print("working", flush=True)
    while True:
        project.snapshots.checkout("one")
        project.snapshots.checkout("two")
"""


def fill(home: Path, number: int) -> None:
    """A tree of its own for each number: files that change, come, go, and turn into folders and links."""
    (home / "weights.bin").write_bytes(bytes([number]) * LARGE)
    for each in range(FILES):
        (home / f"f{each}.py").write_text(f"{number} of {each}\n" * (each % 7 + 1))
    (home / f"only-{number}").mkdir()
    (home / f"only-{number}" / "run.sh").write_text("true\n")
    (home / f"only-{number}" / "run.sh").chmod(0o755)
    place = home / "turns"
    if number == 1:
        place.mkdir()
        (place / "inner.py").write_text("inner\n")
    else:
        place.symlink_to("f0.py")


def empty(home: Path) -> None:
    for path in [home / each for each in listed(home)]:
        path.unlink()
    for folder in (home / "only-1", home / "only-2", home / "turns"):
        if folder.is_dir():
            folder.rmdir()


async def two_snapshots(home: Path) -> list[dict[str, tuple[int, bytes]]]:
    """A project in git with the snapshots `one` and `two`; returns both trees."""
    run_git(home, "init", "-q", "-b", "main")
    trees = []
    async with datmo.aio.init(home) as project:
        for number in (1, 2):
            fill(home, number)
            (home / ".gitignore").write_text("*.bin\nignored\n")
            await project.snapshots.create(
                f"tree {number}", label=("one", "two")[number - 1], filepaths=[home / "weights.bin"]
            )
            trees.append(listed(home))
            if number == 1:
                run_git(home, "add", "-A")
                run_git(home, "commit", "-q", "-m", "first")
                empty(home)
    return trees


async def killed(source: str, home: Path, seconds: float) -> None:
    """Start a script, and kill it a while after it has begun."""
    process = script(source, cwd=home)
    assert process.stdout is not None
    assert await run_sync(process.stdout.readline) == "working\n"
    with pytest.raises(subprocess.TimeoutExpired):
        await run_sync(process.wait, seconds)
    process.kill()
    await run_sync(process.communicate)


async def check(project: datmo.aio.Project) -> None:
    """Check that whatever is listed is whole, and that nothing was left behind."""
    assert (await project.log.verify()).ok
    assert (await project.log.replay()).different == ()
    await project.gc()
    assert (await project.snapshots.verify()).ok
    folder = project.home / ".datmo" / "checkout"
    assert not (folder / "pending").exists()
    assert not [path for path in listed(project.home) if ".datmo-" in path]


@pytest.mark.timeout(120 + 20 * KILLS)
async def test_a_killed_checkout_is_finished_by_the_next_command(tmp_path: Path) -> None:
    home = tmp_path / "project"
    home.mkdir()
    trees = await two_snapshots(home)
    (home / "ignored").write_text("ignored")
    trees = [{**tree, "ignored": (0o100644, b"ignored")} for tree in trees]
    before = git_state(home)
    chance = random.Random(11)
    for number in range(KILLS):
        (home / "unsaved.txt").write_text(f"work {number}")
        (home / "f3.py").write_text(f"work {number}")
        scrambled = listed(home)
        await killed(CHECKOUT, home, chance.uniform(0.0, 0.6))
        async with datmo.aio.open(home) as project:
            found = listed(home)
            assert found in (*trees, scrambled), "the tree is one of the snapshots, or was not touched"
            if found != scrambled:
                saved = (await project.snapshots.ls(filter="before the checkout", limit=1))[0]
                await project.snapshots.checkout(saved.id)
                assert listed(home) == scrambled
            await check(project)
    assert git_state(home) == before


LINES = """
import os, sys, threading
import datmo.engine.checking_out, datmo.engine.checkout_content, datmo.capture.restore_apply, datmo.capture.tree
left, begun, folder = NUMBER, False, os.path.dirname(datmo.__file__)
places = ("engine/check", "engine/snapshots", "capture/restore", "capture/tree", "objects/store", "runner/witness")
watched = tuple(os.path.join(folder, each) for each in places)

def trace(frame, event, argument):
    global left
    if not begun or not frame.f_code.co_filename.startswith(watched):
        return None
    if event == "line":
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)
    return trace

threading.settrace(trace)  # for the threads that are started from now on: the work is done in them
with datmo.open() as project:
    begun = True
    for target in ("one", "two"):
        project.snapshots.checkout(target)
"""
"""Python code that dies between two lines of a checkout, wherever the lines are."""


@pytest.mark.timeout(120 + 20 * KILLS)
async def test_a_checkout_may_die_between_any_two_lines(tmp_path: Path) -> None:
    home = tmp_path / "project"
    home.mkdir()
    trees = await two_snapshots(home)
    before = git_state(home)
    chance = random.Random(13)
    for number in range(KILLS):
        (home / "f3.py").write_text(f"work {number}")
        scrambled = listed(home)
        process = script(LINES.replace("NUMBER", str(chance.randrange(1, 17_000))), cwd=home)
        await run_sync(process.communicate)
        assert process.returncode in {0, -9}
        async with datmo.aio.open(home) as project:
            found = listed(home)
            assert found in (*trees, scrambled), "the tree is one of the snapshots, or was not touched"
            if found != scrambled:
                saved = (await project.snapshots.ls(filter="before the checkout", limit=1))[0]
                await project.snapshots.checkout(saved.id)
                assert listed(home) == scrambled
            await check(project)
    assert git_state(home) == before


@pytest.mark.timeout(120 + 20 * KILLS)
async def test_a_killed_create_leaves_no_half_snapshot(tmp_path: Path) -> None:
    home = tmp_path / "project"
    home.mkdir()
    await two_snapshots(home)
    chance = random.Random(12)
    for _ in range(KILLS):
        (home / "weights.bin").write_bytes(os.urandom(LARGE))
        await killed(CREATE, home, chance.uniform(0.0, 0.5))
        tree = listed(home)
        async with datmo.aio.open(home) as project:
            await project.snapshots.create("and on")
            assert listed(home) == tree
            await check(project)


async def test_edits_after_the_kill_are_kept_before_it_is_finished(tmp_path: Path) -> None:
    home = tmp_path / "project"
    home.mkdir()
    trees = await two_snapshots(home)
    source = CHECKOUT.replace(
        "import datmo, sys",
        "import datmo, os, datmo.capture.tree as tree\n"
        "put, count = tree.Tree.put, 0\n"
        "def counted(*arguments):\n"
        "    global count\n"
        "    count += 1\n"
        "    if count == 20:\n"
        "        os.kill(os.getpid(), 9)\n"
        "    put(*arguments)\n"
        "tree.Tree.put = counted\n",
    )
    process = script(source, cwd=home)
    await run_sync(process.communicate)
    assert process.returncode == -9
    assert listed(home) not in trees
    (home / "f59.py").write_text("edited meanwhile")
    said: list[str] = []
    async with datmo.aio.open(home, notice=said.append) as project:
        assert listed(home) == trees[0]
        assert "was cut short: finishing it" in said[0]
        (saved,) = await project.snapshots.ls(filter="found in the checkout")
        assert saved.id[:4] in said[-1]
        await project.snapshots.checkout(saved.id)
        assert (home / "f59.py").read_text() == "edited meanwhile"
        await check(project)


async def test_a_checkout_that_cannot_be_finished_keeps_nobody_from_working(tmp_path: Path) -> None:
    home = tmp_path / "project"
    home.mkdir()
    trees = await two_snapshots(home)
    source = CHECKOUT.replace(
        "import datmo, sys",
        "import datmo, os, datmo.capture.tree as tree\ntree.Tree.put = lambda *_: os.kill(os.getpid(), 9)\n",
    )
    process = script(source, cwd=home)
    await run_sync(process.communicate)
    (home / ".git" / "MERGE_HEAD").write_text("")
    said: list[str] = []
    async with datmo.aio.open(home, notice=said.append) as project:
        assert any("is not finished: a merge is under way" in line for line in said)
        assert len(await project.snapshots.ls()) == 2
        (home / ".git" / "MERGE_HEAD").unlink()
        await project.snapshots.checkout("two")
        assert listed(home) == trees[1]
        await check(project)


async def test_a_killed_checkout_elsewhere_is_undone(tmp_path: Path) -> None:
    home = tmp_path / "project"
    home.mkdir()
    await two_snapshots(home)
    source = (
        "import datmo, os\n"
        "import datmo.capture.files as files\n"
        "files.restore_files = lambda *_, **__: os.kill(os.getpid(), 9)\n"
        "with datmo.open() as project:\n"
        "    project.snapshots.checkout('one', to='../copy')\n"
    )
    process = script(source, cwd=home)
    await run_sync(process.communicate)
    assert process.returncode == -9
    assert len(list(tmp_path.iterdir())) == 2
    async with datmo.aio.open(home) as project:
        assert [path.name for path in tmp_path.iterdir()] == ["project"]
        await check(project)


async def test_a_checkout_that_is_cancelled_is_whole_or_was_never_begun(tmp_path: Path) -> None:
    home = tmp_path / "project"
    home.mkdir()
    trees = await two_snapshots(home)
    chance = random.Random(14)
    async with datmo.aio.open(home) as project:
        for number in range(2 * KILLS):
            with anyio.move_on_after(chance.uniform(0.0, 0.3)):
                await project.snapshots.checkout(("one", "two")[number % 2])
            assert listed(home) in trees
            await check(project)
