"""`project.track`: this process is the task, and nothing that it logged is lost, however it ends."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync

import datmo
import datmo.aio
import datmo.task
from datmo.errors import InvalidArgument, InvalidArgumentType, Refused, TaskStopped
from datmo.inside import CurrentTask
from tests.api.face import AsyncFace, Face, contents
from tests.api.processes import script

pytestmark = pytest.mark.anyio
only_async = pytest.mark.parametrize("face", [AsyncFace()], ids=["async"])


async def tracked(project: Any, body: Callable[[CurrentTask], None], *names: str, **options: Any) -> str:
    """Run a body in a tracked block: on the event loop, or in a thread with the synchronous API."""
    target = getattr(project, "_target", None)
    if target is None:
        async with project.track(*names, **options) as task:
            body(task)
        return str(task.id)

    def block() -> str:
        with target.track(*names, **options) as task:
            body(task)
        return str(task.id)

    return await run_sync(block)


async def only_task(face: Face, project: Any) -> dict[str, Any]:
    (task,) = await project.tasks.ls()
    known: dict[str, Any] = await project.tasks.inspect(task.id)
    return known


async def test_this_process_is_a_task(face: Face, project: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    (home / "out").mkdir()
    (home / "out" / "model.pt").write_text("weights")

    def body(task: CurrentTask) -> None:
        assert datmo.task.current() is task
        for step in range(1000):
            task.log(step=step, loss=1 / (step + 1))
        task.log(acc=math.nan)
        task.log_config(seed=3)
        task.log_results(accuracy=0.97)
        task.log_artifact("out")

    task_id = await tracked(project, body, "train", config={"lr": 0.01})
    task = await project.tasks.get(task_id)
    assert (await face.value(task, "status"), task.name, task.executor) == ("SUCCESS", "train", "track")
    assert await face.value(task, "exit_code") == 0
    assert await face.value(task, "results") == {"accuracy": 0.97}
    assert await face.value(task, "config") == {"lr": 0.01, "seed": 3}
    assert await contents(face, task) == {"out/model.pt": b"weights", "task.log": b""}
    loss = await project.tasks.metrics(task_id, "loss")
    assert list(loss.steps) == list(range(1000))
    assert set(await project.tasks.summaries(task_id)) == {"loss", "acc"}
    made = await project.snapshots.create("tracked", task_id=task_id)
    assert (made.stats, made.code_id) == ({"accuracy": 0.97}, task.code_id)
    assert list((home / ".datmo" / "tasks").iterdir()) == []
    with pytest.raises(RuntimeError, match="no task"):
        datmo.task.current()
    with pytest.raises(Refused, match="tracked itself"):
        await project.tasks.rerun(task_id)


async def test_it_is_a_running_task_meanwhile(face: Face, project: Any) -> None:
    async with datmo.aio.open(project.home) as other, anyio.create_task_group() as workers:
        go_on = threading.Event()

        def body(task: CurrentTask) -> None:
            task.log(loss=0.5)
            go_on.wait()

        async def whole() -> None:
            if isinstance(face, AsyncFace):
                async with project.track() as task:
                    task.log(loss=0.5)
                    await run_sync(go_on.wait)
            else:
                await tracked(project, body)

        workers.start_soon(whole)
        async for _ in other.log.follow(after=0, types=["task.metrics"]):
            break
        (task,) = await other.tasks.ls()
        assert (task.status, task.unattended) == ("RUNNING", False)
        assert (await other.tasks.summaries(task.id))["loss"]["last"] == 0.5
        assert await other.tasks.recover() == []
        go_on.set()
    assert (await only_task(face, project))["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("error", "status", "exit_code", "reason"),
    [
        (ValueError("bad\nvalue"), "FAILED", 1, "ValueError: bad value"),
        (KeyError(), "FAILED", 1, "KeyError"),
        (SystemExit(3), "FAILED", 3, None),
        (SystemExit("no data"), "FAILED", 1, "no data"),
        (SystemExit(), "SUCCESS", 0, None),
        (KeyboardInterrupt(), "STOPPED", 1, "KeyboardInterrupt"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
async def test_an_exception_is_the_end_and_goes_on(  # noqa: PLR0917
    face: Face, project: Any, error: BaseException, status: str, exit_code: int, reason: str | None
) -> None:
    raised: list[BaseException] = []

    def body(task: CurrentTask) -> None:
        task.log(loss=1.0)
        raise error

    async def caught() -> None:
        if isinstance(face, AsyncFace):
            try:
                await tracked(project, body)
            except BaseException as gone_on:  # noqa: BLE001
                raised.append(gone_on)
            return

        def block() -> None:
            try:
                with project._target.track() as task:
                    body(task)
            except BaseException as gone_on:  # noqa: BLE001
                raised.append(gone_on)

        await run_sync(block)

    await caught()
    assert raised == [error]
    known = await only_task(face, project)
    assert (known["status"], known["exit_code"], known["reason"]) == (status, exit_code, reason)
    assert known["metrics"]["loss"]["count"] == 1


async def test_what_cannot_be_is_refused_before_anything_is_recorded(face: Face, project: Any) -> None:
    def body(task: CurrentTask) -> None:
        raise AssertionError("it is not entered")

    for options in ({"config": [1]}, {"config": {"x": object()}}, {"name": 3}):
        with pytest.raises(InvalidArgument):
            await tracked(project, body, **options)
    assert await project.tasks.ls() == []


async def test_what_is_logged_afterwards_is_an_error(face: Face, project: Any) -> None:
    kept: list[CurrentTask] = []
    await tracked(project, kept.append)
    with pytest.raises(RuntimeError, match="the task has ended"):
        kept[0].log(loss=1.0)
    with pytest.raises(RuntimeError, match="the task has ended"):
        kept[0].log_results(accuracy=1)


@only_async
async def test_nested_and_side_by_side_they_share_nothing(face: Face, project: datmo.aio.Project) -> None:
    async def train(name: str, steps: int) -> None:
        async with project.track(name) as outer:
            for step in range(steps):
                datmo.task.current().log(step=step, loss=1.0)
                await asyncio.sleep(0)
            async with project.track(f"{name} inner") as inner:
                assert datmo.task.current() is inner
                await run_sync(lambda: datmo.task.current().log(inside=1.0))
            assert datmo.task.current() is outer

    async with anyio.create_task_group() as workers:
        for number in range(3):
            workers.start_soon(train, f"train {number}", 10 + number)
        await run_sync(in_a_thread, project)
    counts = {task.name: await project.tasks.summaries(task.id) for task in await project.tasks.ls()}
    assert len(counts) == 7
    assert {name: each["loss"]["count"] for name, each in counts.items() if "loss" in each} == {
        "train 0": 10,
        "train 1": 11,
        "train 2": 12,
        "thread": 5,
    }
    assert {name for name, each in counts.items() if "inside" in each} == {
        f"train {number} inner" for number in range(3)
    }


def in_a_thread(project: datmo.aio.Project) -> None:
    def block() -> None:
        with datmo.track("thread", home=project.home):
            for _ in range(5):
                datmo.task.current().log(loss=0.5)

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()


@only_async
async def test_a_cancelled_block_is_a_stopped_task(face: Face, project: datmo.aio.Project) -> None:
    with anyio.CancelScope() as scope:
        async with project.track() as task:
            task.log(loss=1.0)
            scope.cancel()
            await anyio.sleep_forever()
    known = await only_task(face, project)
    assert (known["status"], known["metrics"]["loss"]["count"]) == ("STOPPED", 1)


@only_async
async def test_whoever_stops_it_ends_the_block(face: Face, project: datmo.aio.Project) -> None:
    async with datmo.aio.open(project.home) as other, anyio.create_task_group() as workers:
        entered = anyio.Event()

        async def stop() -> None:
            await entered.wait()
            (task,) = await other.tasks.stop_all()
            assert task.status == "STOPPED"

        workers.start_soon(stop)
        with pytest.raises(TaskStopped, match="was stopped, as somebody asked"):
            await until_stopped(project, entered)


async def until_stopped(project: datmo.aio.Project, entered: anyio.Event) -> None:
    async with project.track() as task:
        task.log(loss=1.0)
        entered.set()
        await anyio.sleep_forever()


@pytest.mark.parametrize("where", ["main thread", "another thread"])
def test_whoever_stops_it_ends_a_synchronous_block(home: Path, where: str) -> None:
    with datmo.init(home, name="iris"):
        pass
    process = script(STOPPABLE.format(call="block()" if where == "main thread" else IN_THREAD), cwd=home)
    assert process.stdout is not None
    assert process.stdout.readline() == "entered\n"
    with datmo.open(home) as project:
        (task,) = project.tasks.stop_all()
        assert task.status == "STOPPED"
    said, _ = process.communicate()
    assert said == "TaskStopped\n"


STOPPABLE = """
import datmo, datmo.errors, threading, time
def block():
    try:
        with datmo.track():
            print("entered", flush=True)
            for _ in range(6000):
                time.sleep(0.1)
    except datmo.errors.TaskStopped:
        print("TaskStopped", flush=True)
{call}
"""
IN_THREAD = "thread = threading.Thread(target=block); thread.start(); thread.join()"


async def test_a_function_is_a_task_each_time_that_it_is_called(face: Face, project: Any) -> None:
    if isinstance(face, AsyncFace):

        @project.track("train", config={"lr": 0.1})  # type: ignore[untyped-decorator]
        async def train(loss: float) -> float:
            datmo.task.current().log(loss=loss)
            return loss

        assert [await train(0.5), await train(loss=0.25)] == [0.5, 0.25]
        with pytest.raises(InvalidArgumentType, match="no async function"):
            project.track("train")(len)
    else:

        @project._target.track("train", config={"lr": 0.1})  # type: ignore[untyped-decorator]
        def train_now(loss: float) -> float:
            datmo.task.current().log(loss=loss)
            return loss

        assert [await run_sync(train_now, 0.5), await run_sync(train_now, 0.25)] == [0.5, 0.25]
        with pytest.raises(InvalidArgumentType, match=r"decorate it with `track` of datmo\.aio"):
            project._target.track("train")(tracked)
    tasks = await project.tasks.ls()
    assert [task.name for task in tasks] == ["train", "train"]
    assert [(await project.tasks.summaries(task.id))["loss"]["last"] for task in tasks] == [0.25, 0.5]


KILLED = {
    "async": """
