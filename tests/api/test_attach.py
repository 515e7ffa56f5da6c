"""The live screen of a task, from any process: what has no end of a line yet is on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync

import datmo
import datmo.aio
from datmo.aio import TaskOptions
from datmo.errors import InvalidArgument, Refused
from datmo.runner.executors.docker import DockerExecutor
from tests.api.processes import Signpost, script

pytestmark = pytest.mark.anyio


async def shown(screen: Any, text: bytes) -> bytes:
    """Read until a text has come."""
    found = b""
    with anyio.move_on_after(60):
        while text not in found:
            part = await screen.read()
            assert part is not None, found
            found += part[1]
    assert text in found
    return found


async def to_the_end(screen: Any) -> bytes:
    found = b""
    while (part := await screen.read()) is not None:
        found += part[1]
    return found


@pytest.mark.parametrize("executor", ["process", "docker"])
async def test_a_progress_bar_shows_at_once_and_leaving_leaves_it_running(
    home: Path, base_image: str, executor: str
) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\n")
    moving = "until test -e $DATMO_TASK_DIR/go; do printf '50 %%\\r'; sleep 0.1; done"
    (home / "bar.sh").write_text(f"echo begun; {moving}\n")
    async with datmo.aio.init(home, name="iris") as project:
        async with project.tasks.start([["sh", "bar.sh"]], executor=executor) as running:
            async with datmo.aio.open(home) as other, other.tasks.attach(running.ids[0][:8]) as screen:
                assert not screen.interactive
                assert await shown(screen, b"50 %\r")
            (home / ".datmo" / "tasks" / running.ids[0] / "files" / "go").touch()
            (ended,) = [task async for task in running.finished()]
        assert ended.status == "SUCCESS"
        assert (await ended.logs()).startswith("begun\n50 %\r")
        with pytest.raises(Refused, match="has ended"):
            async with project.tasks.attach(ended.id):
                pass
    await datmo.aio.cleanup(home)


async def test_what_is_typed_reaches_a_terminal_and_its_screen_is_recorded(home: Path, base_image: str) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\n")
    options = TaskOptions(interactive=True)
    async with datmo.aio.init(home, name="iris") as project:
        async with project.tasks.start([""], options=options) as running:
            async with project.tasks.attach(running.ids[0]) as screen:
                assert screen.interactive
                await screen.resize(33, 99)
                await screen.write(b"stty size; read name\n")
                await shown(screen, b"33 99\r\n")
                await screen.write(b"Ada\necho hello: $name; exit 4\n")
                assert b"hello: Ada\r\n" in await to_the_end(screen)
            (ended,) = [task async for task in running.finished()]
        assert (ended.status, ended.exit_code) == ("FAILED", 4)
        assert "hello: Ada\r\n" in await ended.logs()
        assert ended.results == {}  # whatever somebody types is no result
        assert (await project.tasks.inspect(ended.id))["options"]["interactive"] is True
    await datmo.aio.cleanup(home)


async def test_one_that_ends_while_somebody_comes_to_look_has_ended(
    home: Path, base_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\n")
    options = TaskOptions(interactive=True)
    async with (
        datmo.aio.init(home, name="iris") as project,
        datmo.aio.open(home) as other,
        project.tasks.start([["sh", "-c", "read x"]], options=options) as running,
        project.tasks.attach(running.ids[0]) as screen,
    ):
        get = other._executors.get

        async def slowly(name: str) -> Any:
            await screen.write(b"\n")
            async for _ in running.finished():
                pass
            return await get(name)

        monkeypatch.setattr(other._executors, "get", slowly)
        with pytest.raises(Refused, match="has ended"):
            async with other.tasks.attach(running.ids[0]):
                pass
    await datmo.aio.cleanup(home)


async def test_one_whose_supervisor_was_killed_is_finished_with_all_that_was_on_its_terminal(
    home: Path, base_image: str
) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\n")
    source = (
        "import datmo\nfrom datmo.task import TaskOptions\n"
        "datmo.task.run(['sh', '-c', 'seq 3000; read x; seq 3000'], options=TaskOptions(interactive=True))"
    )
    async with datmo.aio.init(home, name="iris") as project:
        supervisor = script(source, cwd=home)
        async for _ in project.log.follow(after=0, types=["task.output"]):
            break
        supervisor.kill()
        await run_sync(supervisor.communicate)
        (task,) = await project.tasks.ls()
        async with project.tasks.attach(task.id) as screen:  # which takes it over, too
            await screen.write(b"\n")
            await to_the_end(screen)
        (ended,) = await project.tasks.wait(task.id)
        numbers = [line for line in (await ended.logs()).split() if line.isdigit()]
        assert (ended.status, numbers) == ("SUCCESS", 2 * [str(number) for number in range(1, 3001)])
        async with DockerExecutor() as docker:
            assert await docker.containers(f"datmo.task={task.id}") == []
    await datmo.aio.cleanup(home)


async def test_a_process_has_no_terminal(home: Path) -> None:
    async with datmo.aio.init(home, name="iris") as project:
        with pytest.raises(InvalidArgument, match="terminal"):
            await project.tasks.run("python", options=TaskOptions(interactive=True))


def test_the_sync_api_attaches_too(home: Path, tmp_path: Path) -> None:
    signpost = Signpost(tmp_path)
    with datmo.init(home, name="iris") as project, project.tasks.start([signpost.command()]) as running:
        signpost.wait()
        with project.tasks.attach(running.ids[0]) as screen:
            assert screen.read() == (1, b"running\n")
            screen.resize(10, 10)
        project.tasks.stop(running.ids[0])
