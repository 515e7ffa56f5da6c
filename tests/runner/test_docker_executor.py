"""Tasks in containers, on the real engine."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import time
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from aiodocker import Docker

from datmo.errors import EngineUnreachable, StartFailed
from datmo.runner.executors.base import Ended, PortMapping
from datmo.runner.executors.docker import DockerExecutor
from datmo.runner.executors.docker_config import TASK_LABEL, container_name
from tests.runner.conftest import read, read_to_the_end, text
from tests.runner.engine_proxy import engine_proxy

if TYPE_CHECKING:
    from pathlib import Path

    from datmo.runner.executors.base import Handle, RunSpec
    from tests.runner.conftest import Tasks

pytestmark = pytest.mark.anyio

SOMEONE = 12345

LOOK = """
import getpass, json, os
print(json.dumps({
    "env": dict(os.environ), "cwd": os.getcwd(), "user": [os.getuid(), os.getgid(), getpass.getuser()],
    "data": sorted(os.listdir("/data")), "iris": open("/data/iris/a.csv").read(),
}))
open("/task/result.txt", "w").write("1")
open("model.pkl", "w").write("2")
open(os.path.expanduser("~/cache"), "w").write("3")
for place in ("/data/iris/a.csv", "/data/new"):
    try:
        open(place, "w")
    except OSError as error:
        print(place, error.strerror)
