"""Many tasks at once: one capture, each with its own output, files and parameters; leaving the block stops the rest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import pytest

import datmo.aio
from datmo.aio import TaskSpec
from datmo.errors import InvalidArgument
from tests.api.face import AsyncFace, Face, contents
from tests.api.processes import Signpost

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
        if event.type == "task.created":
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
    stopped, first = await project.tasks.ls()
    assert (first.status, stopped.status) == ("SUCCESS", "STOPPED")
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
