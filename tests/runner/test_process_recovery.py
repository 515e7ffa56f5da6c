"""Tasks as processes outlive who started them: supervisors and keepers are killed for real."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from datmo.runner.executors.base import Ended, RunSpec
from datmo.runner.witness import witness
from tests.runner.processes import Tasks, session, streams, tasks_below

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.anyio


@pytest.fixture
def tasks(tmp_path: Path) -> Iterator[Tasks]:
    with tasks_below(tmp_path / "tasks") as made:
        yield made


async def test_a_keeper_that_was_killed_takes_its_task_along(tasks: Tasks) -> None:
    handle = await tasks.executor.start(tasks.spec("sh", "-c", "echo ready; sleep 1000; :"))
    await tasks.until_it_says(handle, b"ready\n")
    os.kill(handle["pid"], signal.SIGKILL)

    assert await tasks.executor.wait(handle) == Ended(None, "its keeper was killed")
    assert await tasks.said(handle, follow=True) == (b"ready\n", b"")
    assert await session(handle["pid"]) == []
    assert await tasks.executor.wait(handle) == Ended(None, "its keeper was killed")


async def test_a_task_from_before_the_machine_was_restarted_is_over(tasks: Tasks) -> None:
    handle = await tasks.executor.start(tasks.spec("sleep", "1000"))
    before = {**handle, "boot_id": "another"}

    assert await tasks.executor.wait(before) == Ended(None, "the machine was restarted")
    await tasks.executor.stop(handle, grace=10)


SUPERVISOR = """
import json, sys
from contextlib import aclosing
from pathlib import Path
import anyio
from datmo.runner.executors.base import RunSpec
from datmo.runner.executors.process import ProcessExecutor

async def main():
    root, task_id, *argv = sys.argv[1:]
    folder = Path(root, task_id)
    spec = RunSpec(task_id=task_id, argv=tuple(argv), folder=folder, code=folder / "code", files=folder / "files")
    executor = ProcessExecutor(Path(root))
    handle = await executor.start(spec)
    print(json.dumps(dict(handle)), flush=True)
    async with aclosing(executor.output(handle, 0, follow=True)) as chunks:
        async for chunk in chunks:
            print(json.dumps([chunk.frames.hex(), chunk.cursor]), flush=True)

anyio.run(main)
"""

CHATTER = (
    "import sys\nfor n in range(1000): print('out', n); print('err', n, file=sys.stderr)\n"
    "open('go').read()\nfor n in range(1000, 2000): print('out', n); print('err', n, file=sys.stderr)\nsys.exit(7)"
)


def supervise(tasks: Tasks, spec: RunSpec, **more: Any) -> subprocess.Popen[bytes]:
    os.mkfifo(spec.code / "go")
    words = [sys.executable, "-c", SUPERVISOR, str(tasks.root), spec.task_id, *spec.argv]
    return subprocess.Popen(words, stdout=subprocess.PIPE, **more)


async def test_a_task_outlives_its_supervisor_and_is_read_to_its_end_exactly_once(tasks: Tasks) -> None:
    spec = tasks.spec(sys.executable, "-c", CHATTER)
    with supervise(tasks, spec) as supervisor:
        assert supervisor.stdout is not None
        handle = json.loads(supervisor.stdout.readline())
        frames, cursor = b"", 0
        while b"out 500\n" not in streams(frames)[0]:
            more, cursor = json.loads(supervisor.stdout.readline())
            frames += bytes.fromhex(more)
        supervisor.kill()

    assert await tasks.executor.find(spec.task_id, spec.folder) == {
        name: value for name, value in handle.items() if name != "child"
    }
    (spec.code / "go").write_bytes(b"")
    frames += await tasks.frames(handle, cursor, follow=True)

    assert streams(frames) == (
        b"".join(b"out %d\n" % n for n in range(2000)),
        b"".join(b"err %d\n" % n for n in range(2000)),
    )
    assert (await tasks.executor.wait(handle))[:2] == (7, None)
    assert await session(handle["pid"]) == []


async def test_a_task_that_ended_meanwhile_is_found_with_its_exit_code(tasks: Tasks) -> None:
    spec = tasks.spec(sys.executable, "-c", CHATTER)
    with supervise(tasks, spec) as supervisor:
        assert supervisor.stdout is not None
        keeper = json.loads(supervisor.stdout.readline())["pid"]
        supervisor.kill()
    (spec.code / "go").write_bytes(b"")
    while await session(keeper):
        pass

    handle = await tasks.executor.find(spec.task_id, spec.folder)
    assert handle is not None
    assert (await tasks.executor.wait(handle)).exit_code == 7
    assert len((await tasks.said(handle))[0].splitlines()) == 2000


async def test_a_task_survives_a_closed_terminal(tasks: Tasks) -> None:
    spec = tasks.spec(sys.executable, "-c", CHATTER)
    master, terminal = pty.openpty()
    script = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n" + SUPERVISOR
    os.mkfifo(spec.code / "go")
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tasks.root), spec.task_id, *spec.argv],
        stdin=terminal,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as supervisor:
        os.close(terminal)
        assert supervisor.stdout is not None
        handle = json.loads(supervisor.stdout.readline())
        os.close(master)
        supervisor.stdout.read()

    assert supervisor.returncode == -signal.SIGHUP
    (spec.code / "go").write_bytes(b"")
    assert (await tasks.executor.wait(handle)).exit_code == 7
    assert len((await tasks.said(handle))[1].splitlines()) == 2000


async def test_a_project_that_was_moved_keeps_its_tasks(tasks: Tasks, tmp_path: Path) -> None:
    spec = tasks.spec("sh", "-c", "echo hi; exit 2")
    handle = await tasks.executor.start(spec)
    await tasks.executor.wait(handle)
    tasks.root.rename(tmp_path / "moved")
    moved = Tasks(tmp_path / "moved")

    assert (await moved.executor.wait(handle)).exit_code == 2
    assert await moved.said(handle) == (b"hi\n", b"")


async def test_a_task_that_never_started_is_not_found(tasks: Tasks) -> None:
    spec = tasks.spec("true")

    assert await tasks.executor.find(spec.task_id, spec.folder) is None


async def test_a_keeper_that_was_never_told_what_to_run_started_nothing(tasks: Tasks) -> None:
    spec = tasks.spec("true")
    with subprocess.Popen(["true"]) as gone:
        seen = await anyio.to_thread.run_sync(witness, gone.pid)
        (spec.folder / "keeper").write_text(json.dumps(seen._asdict()))
    handle = await tasks.executor.find(spec.task_id, spec.folder)
    assert handle is not None

    assert await tasks.said(handle, follow=True) == (b"", b"")
    assert await tasks.executor.wait(handle) == Ended(None, "it was never started")