"""


@pytest.fixture
def someone(monkeypatch: pytest.MonkeyPatch) -> int | None:
    """Make a caller that is root a mere user; one that is not is taken as it is."""
    if os.getuid() != 0:
        return None
    monkeypatch.setattr(os, "getuid", lambda: SOMEONE)
    monkeypatch.setattr(os, "getgid", lambda: SOMEONE)
    return SOMEONE


def owner(path: Path) -> int:
    return path.lstat().st_uid


async def nothing_is_left(tasks: Tasks, spec: RunSpec) -> bool:
    return await tasks.executor.find(spec.task_id, spec.folder) is None


async def test_a_task_sees_its_folders_and_variables_and_its_files_are_the_callers(
    tasks: Tasks, someone: int | None, tmp_path: Path
) -> None:
    (tmp_path / "iris").mkdir()
    (tmp_path / "iris" / "a.csv").write_text("5.1,3.5")
    spec = tasks.spec("python", "-c", LOOK, owner=someone, data={"iris": tmp_path / "iris"}, variables={"LR": "0.1 é"})
    handle = await tasks.executor.start(spec)
    ended = await tasks.executor.wait(handle)
    first, *refusals = text(await read(tasks.executor, handle)).decode().splitlines()
    seen = json.loads(first)
    assert ended.exit_code == 0
    assert (seen["cwd"], seen["data"], seen["iris"]) == ("/home", ["iris"], "5.1,3.5")
    assert seen["user"] == [os.getuid(), os.getgid(), "datmo"]
    wanted = {"DATMO_TASK_ID": spec.task_id, "DATMO_TASK_DIR": "/task", "DATMO_DATA_DIR": "/data"}
    assert {**wanted, "LR": "0.1 é", "PYTHONUNBUFFERED": "1"}.items() <= seen["env"].items()
    assert refusals[0] == "/data/iris/a.csv Read-only file system"
    for made in (spec.files / "result.txt", spec.code / "model.pkl", spec.folder / "home" / "cache"):
        assert owner(made) == os.getuid()


async def test_the_data_folder_is_there_without_data(tasks: Tasks) -> None:
    ended, out, _ = await tasks.run("ls", "-A", "/data")
    assert (ended.exit_code, out) == (0, b"")


async def test_what_root_made_is_handed_back_to_the_caller(tasks: Tasks, someone: int | None) -> None:
    make = "mkdir -m 700 /task/deep && echo 1 > /task/deep/file && ln -s /etc/passwd /task/link && echo 2 > mine"
    spec = tasks.spec("sh", "-c", make, owner=someone, user="root")
    untouched = spec.code / "lib" / "untouched"
    untouched.parent.mkdir()
    untouched.touch()
    if someone is not None:
        os.chown(untouched.parent, someone, someone)
        os.chown(untouched, someone, someone)
    before = untouched.stat()
    handle = await tasks.executor.start(spec)
    assert (await tasks.executor.wait(handle)).exit_code == 0
    made = [spec.files / "deep", spec.files / "link", spec.code / "mine"]
    assert [owner(path) for path in made] == [0, 0, 0]
    await tasks.executor.hand_back(spec)
    assert {owner(path) for path in [*made, spec.files / "deep" / "file"]} == {os.getuid()}
    assert untouched.stat() == before
    assert await tasks.executor.containers(f"{TASK_LABEL}.owner={spec.task_id}") == []


async def test_folders_that_the_task_gave_away_themselves_are_handed_back(tasks: Tasks, someone: int | None) -> None:
    spec = tasks.spec("sh", "-c", "echo 1 > mine && chown 7 /home /task", owner=someone, user="root")
    handle = await tasks.executor.start(spec)
    assert (await tasks.executor.wait(handle)).exit_code == 0
    await tasks.executor.hand_back(spec)
    assert {owner(path) for path in (spec.code, spec.files, spec.code / "mine")} == {os.getuid()}


async def test_a_handing_back_that_was_killed_is_done_again(tasks: Tasks, engine: str, someone: int | None) -> None:
    spec = tasks.spec("sh", "-c", "echo 1 > mine", owner=someone, user="root")
    handle = await tasks.executor.start(spec)
    assert (await tasks.executor.wait(handle)).exit_code == 0
    label = f"{TASK_LABEL}.owner"
    config = {"Image": spec.image, "Cmd": ["true"], "Labels": {label: spec.task_id}}
    async with Docker(engine) as docker:
        await docker.containers.create(config, name=f"{container_name(spec.task_id)}-owner")
    await tasks.executor.hand_back(spec)
    assert owner(spec.code / "mine") == os.getuid()
    assert await tasks.executor.containers(f"{label}={spec.task_id}") == []


async def test_what_cannot_be_looked_at_is_handed_back_too(
    tasks: Tasks, someone: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tasks.spec("sh", "-c", "mkdir lib && echo 1 > lib/mine", owner=someone, user="root")
    handle = await tasks.executor.start(spec)
    assert (await tasks.executor.wait(handle)).exit_code == 0
    look = os.stat

    def refusing(path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        if dir_fd is not None and path == "lib":  # as in a folder without the bit to enter it; root may look anywhere
            raise PermissionError
        return look(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", refusing)
        await tasks.executor.hand_back(spec)
    assert {owner(path) for path in (spec.code / "lib", spec.code / "lib" / "mine")} == {os.getuid()}


@pytest.mark.parametrize("code", [0, 3, 255])
async def test_the_exit_code_is_the_commands(tasks: Tasks, code: int) -> None:
    before = time.time_ns() // 1000 - 1000
    ended, _, _ = await tasks.run("sh", "-c", f"exit {code}")
    assert ended[:2] == (code, None)
    assert ended.started_us is not None
    assert ended.ended_us is not None
    now = time.time_ns() // 1000 + 1000
    assert before < ended.started_us < now  # of a short run the engine may note it after the end
    assert before < ended.ended_us < now


async def test_a_command_that_is_not_there_or_cannot_be_executed_fails_and_leaves_nothing(
    tasks: Tasks,
) -> None:
    for code, command in ((127, "no-such-command"), (126, "/task/script")):
        spec = tasks.spec(command)
        (spec.files / "script").write_text("#!/bin/sh\n")
        with pytest.raises(StartFailed, match=command) as failure:
            await tasks.executor.start(spec)
        assert failure.value.code == code
        assert await nothing_is_left(tasks, spec)


async def test_an_image_that_the_engine_does_not_have_is_named_and_not_pulled(tasks: Tasks) -> None:
    spec = tasks.spec("true", image="datmo/no-such-image:1")
    with pytest.raises(StartFailed, match="the engine has no image datmo/no-such-image:1"):
        await tasks.executor.start(spec)
    assert await nothing_is_left(tasks, spec)


async def test_a_missing_gpu_or_network_or_folder_is_a_clear_failure(tasks: Tasks) -> None:
    for more, words in (
        ({"gpus": "all"}, "no GPU can be given"),
        ({"network": "no-such-network"}, "network no-such-network not found"),
        ({"code": tasks.folder / "gone"}, "the folder to mount does not exist"),
    ):
        spec = dataclasses.replace(tasks.spec("true"), **more)
        with pytest.raises(StartFailed, match=words):
            await tasks.executor.start(spec)
        assert await nothing_is_left(tasks, spec)


async def test_a_port_is_reached_on_the_loopback_only_and_cannot_be_given_twice(tasks: Tasks) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ports = (PortMapping(port, 80),)
    handle = await tasks.start("python", "-m", "http.server", "80", ports=ports)
    await printed(tasks.executor, handle)  # once it serves
    assert await answers("127.0.0.1", port)
    found = await inspect(tasks.executor, handle)
    assert found["NetworkSettings"]["Ports"]["80/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(port)}]
    gateway = found["NetworkSettings"]["Gateway"]
    assert not await answers(gateway, port)
    spec = tasks.spec("true", ports=ports)
    with pytest.raises(StartFailed, match=rf"port 127\.0\.0\.1:{port} is already in use"):
        await tasks.executor.start(spec)
    assert await nothing_is_left(tasks, spec)
    await tasks.executor.remove(handle)


async def answers(host: str, port: int) -> bool:
    try:
        async with await anyio.connect_tcp(host, port) as stream:
            await stream.send(b"GET / HTTP/1.0\r\n\r\n")
            return (await stream.receive()).startswith(b"HTTP/")
    except (OSError, anyio.EndOfStream, anyio.BrokenResourceError):
        return False


async def inspect(executor: DockerExecutor, handle: Handle) -> dict[str, Any]:
    async with Docker(executor.url) as docker:
        return await docker.containers.container(handle["container"]).show()


async def test_a_task_beyond_its_memory_ends_with_the_reason(tasks: Tasks) -> None:
    ended, _, _ = await tasks.run("python", "-c", "x = bytearray(200 << 20)", memory=32 << 20)
    assert ended[:2] == (137, "out of memory: its limit was 32 MiB")


async def test_a_stopped_task_may_end_in_its_own_way(tasks: Tasks) -> None:
    handle = await tasks.start("sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done")
    await printed(tasks.executor, handle)
    await tasks.executor.stop(handle, grace=10)
    assert (await tasks.executor.wait(handle))[:2] == (3, None)
    assert text(await read(tasks.executor, handle)) == b"up\nbye\n"
    await tasks.executor.stop(handle, grace=10)


async def test_a_task_that_does_not_obey_is_killed_after_the_grace(tasks: Tasks) -> None:
    handle = await tasks.start("sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done")
    await printed(tasks.executor, handle)
    await tasks.executor.stop(handle, grace=0.1)
    assert (await tasks.executor.wait(handle))[:2] == (137, None)


async def printed(executor: DockerExecutor, handle: Handle) -> None:
    """Return when the task has printed something."""
    with anyio.fail_after(60):
        async with aclosing(executor.output(handle, 0, follow=True)) as chunks:
            await anext(chunks)


async def test_a_task_is_found_again_by_its_id(tasks: Tasks, engine: str) -> None:
    spec = tasks.spec("sleep", "60")
    assert await nothing_is_left(tasks, spec)
    handle = await tasks.executor.start(spec)
    async with DockerExecutor(engine) as another:
        assert await another.find(spec.task_id, spec.folder) == handle
        assert [each.state for each in await another.containers(f"{TASK_LABEL}={spec.task_id}")] == ["running"]
        await another.remove(handle)
        await another.remove(handle)
    assert await nothing_is_left(tasks, spec)
    assert await tasks.executor.wait(handle) == Ended(None, "the container is gone")


async def test_whoever_removes_it_returns_when_it_is_gone(tasks: Tasks) -> None:
    spec = tasks.spec("sleep", "600")
    handle = await tasks.executor.start(spec)
    left: list[bool] = []

    async def remove() -> None:
        await tasks.executor.remove(handle)
        left.append(bool(await tasks.executor.containers(f"{TASK_LABEL}={spec.task_id}")))

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(remove)
    assert left == [False] * 8


async def test_a_container_that_was_made_and_never_started_is_not_a_success(tasks: Tasks, engine: str) -> None:
    spec = tasks.spec("true")
    config = {"Image": spec.image, "Cmd": ["true"], "Labels": {TASK_LABEL: spec.task_id}}
    async with Docker(engine) as docker:
        await docker.containers.create(config, name=container_name(spec.task_id))
    handle = await tasks.executor.find(spec.task_id, spec.folder)
    assert handle is not None
    assert await tasks.executor.wait(handle) == Ended(None, "the container was never started")


async def test_a_start_that_is_cancelled_leaves_nothing(tasks: Tasks) -> None:
    for seconds in (0.0, 0.005, 0.02, 0.05):
        spec = tasks.spec("sleep", "60")
        with anyio.move_on_after(seconds) as scope:
            await tasks.executor.start(spec)
        assert scope.cancelled_caught
        assert await nothing_is_left(tasks, spec)


async def test_waiting_survives_an_engine_that_goes_away(
    tasks: Tasks, engine: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    notices: list[str] = []
    said = anyio.Event()

    def notice(line: str) -> None:
        notices.append(line)
        said.set()

    async with engine_proxy(engine, tmp_path_factory.mktemp("s") / "s") as proxy:
        direct = await tasks.start("sh", "-c", "echo up; while :; do sleep 0.05; done")
        handle = {**direct, "engine": proxy.url}
        ends: list[Ended] = []
        async with DockerExecutor(proxy.url, notice=notice) as executor:

            async def wait() -> None:
                ends.append(await executor.wait(handle))

            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await printed(executor, handle)
                await proxy.shut()
                async with Docker(engine) as docker:
                    await docker.containers.container(direct["container"]).kill()
                with anyio.fail_after(60):
                    await said.wait()
                await proxy.open()
    assert ends[0][:2] == (137, "the Docker engine was restarted")
    assert notices[0].startswith(f"no Docker engine answers at {proxy.url} (")
    assert notices[1:] == ["the Docker engine answers again"]


async def test_a_stop_waits_for_an_engine_that_went_away(
    tasks: Tasks, engine: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    said = anyio.Event()
    async with engine_proxy(engine, tmp_path_factory.mktemp("s") / "s") as proxy:
        direct = await tasks.start("sh", "-c", "echo up; while :; do sleep 0.05; done")
        handle = {**direct, "engine": proxy.url}
        async with DockerExecutor(proxy.url, notice=lambda _: said.set()) as executor:
            await printed(executor, handle)
            await proxy.shut()
            async with anyio.create_task_group() as group:
                group.start_soon(partial(executor.stop, handle, grace=0))
                with anyio.fail_after(60):
                    await said.wait()
                await proxy.open()
            ended = await executor.wait(handle)
    assert ended.exit_code == 137


async def test_no_engine_is_said_in_one_line_with_a_way_out(tasks: Tasks, tmp_path: Path) -> None:
    missing = f"unix://{tmp_path}/none.sock"
    async with DockerExecutor(missing) as executor:
        with pytest.raises(EngineUnreachable) as error:
            await executor.start(tasks.spec("true"))
    assert error.value.message == f"no Docker engine answers at {missing} (No such file or directory)"
    assert error.value.hint == ("start it, point DOCKER_HOST at another, or run without containers: --executor process")


async def test_a_task_of_another_engine_is_not_taken_for_gone(tasks: Tasks) -> None:
    handle = {"container": "0" * 64, "engine": "unix:///elsewhere.sock"}
    with pytest.raises(EngineUnreachable, match=r"the task runs on the engine at unix:///elsewhere\.sock"):
        await tasks.executor.wait(handle)


async def test_more_tasks_than_a_client_has_connections_by_default_run_at_once(tasks: Tasks) -> None:
    handle = await tasks.start("sh", "-c", "echo up; while :; do sleep 0.05; done")
    async with anyio.create_task_group() as group:
        for _ in range(110):
            group.start_soon(tasks.executor.wait, handle)
        await printed(tasks.executor, handle)
        with anyio.fail_after(60):
            await tasks.executor.stop(handle, grace=0)


async def test_the_engine_is_that_of_docker_host_else_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert DockerExecutor().url == "tcp://127.0.0.1:1"
    monkeypatch.setenv("DOCKER_HOST", "")
    assert DockerExecutor().url == "unix:///var/run/docker.sock"
    async with DockerExecutor("tcp://127.0.0.1:1") as executor:
        with pytest.raises(EngineUnreachable, match="no Docker engine answers at tcp://127"):
            await executor.ping()
    with pytest.raises(EngineUnreachable, match="only unix:// and tcp:// addresses"):
        async with DockerExecutor("ssh://me@elsewhere"):
            pass


@pytest.mark.parametrize("late", [True, False])
async def test_the_screen_of_what_has_ended_comes_to_its_end(tasks: Tasks, engine: str, late: bool) -> None:
    handle = await tasks.start("sh", "-c", "echo last", interactive=True)
    await tasks.executor.wait(handle)
    shown = b""
    async with DockerExecutor(engine) as another, (another if late else tasks.executor).screen(handle) as screen:
        while (part := await screen.read()) is not None:
            shown += part[1]
    assert shown == b"last\r\n"


async def test_a_terminal_that_nobody_looks_at_holds_nothing_up(tasks: Tasks) -> None:
    handle = await tasks.python(r"import sys; sys.stdout.write(('x' * 79 + '\n') * 60_000)", interactive=True)
    with anyio.fail_after(120):  # it would wait for ever
        chunks = await read_to_the_end(tasks.executor, handle)
        assert (await tasks.executor.wait(handle)).exit_code == 0
    assert len(text(chunks)) == 81 * 60_000


async def test_a_screen_ends_where_the_engine_goes_away_and_the_task_runs_on(
    tasks: Tasks, engine: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with engine_proxy(engine, tmp_path_factory.mktemp("s") / "s") as proxy:
        direct = await tasks.start("sh", "-c", "echo up; while :; do sleep 0.05; done", interactive=True)
        async with DockerExecutor(proxy.url) as executor, executor.screen({**direct, "engine": proxy.url}) as screen:
            assert await screen.read() is not None
            await proxy.shut()
            with anyio.fail_after(60):
                while await screen.read() is not None:
                    pass
        await proxy.open()
    assert await tasks.executor.running(direct)
