"""Tasks as processes of this machine, from their start to their removal."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from datmo.core.frames import split_frames
from datmo.errors import InvalidArgument, StartFailed
from datmo.runner.executors.base import Ended, PortMapping
from datmo.runner.executors.process_start import child_environment
from tests.runner.processes import Tasks, children, session, tasks_below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datmo.runner.executors.base import Handle

pytestmark = pytest.mark.anyio


@pytest.fixture
def tasks(tmp_path: Path) -> Iterator[Tasks]:
    with tasks_below(tmp_path / "tasks") as made:
        yield made


async def test_a_task_is_started_followed_and_removed(tasks: Tasks) -> None:
    before = children()
    spec = tasks.spec("sh", "-c", "echo out; echo oh >&2; exit 3")
    handle = await tasks.executor.start(spec)
    said = await tasks.said(handle, follow=True)
    ended = await tasks.executor.wait(handle)

    assert said == (b"out\n", b"oh\n")
    assert (ended.exit_code, ended.reason, ended.dropped) == (3, None, 0)
    assert await tasks.executor.wait(handle) == ended
    assert handle["executor"] == "process"
    assert handle["folder"] == spec.task_id

    for _ in range(2):
        await tasks.executor.remove(handle)
    assert sorted(path.name for path in spec.folder.iterdir()) == ["code", "config.json", "data", "files"]
    assert children() == before  # no zombie, nor any other child


async def test_two_thousand_lines_of_each_stream_are_exact_while_they_are_followed(tasks: Tasks) -> None:
    script = (
        "import sys\nfor n in range(2000): print('out', n); print('err', n, file=sys.stderr)\n"
        "sys.stdout.write('no newline at the end')"
    )
    handle = await tasks.executor.start(tasks.spec(sys.executable, "-c", script))
    out, err = await tasks.said(handle, follow=True)

    assert out == b"".join(b"out %d\n" % n for n in range(2000)) + b"no newline at the end"
    assert err == b"".join(b"err %d\n" % n for n in range(2000))
    assert (await tasks.said(handle)) == (out, err)


async def test_fifty_megabytes_come_in_bounded_chunks(tasks: Tasks) -> None:
    handle = await tasks.executor.start(tasks.spec("head", "-c", "50000000", "/dev/zero"))
    size = 0
    async for chunk in tasks.executor.output(handle, 0, follow=True):
        assert len(chunk.frames) <= 1 << 18
        size += sum(len(data) for _, data in split_frames(chunk.frames))

    assert size == 50_000_000
    assert (await tasks.executor.wait(handle)).exit_code == 0


@pytest.mark.parametrize(
    ("script", "ended"),
    [("exit 9", (9, None)), ("kill -9 $$", (137, "ended by SIGKILL")), ("kill $$", (143, "ended by SIGTERM"))],
)
async def test_how_it_ended_is_told(tasks: Tasks, script: str, ended: tuple[int, str | None]) -> None:
    assert (await tasks.run("sh", "-c", script))[0][:2] == ended


async def test_output_beyond_the_limit_is_counted(tasks: Tasks) -> None:
    ended, out, _ = await tasks.run("sh", "-c", "echo 0123456789", output_limit=4)

    assert (ended.exit_code, ended.dropped, out) == (0, 7, b"0123")


async def test_the_task_sees_its_folders_and_variables(tasks: Tasks, tmp_path: Path) -> None:
    (tmp_path / "iris").mkdir()
    (tmp_path / "iris" / "data.csv").write_text("1,2\n")
    spec = tasks.spec(
        "sh",
        "-c",
        'pwd; cat $DATMO_DATA_DIR/flowers/data.csv; echo kept > $DATMO_TASK_DIR/file; echo "$DATMO_TASK_ID $LR"',
        data={"flowers": tmp_path / "iris"},
        variables={"LR": "0.1"},
    )
    handle = await tasks.executor.start(spec)
    await tasks.executor.wait(handle)

    said = f"{spec.code}\n1,2\n{spec.task_id} 0.1\n".encode()
    assert await tasks.said(handle) == (said, b"")
    assert (spec.files / "file").read_text() == "kept\n"


async def test_the_commands_of_the_environment_come_first(tasks: Tasks, tmp_path: Path) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    python = tmp_path / "venv" / "bin" / "python"
    python.write_text("#!/bin/sh\necho mine in $VIRTUAL_ENV\n")
    python.chmod(0o755)
    _, out, _ = await tasks.run("python", binaries=(python.parent,))

    assert out == f"mine in {tmp_path / 'venv'}\n".encode()


def test_the_environment_is_the_callers_then_the_tasks_then_ours(tasks: Tasks) -> None:
    inherited = {"HOME": "/root", "PATH": "/bin", "DATMO_TASK_ID": "outer", "LR": "1", "PYTHONHOME": "/usr"}
    spec = tasks.spec("true", variables={"LR": "2"}, gpus="device=1,3")

    assert child_environment(spec, inherited) == {
        "HOME": "/root",
        "PATH": "/bin",
        "PYTHONHOME": "/usr",
        "LR": "2",
        "PYTHONUNBUFFERED": "1",
        "CUDA_VISIBLE_DEVICES": "1,3",
        "DATMO_TASK_ID": spec.task_id,
        "DATMO_TASK_DIR": str(spec.files),
        "DATMO_DATA_DIR": str(spec.folder / "data"),
        "DATMO_CONFIG": str(spec.folder / "config.json"),
        "DATMO_OUTBOX": str(spec.outbox),
    }
    assert child_environment(spec, {"PYTHONUNBUFFERED": ""})["PYTHONUNBUFFERED"] == ""


async def test_words_that_are_not_utf8_arrive_as_they_are(tasks: Tasks) -> None:
    word = os.fsdecode(b"caf\xe9")
    _, out, _ = await tasks.run("sh", "-c", 'printf "%s|%s" "$1" "$NAME"', "sh", word, variables={"NAME": word})

    assert out == b"caf\xe9|caf\xe9"


OF_THE_CODE = "; it is a file of the code: name its interpreter, such as"


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (("no-such-command",), 127, "command not found: 'no-such-command'"),
        (
            ("./plain",),
            126,
            f"'./plain' cannot be executed: Permission denied{OF_THE_CODE} `python ./plain`",
        ),
        (
            ("plain",),
            127,
            f"command not found: 'plain'{OF_THE_CODE} `python plain`",
        ),
        (("./lost",), 127, "'./lost': the interpreter in its first line was not found"),
    ],
)
async def test_what_cannot_be_started_leaves_nothing_behind(
    tasks: Tasks, argv: tuple[str, ...], code: int, message: str
) -> None:
    before = children()
    spec = tasks.spec(*argv)
    (spec.code / "plain").write_text("echo\n")
    (spec.code / "lost").write_text("#!/no/such/interpreter\n")
    (spec.code / "lost").chmod(0o755)
    with pytest.raises(StartFailed) as failure:
        await tasks.executor.start(spec)

    assert (failure.value.code, failure.value.message) == (code, message)
    assert sorted(path.name for path in spec.folder.iterdir()) == ["code", "config.json", "data", "files"]
    assert children() == before


async def test_a_word_that_no_process_can_be_given_is_said(tasks: Tasks) -> None:
    with pytest.raises(StartFailed, match="null byte") as failure:
        await tasks.executor.start(tasks.spec("echo", "a\0b"))
    assert failure.value.code == 125


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"memory": 1 << 30}, "a process of this machine cannot be given a memory limit (1073741824)"),
        ({"cpus": 1.5}, "a process of this machine cannot be given a CPU limit (1.5)"),
        ({"network": "none"}, "a process of this machine cannot be given a network (none)"),
        ({"user": "root"}, "a process of this machine cannot be given a user (root)"),
        ({"ports": (PortMapping(80, 8080),)}, "ports 80:8080: a process of this machine has the host's ports"),
        ({"data": {"../x": Path("/")}}, "'../x' cannot be the name of a data folder"),
    ],
)
async def test_what_only_a_container_has_is_refused(tasks: Tasks, option: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        await tasks.executor.start(tasks.spec("true", **option))
    assert failure.value.message == message


async def test_the_same_port_twice_is_accepted(tasks: Tasks) -> None:
    assert (await tasks.run("true", ports=(PortMapping(8080, 8080),)))[0].exit_code == 0


async def test_a_polite_stop(tasks: Tasks) -> None:
    spec = tasks.spec("sh", "-c", "trap 'echo bye; exit 5' TERM; echo ready; while :; do :; done")
    handle = await tasks.executor.start(spec)
    await tasks.until_it_says(handle, b"ready\n")
    await tasks.executor.stop(handle, grace=60)

    assert (await tasks.executor.wait(handle)).exit_code == 5
    assert await tasks.said(handle) == (b"ready\nbye\n", b"")
    await tasks.executor.stop(handle, grace=60)  # again, it does nothing


async def test_a_stop_by_force(tasks: Tasks) -> None:
    handle = await tasks.executor.start(tasks.spec("sh", "-c", "trap '' TERM; echo ready; sleep 1000; :"))
    await tasks.until_it_says(handle, b"ready\n")
    await tasks.executor.stop(handle, grace=0.05)
    ended = await tasks.executor.wait(handle)

    assert (ended.exit_code, ended.reason) == (137, "killed, for it did not end when asked to")
    assert await session(handle["pid"]) == []


async def test_several_stop_it_at_once(tasks: Tasks) -> None:
    for _ in range(20):
        handle = await tasks.executor.start(tasks.spec("sleep", "1000"))
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(partial(tasks.executor.stop, handle, grace=60))
        assert (await tasks.executor.wait(handle)).exit_code == 143


async def test_many_wait_for_one_end(tasks: Tasks) -> None:
    handle = await tasks.executor.start(tasks.spec("sh", "-c", "exit 4"))
    ends: list[Ended] = []

    async def wait() -> None:
        ends.append(await tasks.executor.wait(handle))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(wait)

    assert len(ends) == 5
    assert len(set(ends)) == 1


async def test_an_end_is_seen_on_a_kernel_that_cannot_tell_of_it(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", none)
    ended, out, _ = await tasks.run("sh", "-c", "echo hi; exit 4")
    handle = await tasks.executor.start(tasks.spec("sleep", "1000"))
    await tasks.executor.stop(handle, grace=10)

    assert (ended.exit_code, out) == (4, b"hi\n")
    assert (await tasks.executor.wait(handle)).exit_code == 143


async def test_a_start_that_is_cancelled_has_started_all_or_nothing(tasks: Tasks) -> None:
    spec = tasks.spec("sleep", "1000")
    handle: Handle | None = None
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.lowlevel.checkpoint)
            scope.cancel()
            handle = await tasks.executor.start(spec)

    assert handle is None
    assert await tasks.executor.find(spec.task_id, spec.folder) is None
