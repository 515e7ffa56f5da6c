"""kill -9 at any moment: the next one finds a project that is whole, and can do again what was cut short."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from anyio.to_thread import run_sync

import datmo.aio
import datmo.engine.cleaning
from datmo.errors import ProjectNotFound
from datmo.eventlog.log import EventLog
from datmo.projections.all import SCHEMAS, VIEWS
from tests.api.processes import script

pytestmark = pytest.mark.anyio


async def killed_after(source: str, home: Path, word: str, seconds: float) -> None:
    """Start a script, and kill it a while after it has said a word."""
    process = script(source, cwd=home)
    assert process.stdout is not None
    assert await run_sync(process.stdout.readline) == word + "\n"
    with pytest.raises(subprocess.TimeoutExpired):
        await run_sync(process.wait, seconds)
    process.kill()
    await run_sync(process.communicate)


async def test_snapshots_that_were_listed_are_whole(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("0")
    source = (
        "import datmo, itertools, pathlib\n"
        "with datmo.open() as project:\n"
        "    print('working', flush=True)\n"
        "    for number in itertools.count():\n"
        "        pathlib.Path('train.py').write_text(f'{number} of {id(project)}')\n"
        "        pathlib.Path('model.bin').write_text(str(number))\n"
        "        project.snapshots.create(f'x{number}', filepaths=['model.bin'])\n"
    )
    async with datmo.aio.init(tmp_path):
        pass
    for seconds in (0.01, 0.05, 0.1, 0.2, 0.3, 0.4):
        await killed_after(source, tmp_path, "working", seconds)
        async with datmo.aio.open(tmp_path) as project:
            made = await project.snapshots.ls()
            code_ids = [each.code_id for each in made]
            assert await run_sync(lambda: project._workspace.code.missing(code_ids)) == []  # noqa: B023
            for each in [each for each in made if each.message.startswith("x")][:5]:
                (file,) = await each.files()
                assert file.read() == each.message.removeprefix("x")
            assert (await project.log.verify()).ok
            assert (await project.log.replay()).different == ()
            await project.snapshots.create("and on")


async def test_a_killed_init_can_be_done_again(tmp_path: Path) -> None:
    source = (
        "import datmo, datmo.engine.project, pathlib, itertools\n"
        "print('working', flush=True)\n"
        "for number in itertools.count():\n"
        "    folder = pathlib.Path(str(number))\n"
        "    folder.mkdir()\n"
        "    with datmo.init(folder):\n"
        "        pass\n"
    )
    for seconds in (0.01, 0.02, 0.05, 0.1):
        home = tmp_path / str(seconds)
        home.mkdir()
        await killed_after(source, home, "working", seconds)
        last = max((int(path.name) for path in home.iterdir()), default=None)
        if last is None:
            continue
        async with datmo.aio.init(home / str(last), name="again") as project:
            assert (await project.status()).name == "again"
            assert [each.name for each in await project.sessions.ls()] == ["default"]


async def test_a_log_without_a_project_is_finished_by_init(tmp_path: Path) -> None:
    """What a kill between the making of the file and the first append leaves."""
    (tmp_path / ".datmo").mkdir()
    async with EventLog.open(tmp_path / ".datmo" / "log.db", VIEWS, SCHEMAS):
        pass
    with pytest.raises(ProjectNotFound, match="not initialized") as caught:
        async with datmo.aio.open(tmp_path):
            pass
    assert "datmo init" in str(caught.value.hint)
    async with datmo.aio.init(tmp_path) as project:
        assert (await project.status()).name == tmp_path.name


async def test_a_cleanup_that_was_cut_short_can_be_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with datmo.aio.init(tmp_path) as project:
        await project.snapshots.create("x")
        await project.tasks.run("true")

    def cut_short(folder: Path) -> None:
        raise InterruptedError(folder)

    with monkeypatch.context() as patch:
        patch.setattr(datmo.engine.cleaning, "remove_tree", cut_short)
        with pytest.raises(InterruptedError):
            await datmo.aio.cleanup(tmp_path)
    assert (tmp_path / ".datmo" / "log.db").exists(), "the log goes last"
    await datmo.aio.cleanup(tmp_path)
    assert list(tmp_path.iterdir()) == []
