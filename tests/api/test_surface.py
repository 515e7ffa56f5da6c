"""What people type is pinned: a name or a parameter changes here first, on purpose."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

import datmo
import datmo.aio
import datmo.config
import datmo.core.entity.snapshot
import datmo.core.entity.task
import datmo.engine.config
import datmo.engine.environments
import datmo.engine.log
import datmo.engine.sessions
import datmo.engine.snapshots
import datmo.engine.tasks
import datmo.project
import datmo.session
import datmo.snapshot
import datmo.snapshots
import datmo.task
import datmo.tasks
from tests.api.processes import output

ONLY_ASYNC = {
    ("tasks", "run", "live"),  # awaited with each part of the output
    ("tasks", "start", "live"),
    ("tasks", "rerun", "live"),
    ("tasks", "map", "live"),
    ("snapshots", "page"),  # what the command line's tables are made of
    ("tasks", "page"),
}


def test_the_names_of_datmo() -> None:
    assert datmo.__all__ == ["Project", "__version__", "config", "init", "open", "session", "snapshot", "task", "track"]
    assert dir(datmo) == sorted(datmo.__all__)
    for name in datmo.__all__:
        assert getattr(datmo, name) is not None
    with pytest.raises(AttributeError, match="'models'"):
        datmo.models  # type: ignore[attr-defined]  # noqa: B018


def test_the_names_of_the_async_api() -> None:
    assert datmo.aio.__all__ == [
        "Agreement",
        "Appended",
        "AsOf",
        "Checkout",
        "Collection",
        "Difference",
        "Environment",
        "EnvironmentDifference",
        "EnvironmentInUse",
        "Event",
        "Expected",
        "Exported",
        "Imported",
        "LogReport",
        "NewEvent",
        "Problem",
        "Project",
        "Proposal",
        "ReplayReport",
        "Rerun",
        "Series",
        "Session",
        "SettingValue",
        "Snapshot",
        "SnapshotProblem",
        "SnapshotReport",
        "Status",
        "Task",
        "TaskOptions",
        "TaskSpec",
        "TaskUpdate",
        "TreeChanges",
        "cleanup",
        "current",
        "init",
        "open",
        "track",
    ]
    for name in datmo.aio.__all__:
        assert getattr(datmo.aio, name) is not None


@pytest.mark.parametrize(
    ("function", "seed"),
    [
        (
            datmo.snapshot.create,
            (
                "message label=None home=None task_id=None commit_id=None environment_id=None filepaths=None"
                " config=None stats=None"
            ),
        ),
        (datmo.snapshot.ls, "session_id=None filter=None home=None"),
        (datmo.task.run, "command env=None home=None gpu=False"),
        (datmo.task.ls, "session_id=None filter=None home=None"),
        (datmo.snapshot.Snapshot, "snapshot_entity home=None"),
        (datmo.task.Task, "task_entity home=None"),
        (datmo.snapshot.Snapshot.get_files, "self mode='r'"),
        (datmo.task.Task.get_files, "self mode='r'"),
        (datmo.session.create, "name current=True home=None"),
        (datmo.session.select, "name home=None"),
        (datmo.session.delete, "name home=None"),
        (datmo.session.ls, "home=None"),
        (datmo.config.Config.cache_setting, "key=None expires_min=60 ignore_values=()"),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_the_seeds_parameters_come_first_in_the_seeds_order(function: Any, seed: str) -> None:
    parameters = inspect.signature(function).parameters.values()
    positional = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    shown = [each.name if each.default is each.empty else f"{each.name}={each.default!r}" for each in positional]
    assert " ".join(shown) == seed
    assert all(each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY) for each in parameters)


@pytest.mark.parametrize(
    ("entity", "facade"),
    [
        (datmo.core.entity.snapshot.Snapshot, datmo.snapshot.Snapshot),
        (datmo.core.entity.task.Task, datmo.task.Task),
    ],
    ids=["snapshot", "task"],
)
def test_the_sync_entities_have_all_that_the_plain_ones_have(entity: Any, facade: type) -> None:
    names = {each.name for each in fields(entity)} | {name for name, _ in properties(entity)}
    missing = {name for name in names if not isinstance(getattr(facade, name, None), property)}
    assert missing == set()
    assert isinstance(facade.files, property)  # type: ignore[attr-defined]


def test_both_apis_have_the_same_methods_with_the_same_parameters() -> None:
    rooms: dict[str, tuple[type, type]] = {
        "project": (datmo.aio.Project, datmo.Project),
        "sessions": (datmo.engine.sessions.Sessions, datmo.project.Sessions),
        "snapshots": (datmo.engine.snapshots.Snapshots, datmo.snapshots.Snapshots),
        "tasks": (datmo.engine.tasks.Tasks, datmo.tasks.Tasks),
        "environments": (datmo.engine.environments.Environments, datmo.project.Environments),
        "config": (datmo.engine.config.ProjectConfig, datmo.config.ProjectConfig),
        "log": (datmo.engine.log.Log, datmo.project.EventLog),
    }
    different = [
        f"{room}.{name}: {theirs} / {ours}"
        for room, (engine, facade) in rooms.items()
        for name, theirs, ours in differences(room, engine, facade)
    ]
    assert different == []
    assert parameters(datmo.aio.open) == parameters(datmo.open)
    assert parameters(datmo.aio.init) == parameters(datmo.init)
    assert parameters(datmo.aio.cleanup) == parameters(datmo.project.cleanup)


def test_the_functions_have_all_parameters_of_the_methods() -> None:
    for function, method in (
        (datmo.snapshot.create, datmo.snapshots.Snapshots.create),
        (datmo.snapshot.ls, datmo.snapshots.Snapshots.ls),
        (datmo.task.run, datmo.tasks.Tasks.run),
        (datmo.task.ls, datmo.tasks.Tasks.ls),
    ):
        names = set(inspect.signature(function).parameters) - {"home"}
        assert names == set(inspect.signature(method).parameters) - {"self"}


def test_importing_datmo_loads_nothing_until_a_name_is_used(tmp_path: Path) -> None:
    source = (
        "import sys\n"
        "import datmo\n"
        "assert [name for name in sys.modules if name.startswith('datmo')] == ['datmo']\n"
        "datmo.snapshot.create, datmo.task.run, datmo.session.ls, datmo.config.Config, datmo.open\n"
        "heavy = {'aiodocker', 'aiohttp', 'aiosqlite', 'anyio', 'asyncio', 'blake3', 'orjson', 'pygit2', 'sqlite3'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    assert output(source, cwd=tmp_path) == ""


def test_listing_loads_neither_git_nor_docker(tmp_path: Path) -> None:
    source = (
        "import sys, datmo\n"
        "with datmo.init('.', name='x'):\n"
        "    pass\n"
        "datmo.snapshot.ls(), datmo.task.ls(), datmo.session.ls()\n"
        "print(sorted({'aiodocker', 'aiohttp', 'pygit2', 'rich', 'blake3'} & set(sys.modules)))\n"
    )
    assert output(source, cwd=tmp_path) == "[]\n"


def test_a_star_import_gives_what_is_listed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from datmo import *; print(callable(snapshot.create), callable(init))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(datmo.__file__).parent.parent,
    )
    assert done.stdout == "True True\n"


def differences(room: str, engine: type, facade: type) -> Iterator[tuple[str, str, str | None]]:
    for name, method in public(engine):
        if (room, name) in ONLY_ASYNC:
            continue
        ours = dict(public(facade)).get(name)
        left_out = {each[2] for each in ONLY_ASYNC if each[:2] == (room, name) and len(each) == 3}
        theirs = [each for each in parameters(method) if each.partition("=")[0] not in left_out]
        if ours is None or theirs != parameters(ours):
            yield name, str(theirs), None if ours is None else str(parameters(ours))


def public(room: type) -> Iterator[tuple[str, Any]]:
    for name, value in ((name, value) for each in reversed(room.__mro__) for name, value in vars(each).items()):
        if not name.startswith("_") and not isinstance(value, cached_property):  # rooms, which are compared themselves
            yield name, value.fget if isinstance(value, property) else value


def properties(entity: type) -> Iterator[tuple[str, property]]:
    for name, value in vars(entity).items():
        if isinstance(value, property):
            yield name, value


def parameters(function: Any) -> list[str]:
    found = inspect.signature(function).parameters.values()
    return [f"{each.name}={each.default!r} {each.kind.description}" for each in found]
