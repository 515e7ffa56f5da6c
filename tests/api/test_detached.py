"""Tasks that a process of their own runs: they outlive whoever asked for them, and any process reaches them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from anyio.to_thread import run_sync

import datmo.aio
from datmo.aio import TaskOptions, TaskSpec
from datmo.errors import BuildFailed, EntityNotFound, InvalidArgument
from tests.api.conftest import Said
from tests.api.face import Face
from tests.api.processes import Signpost, script, what_is_wrong

pytestmark = pytest.mark.anyio


async def test_they_outlive_whoever_asked(home: Path, tmp_path: Path) -> None:
    signpost = Signpost(tmp_path)
    command = signpost.command()
    async with datmo.aio.init(home, name="iris") as project:
        source = f"import datmo\nwith datmo.open() as project: print(project.tasks.detach([{command!r}, 'true'])[0].id)"
        asking = script(source, cwd=home, start_new_session=True)
        said, wrong = await run_sync(asking.communicate)
        assert what_is_wrong(wrong) == ""
        task_id = said.strip()
        await run_sync(signpost.wait)
        # Nothing is left of the session of whoever asked; its terminal could be closed by now.
        assert asking.pid not in _sessions()
        assert not (await project.tasks.get(task_id)).unattended
        stopped = await project.tasks.stop(task_id)
        assert (stopped.status, await stopped.logs()) == ("STOPPED", "running\n")
        assert [task.status for task in await project.tasks.ls()] == ["SUCCESS", "STOPPED"]


def _sessions() -> set[int]:
    found = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):  # it has ended meanwhile
            found.add(os.getsid(int(name)))
    return found


async def test_they_are_given_all_that_they_would_be_given_here(
    face: Face, project: Any, said: Said, tmp_path: Path
) -> None:
    (tmp_path / "iris.csv").write_text("setosa\n")
    options = TaskOptions(data=[tmp_path / "iris.csv"], variables={"API_KEY": "hush"}, workdir=".", timeout="1m")
    script = "cat $DATMO_DATA_DIR/iris.csv; echo length: ${#API_KEY}; echo lr: {lr}"
    spec = TaskSpec(["sh", "-c", script], parameters={"lr": 0.5}, name="one")
    (task,) = await project.tasks.detach([spec], options=options)
    assert "captured code" in said.text
    (ended,) = await project.tasks.wait(task.id)
    assert await face.logs(ended) == "setosa\nlength: 4\nlr: 0.5\n"
    assert await face.value(ended, "name") == "one"
    assert await face.value(ended, "config") == {"lr": 0.5}


async def test_what_cannot_be_is_refused_here(face: Face, project: Any, home: Path) -> None:
    assert await project.tasks.detach([]) == []
    with pytest.raises(InvalidArgument):
        await project.tasks.detach(["true"], limit=0)
    with pytest.raises(EntityNotFound) as missing:
        await project.tasks.detach(["true"], session_id="nowhere")
    assert missing.value.given == "nowhere"
    (home / "requirements.txt").write_text("no-such-package-anywhere==1.0\n")
    with pytest.raises(BuildFailed) as failed:
        await project.tasks.detach(["true"])
    assert failed.value.output
    assert await project.tasks.ls() == []
