"""Many tasks at once: one capture, each with its own output, files and parameters; leaving the block stops the rest."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import pytest

import datmo.aio
from datmo.aio import NewEvent, TaskSpec
from datmo.errors import InvalidArgument
from tests.api.face import AsyncFace, Face, contents
from tests.api.processes import Signpost, script

pytestmark = pytest.mark.anyio
only_async = pytest.mark.parametrize("face", [AsyncFace()], ids=["async"])

COUNTING = "for i in $(seq 200); do echo {n} $i; echo {n} $i >&2; done; echo n: $DATMO_PARAM_N; echo {n} > made"


async def test_each_task_has_its_own_output_files_and_parameters(face: Face, project: Any) -> None:
    specs = [TaskSpec(["sh", "-c", COUNTING], parameters={"n": n}, name=f"the {n}") for n in range(12)]
    tasks = await project.tasks.map(specs, limit=5)
    for n, task in enumerate(tasks):
        assert (await face.value(task, "status"), await face.value(task, "name")) == ("SUCCESS", f"the {n}")
        assert await face.value(task, "config") == {"n": n}
        assert await face.value(task, "results") == {"n": n}
        counted = Counter(line for line in (await face.logs(task)).splitlines() if ":" not in line)
        assert counted == {f"{n} {i}": 2 for i in range(1, 201)}
        assert (await contents(face, task))["made"] == f"{n}\n".encode()
    assert len({await face.value(task, "code_id") for task in tasks}) == 1
    assert [event.type async for event in project.log.read(types=["code.captured"])] == ["code.captured"]


async def test_commands_may_be_given_as_they_are(face: Face, project: Any) -> None:
    tasks = await project.tasks.map(["echo a: 1", ["echo", "b: {x}"]])
    assert [await face.value(task, "results") for task in tasks] == [{"a": 1}, {"b": "{x}"}]
    assert await project.tasks.map([]) == []


async def test_a_task_that_fails_does_not_keep_the_others_from_running(face: Face, project: Any) -> None:
    tasks = await project.tasks.map(["false", "no-such-program", "true"], limit=1)
    assert [await face.value(task, "status") for task in tasks] == ["FAILED", "FAILED", "SUCCESS"]
    assert [await face.value(task, "exit_code") for task in tasks] == [1, 127, 0]


@pytest.mark.parametrize("options", [{"limit": 0}, {"limit": 1.5}, {"env": 3}])
async def test_what_cannot_be_is_refused_before_anything_is_recorded(
    face: Face, project: Any, options: dict[str, Any]
) -> None:
    before = await project.log.head()
    with pytest.raises(InvalidArgument):
        await project.tasks.map(["true"], **options)
    with pytest.raises(InvalidArgument):
        await project.tasks.map(["true", ""])
    assert await project.log.head() == before


@only_async
async def test_no_more_run_at_a_time_than_are_allowed(project: datmo.aio.Project, tmp_path: Path) -> None:
    specs = ["true"] * 9
    async with project.tasks.start(specs, limit=3) as running:
        ended = [task.id async for task in running.finished()]
    assert sorted(ended) == sorted(running.ids)
    under_way, most = set[str](), 0
    async for event in project.log.read(types=["task.*"]):
        if event.type == "task.started":
            under_way.add(event.stream)
            most = max(most, len(under_way))
        elif event.type == "task.finished":
            under_way.discard(event.stream)
    assert most <= 3


@only_async
async def test_leaving_the_block_stops_what_still_runs(project: datmo.aio.Project, tmp_path: Path) -> None:
    signpost = Signpost(tmp_path)
    async with project.tasks.start(["true", signpost.command(), "true"], limit=1) as running:
        async for task in running.finished():
            assert task.id == running.ids[0]
            break
        pid = await anyio.to_thread.run_sync(signpost.wait)
    waited, stopped, first = await project.tasks.ls()
    assert [first.status, stopped.status, waited.status] == ["SUCCESS", "STOPPED", "STOPPED"]
    assert waited.reason == "never started: the others were stopped"
    assert not Path(f"/proc/{pid}").exists()
    assert list((project.home / ".datmo" / "tasks").iterdir()) == []


@only_async
async def test_output_is_told_with_its_task_as_it_comes(project: datmo.aio.Project) -> None:
    told: dict[tuple[str, int], bytes] = {}

    async def live(task_id: str, stream: int, data: bytes) -> None:
        told[task_id, stream] = told.get((task_id, stream), b"") + data

    async with project.tasks.start([["sh", "-c", "echo a; echo b >&2"], "echo c"], live=live) as running:
        ids = [task.id async for task in running.finished()]
    first, second = running.ids
    assert sorted(ids) == sorted(running.ids)
    assert told == {(first, 1): b"a\n", (first, 2): b"b\n", (second, 1): b"c\n"}


async def test_what_fails_is_tried_again_as_a_task_of_its_own(face: Face, project: Any, tmp_path: Path) -> None:
    flaky = f"echo x >> {tmp_path}/tries; test $(wc -l < {tmp_path}/tries) -ge 3 && echo tries: 3"
    tasks = await project.tasks.map([["sh", "-c", flaky], "false", "no-such-program"], retries=2, limit=1)
    assert [await face.value(task, "status") for task in tasks] == ["SUCCESS", "FAILED", "FAILED"]
    assert await face.value(tasks[0], "results") == {"tries": 3}
    attempts = list(reversed(await project.tasks.ls()))
    assert len(attempts) == 3 + 2 + 2  # that there is no such program will be no different the next time
    firsts = {task.id for task in attempts[:3]}
    assert [await face.value(task, "retry_of") in firsts for task in attempts[3:]] == [True] * 4
    assert await face.value(tasks[0], "retry_of") == attempts[0].id
    inspected = [(await project.tasks.inspect(task.id))["options"].get("attempt") for task in attempts[3:]]
    assert inspected == [2, 3, 2, 3]


async def test_after_so_many_failures_the_others_are_stopped(face: Face, project: Any) -> None:
    tasks = await project.tasks.map(["false", "true", "false", "sleep 600", "sleep 600"], max_failures=2, limit=1)
    statuses = [await face.value(task, "status") for task in tasks]
    assert statuses == ["FAILED", "SUCCESS", "FAILED", "STOPPED", "STOPPED"]
    assert await face.value(tasks[3], "reason") == "never started: 2 of the others failed"


async def test_what_runs_beside_the_last_failure_is_stopped_too(face: Face, project: Any, tmp_path: Path) -> None:
    signpost = Signpost(tmp_path)
    # It fails once the other one runs.
    tasks = await project.tasks.map(
        [signpost.command(), ["sh", "-c", f"cat {signpost.path}; exit 1"]], limit=2, max_failures=1
    )
    assert [await face.value(task, "status") for task in tasks] == ["STOPPED", "FAILED"]


@only_async
async def test_those_that_wait_are_recorded_and_attended_before_the_first_one_starts(
    project: datmo.aio.Project, tmp_path: Path
) -> None:
    signpost = Signpost(tmp_path)
    async with project.tasks.start([signpost.command(), "true", "true"], limit=1) as running:
        await anyio.to_thread.run_sync(signpost.wait)
        events = [event async for event in project.log.read(types=["task.*"])]
        assert [event.type for event in events[:3]] == ["task.created"] * 3
        assert len({event.recorded_us for event in events[:3]}) == 1
        async with datmo.aio.open(project.home) as other:
            assert [task.unattended for task in await other.tasks.ls()] == [False] * 3
            assert await other.tasks.recover(stay=False) == []
            waiting = await other.tasks.stop(running.ids[2])
            assert (waiting.status, waiting.reason) == ("STOPPED", "stopped before its turn came")
            await other.tasks.stop(running.ids[0])
        ended = {task.id: task.status async for task in running.finished()}
    assert [ended[task_id] for task_id in running.ids] == ["STOPPED", "SUCCESS", "STOPPED"]
    assert list((project.home / ".datmo" / "queues").iterdir()) == []


@only_async
async def test_those_whose_owner_was_killed_end_stopped(project: datmo.aio.Project, tmp_path: Path) -> None:
    signpost, go_on = Signpost(tmp_path), tmp_path / "go-on"
    os.mkfifo(go_on)
    command = signpost.command(f"cat {go_on}")
    source = f"import datmo\nwith datmo.open() as project: project.tasks.map([{command!r}, 'true', 'true'], limit=1)"
    owner = script(source, cwd=project.home)
    await anyio.to_thread.run_sync(signpost.wait)
    owner.kill()
    await anyio.to_thread.run_sync(owner.communicate)
    assert [task.unattended for task in await project.tasks.ls()] == [True] * 3
    await anyio.Path(go_on).write_text("")
    async with datmo.aio.open(project.home) as other, anyio.create_task_group() as rescuers:
        rescuers.start_soon(other.tasks.recover)
        rescuers.start_soon(project.tasks.recover)
    last, middle, first = await project.tasks.ls()
    assert first.status == "SUCCESS"
    assert [middle.status, last.status] == ["STOPPED", "STOPPED"]
    assert last.reason == "never started: whoever had queued it was killed"
    ends = [event async for event in project.log.read(types=["task.stopped"])]
    assert len(ends) == 2
    assert list((project.home / ".datmo" / "queues").iterdir()) == []


@only_async
async def test_what_happens_to_them_is_told_as_it_happens(project: datmo.aio.Project) -> None:
    told: dict[str, list[str]] = {}
    said: dict[str, bytes] = {}
    async with project.tasks.start(["echo a", "false"], retries=1) as running:
        async for update in running.events():
            told.setdefault(update.event.entity_id, []).append(update.event.type)
            for _, data in update.output:
                said[update.event.entity_id] = said.get(update.event.entity_id, b"") + data
    first, second = running.ids
    assert told[first] == ["task.created", "task.started", "task.output", "task.finished"]
    assert said == {first: b"a\n"}
    (again,) = set(told) - {first, second}
    assert told[second][-1] == told[again][-1] == "task.failed"


@pytest.mark.parametrize("options", [{"retries": -1}, {"max_failures": 0}, {"retries": 1.0}])
async def test_numbers_that_are_none_are_refused(face: Face, project: Any, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        await project.tasks.map(["true"], **options)


async def test_a_queue_that_could_not_be_recorded_is_let_go(
    project: datmo.aio.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as refusing:
        refusing.setattr("datmo.core.task.create", lambda task_id, created: NewEvent(f"task/{task_id}", "", created))
        with pytest.raises(InvalidArgument, match="event type"):
            await project.tasks.map(["true", "true"], limit=1)
    assert list((project.home / ".datmo" / "queues").iterdir()) == []
    assert await project.tasks.ls() == []
