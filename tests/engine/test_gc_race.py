"""Real processes capture, delete, run tasks and collect garbage at once, some are killed: nothing listed is lost."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync

import datmo.aio
from tests.api.processes import script

pytestmark = pytest.mark.anyio

# A few contents over and over, so that what one gives up another stores again at that moment.
CAPTURING = """
import datmo, pathlib, random, sys
pick = random.Random({seed})
folder = pathlib.Path({folder!r})
folder.mkdir()
with datmo.open() as project:
    print('working', flush=True)
    for number in range({count}):
        content = pick.randrange(3)
        (folder / 'small.txt').write_text(f'small {{content}}')
        (folder / 'large.bin').write_bytes(bytes([content]) * 1_200_000)
        pathlib.Path('train.py').write_text(f'print({{content}})')
        made = project.snapshots.create(f'number {{number}}', filepaths=[folder / 'small.txt', folder / 'large.bin'])
        if pick.random() < 0.8:
            project.snapshots.delete(made.id)
            if pick.random() < 0.3:
                try:
                    project.snapshots.undelete(made.id)
                except datmo.errors.EntityNotFound:
                    pass  # it was collected already
""".replace("import datmo, pathlib", "import datmo, datmo.errors, pathlib")

COLLECTING = """
import datmo, itertools
with datmo.open() as project:
    print('working', flush=True)
    for number in itertools.count():
        project.gc()
"""


CHECKING_OUT = """
import datmo, pathlib
with datmo.open() as project:
    print('working', flush=True)
    for number in range(8):
        for label in ('one', 'two'):
            done = project.snapshots.checkout(label)
            assert (done.folder / 'files' / 'large.bin').read_bytes() == label.encode() * 400_000
            assert pathlib.Path('train.py').read_text() == label
"""


async def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert await run_sync(process.stdout.readline) == "working\n"


async def end(process: subprocess.Popen[str]) -> None:
    _, wrong = await run_sync(process.communicate)
    wrong = "\n".join(line for line in wrong.splitlines() if not line.startswith("Executing <"))
    assert (process.returncode, wrong) == (0, "")


async def check(project: Any) -> None:
    """Nothing that is listed lacks anything; and the log, the views and the store agree."""
    report = await project.snapshots.verify()
    assert report.problems == ()
    for task in await project.tasks.ls():
        for file in await task.get_files("rb"):
            with file:
                assert file.read() is not None
    assert (await project.log.verify()).problems == ()
    assert (await project.log.replay()).different == ()


async def test_what_is_stored_while_garbage_is_collected_is_not_lost(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    async with datmo.aio.init(home):
        pass
    capturing = [
        script(CAPTURING.format(seed=seed, folder=str(tmp_path / f"files {seed}"), count=20), cwd=home)
        for seed in range(2)
    ]
    collecting = script(COLLECTING, cwd=home)
    for process in (*capturing, collecting):
        await ready(process)
    async with datmo.aio.open(home) as project:
        for number in range(3):
            await project.tasks.run(["python", "-c", f"open('small.txt', 'w').write('small {number % 2}')"])
    for process in capturing:
        await end(process)
    assert collecting.poll() is None
    collecting.kill()
    await run_sync(collecting.communicate)
    async with datmo.aio.open(home) as project:
        await check(project)
        await project.gc()
        await check(project)
        assert (await project.gc()).empty


async def test_a_collection_that_is_killed_leaves_everything_valid(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    pick = random.Random(7)
    async with datmo.aio.init(home):
        pass
    for victim in range(8):
        capturing = script(CAPTURING.format(seed=victim, folder=str(tmp_path / f"{victim}"), count=4), cwd=home)
        collecting = script(COLLECTING, cwd=home)
        await ready(capturing)
        await ready(collecting)
        await anyio.sleep(pick.uniform(0, 0.5))  # not to wait for something: it is the moment of the kill
        collecting.kill()
        await run_sync(collecting.communicate)
        await end(capturing)
        async with datmo.aio.open(home) as project:
            await check(project)
    async with datmo.aio.open(home) as project:
        await project.gc()
        await check(project)
        assert (await project.gc()).empty


async def test_what_a_checkout_puts_beside_the_folder_stays_while_garbage_is_collected(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    async with datmo.aio.init(home) as project:
        for label in ("one", "two"):
            (home / "train.py").write_text(label)
            (tmp_path / "large.bin").write_bytes(label.encode() * 400_000)
            await project.snapshots.create(label, label=label, filepaths=[tmp_path / "large.bin"])
    collecting, checking_out = script(COLLECTING, cwd=home), script(CHECKING_OUT, cwd=home)
    for process in (collecting, checking_out):
        await ready(process)
    await end(checking_out)
    assert collecting.poll() is None
    collecting.kill()
    await run_sync(collecting.communicate)
    async with datmo.aio.open(home) as project:
        await check(project)
        await project.gc()
        assert len([path for path in (home / ".datmo" / "checkout").iterdir() if path.is_dir()]) == 2  # and `stage`
        assert (await project.gc()).empty


SHRINKING = """
import datmo, os
import datmo.eventlog.log as log
real = log.shrink
def dying(connection, lock):
    connection.set_progress_handler(lambda: os.kill(os.getpid(), 9), {steps})
    real(connection, lock)
log.shrink = dying
with datmo.open() as project:
    project.gc()
"""


@pytest.mark.parametrize("steps", [20, 100, 300])
async def test_a_log_may_die_while_it_is_made_smaller(tmp_path: Path, steps: int) -> None:
    home = tmp_path / "home"
    home.mkdir()
    async with datmo.aio.init(home) as project:
        await project.sessions.create("gone")
        await project.tasks.run(["python", "-c", "import os\nfor _ in range(1500): print(os.urandom(1000).hex())"])
        await project.sessions.delete("gone")
        head = await project.log.head()
    working = script(SHRINKING.format(steps=steps), cwd=home)
    await run_sync(working.communicate)
    assert working.returncode == -9
    async with datmo.aio.open(home) as project:
        assert (await project.log.head())[0] > head[0]
        await check(project)
        await project.gc()  # there is nothing to remove any more, but the room is given back
        await check(project)
    assert (home / ".datmo" / "log.db").stat().st_size < 1_000_000
