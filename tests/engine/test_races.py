"""Several processes, or several open projects, at the same thing at once."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync

import datmo.aio
from datmo.engine import running
from datmo.engine.building import Place, interpreter_for
from datmo.engine.workspace import Workspace
from datmo.errors import DatmoError, EntityNotFound
from datmo.projections.projection import Row
from tests.api.processes import script

pytestmark = pytest.mark.anyio


async def together(source: str, home: Path, times: int) -> list[str]:
    """Run a script in several processes that begin their work at the same moment; return what they printed."""
    processes = [script(source, cwd=home) for _ in range(times)]
    for process in processes:
        assert process.stdout is not None
        assert await run_sync(process.stdout.readline) == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = []
    for process in processes:
        out, wrong = await run_sync(lambda process=process: process.communicate(timeout=200))  # type: ignore[misc]
        assert process.returncode == 0, wrong
        said.append(out)
    return said


async def test_of_two_processes_that_create_the_same_session_one_wins(tmp_path: Path) -> None:
    source = (
        "import datmo\n"
        "from datmo.errors import Refused\n"
        "with datmo.open() as project:\n"
        "    print('ready', flush=True)\n"
        "    input()\n"
        "    for number in range(20):\n"
        "        try:\n"
        "            project.sessions.create(f's{number}')\n"
        "            print('made', number)\n"
        "        except Refused as error:\n"
        "            assert 'exists already' in str(error)\n"
        "            print('refused', number)\n"
    )
    async with datmo.aio.init(tmp_path) as project:
        said = await together(source, tmp_path, 2)
        lines = sorted(line for out in said for line in out.splitlines())
        assert lines == sorted(f"{word} {number}" for word in ("made", "refused") for number in range(20))
        assert len(await project.sessions.ls()) == 21
        assert (await project.log.replay()).different == ()


async def test_of_several_processes_that_initialize_a_folder_one_makes_the_project(tmp_path: Path) -> None:
    source = (
        "import datmo, datmo.engine.project\n"
        "print('ready', flush=True)\n"
        "input()\n"
        "with datmo.init(name='iris') as project:\n"
        "    print(project.id, [session.name for session in project.sessions.ls()])\n"
    )
    said = await together(source, tmp_path, 4)
    assert len(set(said)) == 1
    async with datmo.aio.open(tmp_path) as project:
        assert said[0].split()[0] == project.id
        initialized = [event async for event in project.log.read(types=["project.initialized"])]
    assert len(initialized) == 1


async def test_the_current_session_is_never_a_deleted_one(tmp_path: Path) -> None:
    async with datmo.aio.init(tmp_path) as one, datmo.aio.open(tmp_path) as other:

        async def delete(name: str) -> None:
            try:
                await other.sessions.delete(name)
            except DatmoError:
                return

        async def select(name: str) -> None:
            try:
                await one.sessions.select(name)
            except DatmoError:
                return

        for number in range(40):
            name = f"s{number}"
            await one.sessions.create(name, current=bool(number % 2))
            async with anyio.create_task_group() as workers:
                workers.start_soon(delete, name)
                workers.start_soon(select, name)
            assert [session.current for session in await one.sessions.ls()].count(True) == 1
            await one.sessions.current()


async def test_a_task_is_not_run_in_a_session_that_was_deleted_while_it_was_made_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with datmo.aio.init(tmp_path) as project:
        await project.sessions.create("sweeps")

        async def slow(workspace: Workspace, environment: Row) -> Place:
            await project.sessions.delete("sweeps")
            return await interpreter_for(workspace, environment)

        monkeypatch.setattr(running, "interpreter_for", slow)
        with pytest.raises(EntityNotFound, match="session"):
            await project.tasks.run("true", session_id="sweeps")
        assert [event.type async for event in project.log.read(types=["task.*"])] == []


async def test_snapshots_and_tasks_of_many_at_once_are_all_there(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('loss: 1')\n")
    source = (
        "import json, datmo\n"
        "with datmo.open() as project:\n"
        "    print('ready', flush=True)\n"
        "    input()\n"
        "    made = [project.snapshots.create(f'x{number}').id for number in range(5)]\n"
        "    ran = [project.tasks.run('python train.py') for number in range(3)]\n"
        "    assert all(task.results == {'loss': 1} for task in ran)\n"
        "    print(json.dumps([made, [task.id for task in ran]]))\n"
    )
    async with datmo.aio.init(tmp_path) as project:
        said = [json.loads(out) for out in await together(source, tmp_path, 3)]
        assert {each.id for each in await project.snapshots.ls()} == {each for made, _ in said for each in made}
        assert {each.id for each in await project.tasks.ls()} == {each for _, ran in said for each in ran}
        assert len({each.code_id for each in await project.snapshots.ls()}) == 1
        assert (await project.log.verify()).ok
        assert (await project.log.replay()).different == ()


async def test_many_tasks_of_one_process_do_not_mix(tmp_path: Path) -> None:
    async with datmo.aio.init(tmp_path) as project:

        async def run(number: int) -> None:
            task = await project.tasks.run(["sh", "-c", f"seq {number} {number + 50}; echo number: {number}"])
            assert task.results == {"number": number}
            expected = [str(each) for each in range(number, number + 51)]
            assert (await task.logs()).splitlines() == [*expected, f"number: {number}"]

        async with anyio.create_task_group() as workers:
            for number in range(8):
                workers.start_soon(run, number * 100)
        assert len(await project.tasks.ls()) == 8