import anyio, datmo.aio as datmo, sys
async def main():
    async with datmo.open() as project, project.track("train", config={"lr": 0.1}) as task:
        for step in range(10**9):
            task.log(step=step, loss=step / 2)
            sys.stdout.write(f"{step}\\n")
            if step % 100 == 0:
                await anyio.sleep(0)
anyio.run(main)
""",
    "sync": """
import datmo, sys
with datmo.track("train", config={"lr": 0.1}) as task:
    for step in range(10**9):
        task.log(step=step, loss=step / 2)
        sys.stdout.write(f"{step}\\n")
""",
}


@pytest.mark.parametrize("how", ["async", "sync"])
async def test_nothing_is_lost_when_the_process_is_killed(face: Face, project: Any, home: Path, how: str) -> None:
    process = script("import sys; sys.stdout.reconfigure(line_buffering=True)\n" + KILLED[how], cwd=home)
    assert process.stdout is not None
    for _ in range(3000):
        assert await run_sync(process.stdout.readline) != ""
    process.send_signal(signal.SIGKILL)
    rest, _ = await run_sync(process.communicate)
    whole = rest.rpartition("\n")[0].split("\n")
    acknowledged = int(whole[-1]) if whole[-1] else 2999
    (task,) = await project.tasks.ls()
    assert await face.value(task, "unattended") is True
    (finished,) = await project.tasks.recover()
    assert finished.id == task.id
    assert await face.value(finished, "status") == "LOST"
    assert "its process ended without leaving the block" in await face.value(finished, "reason")
    loss = await project.tasks.metrics(task.id, "loss")
    assert list(loss.steps) == list(range(len(loss.steps)))
    assert loss.steps[-1] in {acknowledged, acknowledged + 1}
    assert list((home / ".datmo" / "tasks").iterdir()) == []


@only_async
async def test_forked_children_log_to_their_parents_task(face: Face, project: datmo.aio.Project, home: Path) -> None:
    source = (
        "import datmo, os\n"
        "with datmo.track() as task:\n"
        "    task.log(loss=0.0)\n"
        "    children = []\n"
        "    for number in range(4):\n"
        "        child = os.fork()\n"
        "        if not child:\n"
        "            for step in range(100):\n"
        "                datmo.task.current().log({f'child {number}': step}, step=step)\n"
        "            os._exit(0)\n"
        "        children.append(child)\n"
        "    for child in children:\n"
        "        os.waitpid(child, 0)\n"
    )
    process = script(
        source.replace("import datmo", "import warnings; warnings.simplefilter('ignore'); import datmo"), cwd=home
    )
    _, wrong = await run_sync(process.communicate)
    assert process.returncode == 0, wrong
    (task,) = await project.tasks.ls()
    summaries = await project.tasks.summaries(task.id)
    assert {name: each["count"] for name, each in summaries.items()} == {
        "loss": 1,
        **{f"child {number}": 100 for number in range(4)},
    }


@only_async
async def test_artifacts_are_kept_while_the_block_goes_on(face: Face, project: datmo.aio.Project, home: Path) -> None:
    async with project.track() as task:
        (home / "model.pt").write_text("first")
        task.log_artifact(home / "model.pt")
        async for _ in project.log.follow(after=0, types=["task.artifact_stored"]):
            break
        os.unlink(home / "model.pt")
        with pytest.raises(FileNotFoundError):
            task.log_artifact(home / "model.pt")
        (collection,) = [await project.gc()]
        assert collection.tasks == 0
    (ended,) = await project.tasks.ls()
    assert await contents(face, ended) == {"model.pt": b"first", "task.log": b""}
