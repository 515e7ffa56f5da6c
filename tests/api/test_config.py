"""Settings: which level decides, what they may be, and that they do what they say."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import datmo.aio
from datmo.core.settings import SETTINGS
from datmo.engine import user_settings
from datmo.errors import InvalidArgument
from tests.api.conftest import Said
from tests.api.face import Face

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user who has no settings yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "datmo"


async def test_the_nearest_level_decides(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await project.config.get("jobs") is None
    for given, user, value, source in (
        (2, True, 2, "user"), ("3", False, 3, "project"), (None, False, 2, "user"), (None, True, None, "default"),
    ):  # fmt: skip
        change = project.config.unset("jobs", user=user) if given is None else None
        found = await (change or project.config.set("jobs", given, user=user))
        assert (found.value, found.source) == (value, source)
        assert await project.config.get("jobs") == value
    await project.config.set("jobs", 3)
    monkeypatch.setenv("DATMO_JOBS", "4")
    (found,) = [each for each in await project.config.ls() if each.key == "jobs"]
    assert (found.value, found.source, found.variable, found.default) == (4, "environment", "DATMO_JOBS", None)
    monkeypatch.setenv("DATMO_JOBS", "")  # as good as not set
    assert await project.config.get("jobs") == 3


async def test_all_are_listed_with_what_they_do(project: Any) -> None:
    found = await project.config.ls()
    assert [each.key for each in found] == list(SETTINGS)
    assert {each.source for each in found} == {"default"}
    assert all(each.help and each.variable.startswith("DATMO_") for each in found)


async def test_the_projects_are_facts_of_its_log(project: Any) -> None:
    for value in ("200m", 200 << 20):  # the same value: nothing happens the second time
        await project.config.set("output.limit", value)
    for _ in range(2):
        await project.config.unset("output.limit")
    events = [event async for event in project.log.read(types=["config.*"])]
    assert [(event.stream, event.type, event.data) for event in events] == [
        ("config/output.limit", "config.set", {"value": 200 << 20}),
        ("config/output.limit", "config.unset", {}),
    ]
    assert await project.log.stream("config/output.limit") == "config/output.limit"
    assert (await project.log.replay()).different == ()


async def test_they_are_there_when_the_project_is_opened_again(face: Face, project: Any, home: Path) -> None:
    await project.config.set("executor", "docker")
    async with face.open(home) as again:
        assert await again.config.get("executor") == "docker"


@pytest.mark.parametrize(
    ("key", "given", "value"),
    [
        ("executor", "auto", "auto"), ("jobs", "12", 12), ("output.limit", "1.5k", 1536),
        ("output.limit", "2 GiB", 2 << 30), ("output.limit", 10, 10), ("stop.grace", "1m", 60.0),
        ("environment", "./docker/Dockerfile", "docker/Dockerfile"),
        ("container.code", "/code/", "/code"), ("stop.grace", 2.5, 2.5), ("code.size_limit", "1t", 1 << 40),
    ],
)  # fmt: skip
async def test_values_have_types(project: Any, key: str, given: Any, value: Any) -> None:
    found = await project.config.set(key, given)
    assert (found.value, type(found.value)) == (value, type(value))
    again = SETTINGS[key].kind.show(value)
    assert SETTINGS[key].kind.read(again) == value


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("executor", "slurm"), ("executor", None), ("jobs", 0), ("jobs", "-1"), ("jobs", True), ("jobs", "many"),
        ("output.limit", "much"), ("output.limit", -1), ("output.limit", ""), ("stop.grace", 0), ("stop.grace", "1y"),
        ("environment", "../Dockerfile"), ("environment", "/x/Dockerfile"), ("environment", "."),
        ("container.code", "code"), ("container.code", "/task/x"), ("container.code", "/"), ("verbosity", "loud"),
        ("verbosity", 3),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused_by_name_and_changes_nothing(project: Any, key: str, given: Any) -> None:
    before = await project.log.head()
    with pytest.raises(InvalidArgument, match=rf"^{key} cannot be {given!r}") as caught:
        await project.config.set(key, given)
    assert str(caught.value.hint).startswith("give ")
    assert await project.log.head() == before


async def test_an_unknown_setting_is_named_with_the_nearest(project: Any) -> None:
    for call in (
        project.config.get("executer"),
        project.config.set("executer", "docker"),
        project.config.unset("executer"),
    ):
        with pytest.raises(InvalidArgument, match="no setting 'executer'") as caught:
            await call
        assert caught.value.hint == "did you mean `executor`?"
    with pytest.raises(InvalidArgument) as caught:
        await project.config.get("zzz")
    assert caught.value.hint == "`datmo config ls` shows all"


async def test_what_a_level_says_wrongly_is_an_error_that_names_it(
    project: Any, own_settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATMO_JOBS", "many")
    with pytest.raises(InvalidArgument, match="jobs cannot be 'many', as the variable DATMO_JOBS says"):
        await project.config.get("jobs")
    monkeypatch.delenv("DATMO_JOBS")
    own_settings.mkdir(parents=True)
    for spoilt in ("{", "[1]", ""):
        user_settings.path().write_text(spoilt)
        with pytest.raises(InvalidArgument, match="the user's settings"):
            await project.config.get("jobs")


async def test_the_users_file_keeps_what_it_does_not_know(project: Any, own_settings: Path) -> None:
    own_settings.mkdir(parents=True)
    user_settings.path().write_text('{"of.tomorrow": [1], "jobs": 5}')
    assert await project.config.get("jobs") == 5
    await project.config.set("executor", "process", user=True)
    written = json.loads(user_settings.path().read_text())
    assert written == {"executor": "process", "jobs": 5, "of.tomorrow": [1]}
    assert sorted(path.name for path in own_settings.iterdir()) == ["settings.json", "settings.lock"]


# What they do


async def test_the_executor_of_tasks_that_do_not_say(project: Any, home: Path, said: Said) -> None:
    (home / "Dockerfile").write_text("FROM no/such:image\n")
    await project.config.set("executor", "process")
    task = await project.tasks.run("true")
    assert (task.executor, task.status) == ("process", "SUCCESS")
    assert "the setting `executor` says so; the Dockerfile is not used" in said.text


async def test_a_call_goes_before_the_setting(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await project.config.set("executor", "docker")
    assert (await project.tasks.run("true", executor="process")).executor == "process"


async def test_output_beyond_the_limit_is_not_recorded(face: Face, project: Any) -> None:
    await project.config.set("output.limit", "1k")
    task = await project.tasks.run(["sh", "-c", "yes | head -c 100000; echo 'loss: 1'"])
    assert task.status == "SUCCESS"
    assert len(await face.logs(task)) < 2048
    limited = [event.data async for event in project.log.read(types=["task.output_limited"])]
    assert limited == [{"limit": 1024}]


async def test_how_large_a_file_may_be_in_git(project: Any, home: Path) -> None:
    await project.config.set("code.size_limit", "100k")
    (home / "data.bin").write_bytes(b"x" * 200_000)
    made = await project.snapshots.create("x")
    assert (await project.snapshots.inspect(made.id))["code"]["large_files"] == ["data.bin"]


async def test_how_long_a_task_that_is_stopped_may_take(face: Face, home: Path) -> None:
    """It ignores the polite signal: without the setting, this test would take ten seconds."""
    async with face.init(home, name="iris") as project:
        await project.config.set("stop.grace", 0.2)
    script = "trap '' TERM; echo ready; while :; do sleep 1; done"
    async with datmo.aio.open(home) as project, project.tasks.start([["sh", "-c", script]]) as running:
        async for _ in project.log.follow(after=0, types=["task.output"]):
            break
        ended = await project.tasks.stop(running.ids[0])
    assert ended.status == "STOPPED"
    assert ended.exit_code == 128 + 9


async def test_where_a_container_has_the_code(face: Face, project: Any, home: Path, base_image: str) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\n")
    await project.config.set("container.code", "/code")
    try:
        task = await project.tasks.run(["sh", "-c", "pwd; ls"])
        assert (await face.logs(task)).split() == ["/code", "Dockerfile", "train.py"]
        as_a_process = await project.tasks.run("true", executor="process")
        assert as_a_process.status == "SUCCESS"
    finally:
        await face.cleanup(home)


async def test_how_many_run_at_a_time(project: Any) -> None:
    await project.config.set("jobs", 1)
    tasks = await project.tasks.map(["true"] * 3)
    times = sorted((task.start_time, task.end_time) for task in tasks)
    assert all(one[1] <= other[0] for one, other in pairwise(times))


async def test_no_settings_variable_is_one_that_tasks_are_given() -> None:
    """A task's own variables would else be taken for settings by the Datmo that it runs."""
    given = {"DATMO_TASK_ID", "DATMO_TASK_DIR", "DATMO_DATA_DIR", "DATMO_OUTBOX", "DATMO_CONFIG", "DATMO_DEBUG"}
    variables = [each.variable for each in SETTINGS.values()]
    assert len(set(variables)) == len(variables)
    assert not given & set(variables)
    assert not any(name.startswith("DATMO_PARAM_") for name in variables)
