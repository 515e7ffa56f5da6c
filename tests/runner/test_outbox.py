"""Taking what a task puts into its outbox: each whole line once, whatever the file holds and whoever takes it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

import datmo.aio
from datmo.core.outbox import Artifact
from datmo.core.points import Columns, join, pack, summary, unpack
from datmo.errors import Conflict, FilesError
from datmo.projections import metrics
from datmo.runner.outbox import Outbox
from datmo.runner.outbox_lines import Lines

pytestmark = pytest.mark.anyio

TASK = "t" * 16


class Taking:
    """An outbox with its file, and what the log then says of it."""

    def __init__(self, project: datmo.aio.Project, path: Path) -> None:
        self.project = project
        self.path = path
        self.outbox = self.another()

    def another(self) -> Outbox:
        workspace = self.project._workspace
        return Outbox(workspace.log, workspace.store, TASK, self.path, self._keep)

    def _keep(self, path: str, name: str | None) -> list[Artifact]:
        if path != "model.pt":
            raise FilesError(f"{path!r} is not there")
        return [Artifact(name or path, "o" * 64, 9, 0o644)]

    def write(self, *lines: Any, end: str = "\n") -> None:
        with self.path.open("a") as file:
            file.write("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + end)

    async def events(self) -> list[str]:
        return [event.type async for event in self.project.log.read(stream=f"task/{TASK}")]

    async def values(self, name: str = "loss") -> list[float]:
        found = await self.project._workspace.query(lambda connection: metrics.series(connection, TASK, name))
        return list(found.values)

    async def series(self) -> dict[str, Any]:
        found = await self.project._workspace.query(lambda connection: metrics.of_task(connection, TASK))
        return dict(found)


@pytest.fixture
async def taking(tmp_path: Path) -> AsyncIterator[Taking]:
    async with datmo.aio.init(tmp_path, name="iris") as project:
        yield Taking(project, tmp_path / "outbox")


async def test_nothing_is_said_of_an_outbox_that_is_not_there_or_empty(taking: Taking) -> None:
    await taking.outbox.finish()
    taking.path.touch()
    await taking.outbox.finish()
    taking.write("", "  ")
    await taking.outbox.finish()
    assert await taking.events() == []
    assert taking.outbox.notices() == []
    taking.write({"log": {"loss": 1.0}}, "")
    await taking.outbox.finish()
    taking.write({"log": {"loss": 2.0}})
    await taking.outbox.finish()
    assert await taking.values() == [1, 2]


async def test_what_comes_is_taken_once_and_all_kinds_of_it(taking: Taking) -> None:
    taking.write({"log": {"loss": 0.5}, "step": 3, "time": 17.5}, {"config": {"lr": 0.1}})
    await taking.outbox.finish()
    taking.write({"results": {"f1": 0.5}, "log": {"loss": 0.25, "acc": 1}}, {"artifact": "model.pt"})
    await taking.outbox.finish()
    await taking.outbox.finish()
    assert await taking.events() == [
        "task.metrics",
        "task.config_reported",
        "task.metrics",
        "task.result_reported",
        "task.artifact_stored",
    ]
    assert await taking.values() == [0.5, 0.25]
    series = await taking.series()
    assert (series["loss"]["count"], series["loss"]["min"], series["loss"]["max"]) == (2, 0.25, 0.5)
    assert (series["loss"]["first_step"], series["loss"]["last_step"], series["acc"]["last_step"]) == (3, 4, 0)
    assert taking.outbox.results == {"f1": 0.5}
    assert await taking.outbox.artifacts() == [Artifact("model.pt", "o" * 64, 9, 0o644)]


async def test_an_unfinished_line_waits_for_its_end_and_the_last_one_needs_none(taking: Taking) -> None:
    taking.write({"log": {"loss": 1.0}}, '{"log": {"lo', end="")
    async with anyio.create_task_group() as workers:
        workers.start_soon(taking.outbox.follow)
        async for _ in taking.project.log.follow(after=0, types=["task.metrics"]):
            break
        workers.cancel_scope.cancel()
    taking.write('ss": 2.0}}', {"log": {"loss": 3.0}}, end="")
    await taking.outbox.finish()
    assert await taking.values() == [1, 2, 3]
    assert taking.outbox.notices() == []


async def test_bad_lines_are_counted_and_said_and_the_others_taken(taking: Taking) -> None:
    bad = [
        "no json",
        "[1]",
        '{"log": {"loss": 9.0}}, {"log": {"loss": 9.0}}',
        {"log": {"loss": "text"}},
        {"log": {"good": 1.0, "loss": None}},
        {"log": 3},
        {"log": {"": 1}},
        {"log": {"x": 1}, "step": 0.5},
        {"log": {"x": 1}, "time": "now"},
        {"config": [1]},
        {"results": {"x": {"$unknown": 1}}},
        {"artifact": "missing.pt"},
        {"artifact": 3},
        {"log": {"x": 1}, "config": 3},
        {"something": 1},
        {"log": {"x" * 65536: 1}},
    ]
    taking.write({"log": {"loss": 1.0}}, *bad, {"log": {"loss": 2.0}})
    await taking.outbox.finish()
    assert await taking.values() == [1, 2]
    assert set(await taking.series()) == {"loss"}
    assert taking.outbox.notices() == [f"{len(bad)} lines of its outbox could not be used: no json: no JSON object"]
    another = taking.another()
    await another.resume()
    assert another.notices() == taking.outbox.notices()


async def test_a_line_without_end_is_passed_over(taking: Taking) -> None:
    taking.write("x" * (3 << 20), {"log": {"loss": 1.0}})
    await taking.outbox.finish()
    assert await taking.values() == [1]
    assert "could not be used" in taking.outbox.notices()[0]


async def test_whoever_comes_next_goes_on_where_the_last_one_was(taking: Taking) -> None:
    taking.write({"log": {"loss": 1.0}})
    await taking.outbox.finish()
    taking.write({"log": {"loss": 2.0}})
    another = taking.another()
    await another.resume()
    await another.finish()
    assert await taking.values() == [1, 2]
    assert (await taking.series())["loss"]["last_step"] == 1


async def test_two_who_take_the_same_part_cannot_both_record_it(taking: Taking) -> None:
    taking.write({"log": {"loss": 1.0}})
    late = taking.another()
    await taking.outbox.finish()
    with pytest.raises(Conflict, match="goes on at 23, not at 0"):
        await late.finish()
    assert await taking.values() == [1]


@pytest.mark.parametrize("how", ["shorter", "replaced"])
async def test_an_outbox_that_is_not_what_it_was_is_read_anew(taking: Taking, how: str) -> None:
    taking.write(*({"log": {"loss": float(number)}} for number in range(3)))
    await taking.outbox.finish()
    if how == "shorter":
        os.truncate(taking.path, 0)
    else:
        beside = taking.path.with_name("beside")
        beside.touch()
        beside.replace(taking.path)
    taking.write({"log": {"loss": 7.0}})
    await taking.outbox.finish()
    assert await taking.events() == ["task.metrics", "task.outbox_replaced", "task.metrics"]
    assert await taking.values() == [0, 1, 2, 7]
    assert taking.outbox.notices() == []


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
async def test_only_a_regular_file_is_read(taking: Taking, kind: str) -> None:
    if kind == "link":
        taking.write({"log": {"loss": 1.0}})
        taking.path.rename(taking.path.with_name("elsewhere"))
        taking.path.symlink_to("elsewhere")
    elif kind == "pipe":
        os.mkfifo(taking.path)
    else:
        taking.path.mkdir()
    await taking.outbox.finish()
    assert await taking.events() == []


def test_what_many_writers_write_for_nan_is_understood() -> None:
    lines = [
        b'{"log": {"a": NaN, "b": Infinity, "c": -Infinity}}',
        b'{"log": {"a": {"$float": "nan"}, "b": {"$float": "inf"}, "c": {"$float": "-inf"}}}',
        b'{"log": {"a": 1, "b": true, "c": 1e999}}',
    ]
    series = Lines().understand(b"\n".join(lines)).series
    assert math.isnan(series["a"].values[0])
    assert math.isnan(series["a"].values[1])
    assert list(series["b"].values) == [math.inf, math.inf, 1.0]
    assert list(series["c"].values) == [-math.inf, -math.inf, math.inf]


def test_two_halves_of_lines_are_not_taken_for_one() -> None:
    said = Lines().understand(b'{"log": {"a": 1}}\n{"x": "}\n{", "log": {"a": 9}}\n{"log": {"a": 2}}')
    assert (list(said.series["a"].values), said.bad) == ([1, 2], 2)


FLOATS = st.floats(width=64)
COLUMNS = st.lists(st.tuples(st.integers(-(1 << 63), (1 << 63) - 1), FLOATS), min_size=1, max_size=20)


@given(st.dictionaries(st.text(min_size=1, max_size=5), COLUMNS, max_size=4))
def test_points_come_back_from_their_payload(series: dict[str, list[tuple[int, float]]]) -> None:
    packed = {name: columns(points) for name, points in series.items()}
    found = dict(unpack(pack(packed)))
    assert {name: bits(each) for name, each in found.items()} == {name: bits(each) for name, each in packed.items()}
    for name, points in packed.items():
        twice = join([pack(packed), pack({}), b"", pack({name: points})], name)
        assert list(twice.steps) == list(points.steps) * 2


@given(COLUMNS)
def test_a_summary_leaves_nan_out(points: list[tuple[int, float]]) -> None:
    found = summary(columns(points))
    numbers = [value for _, value in points if not math.isnan(value)]
    assert found["min"] == min(numbers, default=None)
    assert found["max"] == max(numbers, default=None)
    assert (found["count"], found["first_step"], found["last_step"]) == (len(points), points[0][0], points[-1][0])


def columns(points: list[tuple[int, float]]) -> Columns:
    made = Columns.empty()
    for step, value in points:
        made.steps.append(step)
        made.times.append(1.5)
        made.values.append(value)
    return made


def bits(each: Columns) -> tuple[bytes, bytes, bytes]:
    return each.steps.tobytes(), each.times.tobytes(), each.values.tobytes()
