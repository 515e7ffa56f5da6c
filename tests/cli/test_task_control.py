"""`datmo task logs | inspect | stop | wait | recover`: what any process can do about a task."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync

import datmo.aio
from tests.cli.conftest import PROGRAM, Datmo, environment

pytestmark = pytest.mark.anyio


@pytest.fixture
async def orphan(run: Datmo, project: Path) -> AsyncIterator[str]:
    """A task that runs on after whoever ran it was killed; its id."""
    command = [
        *PROGRAM,
        "task",
        "run",
        "--",
        "sh",
        "-c",
        "echo begun; echo half >&2; until test -p go-on; do :; done; read line < go-on; echo accuracy: 1",
    ]
    supervisor = subprocess.Popen(
        command, cwd=project, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    async with datmo.aio.open(project) as other:
        seen = 0
        async for event in other.log.follow(after=0, types=["task.output"]):
            seen += event.data["size"]
            if seen >= len("begun\nhalf\n") + 2 * 5:
                break
        (task,) = await other.tasks.ls()
    supervisor.kill()
    await run_sync(supervisor.wait)
    yield task.id
    await run("task", "stop", "--all")


async def test_what_is_left_behind_is_said_with_a_way_out(run: Datmo, orphan: str) -> None:
    listed = await run("task", "ls")
    assert "RUNNING (unattended)" in listed.out
    assert "`datmo task recover` takes over" in listed.err
    left = await run("task", "recover", "--no-wait")
    assert (left.code, left.err) == (0, f"still unattended: {orphan[:4]}\n")
    known = await run("task", "inspect", orphan[:6], "--format", "json")
    assert (known.json["id"], known.json["status"], known.json["unattended"]) == (orphan, "RUNNING", True)
    page = await run("task", "inspect", orphan)
    assert "status       RUNNING (unattended)" in page.out


async def test_an_orphan_is_stopped(run: Datmo, orphan: str) -> None:
    done = await run("task", "stop", "--id", orphan[:6])
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines()[-1].startswith(f"task {orphan[:4]} STOPPED after ")
    again = await run("task", "stop", orphan)
    assert (again.code, again.err) == (0, f"task {orphan[:4]} has ended already: STOPPED\n")
    assert (await run("task", "wait", orphan)).code == 1
    assert (await run("task", "recover")).err == "no task is unattended\n"
    assert (await run("task", "stop", "--all")).err == "no tasks run\n"


async def test_what_it_printed_is_shown_in_order_or_one_stream_of_it(run: Datmo, orphan: str) -> None:
    shown = await run("task", "logs", orphan[:5])
    assert shown.out == "begun\nhalf\n"
    assert f"`datmo task logs {orphan[:5]} -f`" in shown.err
    assert (await run("task", "logs", orphan, "--stderr")).out == "half\n"
    assert (await run("task", "logs", orphan, "--since", "2999-01-01")).out == ""


async def test_following_an_orphan_takes_it_over(run: Datmo, project: Path, orphan: str) -> None:
    (code,) = (project / ".datmo" / "tasks" / orphan).glob("code")
    await anyio.run_process(["mkfifo", str(code / "go-on")])
    async with anyio.create_task_group() as workers:
        workers.start_soon(anyio.Path(code / "go-on").write_text, "on\n")
        shown = await run("task", "logs", "-f", orphan)
    assert shown.out == "begun\nhalf\naccuracy: 1\n"


@pytest.mark.parametrize("given", [[], ["7k2m", "--all"], ["7k2m", "--id", "7k2m"], ["--id", "7k2m", "-a"]])
async def test_what_to_stop_is_said_once(run: Datmo, project: Path, given: list[str]) -> None:
    done = await run("task", "stop", *given)
    assert done.code == 2
    assert done.err.splitlines()[0] == "error: say once what shall be stopped: an id, or --all"


@pytest.mark.parametrize("command", ["stop", "wait", "logs", "inspect"])
async def test_an_unknown_task_is_named(run: Datmo, project: Path, command: str) -> None:
    done = await run("task", command, "zzzz")
    assert done.code == 1
    assert "zzzz" in done.err.splitlines()[0]


async def test_what_does_not_end_by_itself_is_waited_for_with_a_word(run: Datmo, project: Path) -> None:
    await run("config", "set", "stop.grace", "2s")
    deaf = [*PROGRAM, "task", "run", "--", "sh", "-c", "trap '' TERM; echo begun; while :; do sleep 0.1; done"]
    with subprocess.Popen(deaf, cwd=project, env=environment(), stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        assert await run_sync(supervisor.stdout.readline) == b"begun\n"
        (task,) = (await run("task", "ls", "--format", "json")).json
        done = await run("task", "stop", task["id"])
        await run_sync(supervisor.wait)
    assert (done.code, done.err.splitlines()[0]) == (0, "asked to end; what has not done so after 2 s is killed")
