"""The seed's Python SDK against ours: real signatures, and the attributes of real snapshots and tasks."""

from __future__ import annotations

import inspect
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

import datmo
import datmo.config
import datmo.core.entity.snapshot
import datmo.core.entity.task
from datmo.config import Config
from datmo.errors import InvalidArgumentType
from tests.parity import seed_sdk
from tests.parity.nodes import problem_of
from tests.parity.seed_sdk import Attribute

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a task and a snapshot of it."""
    folder = tmp_path_factory.mktemp("iris")
    (folder / "train.py").write_text("print('accuracy: 0.9')\nopen('model.bin', 'w').write('weights')\n")
    with datmo.init(folder, name="iris"):
        pass
    task = datmo.task.run("python train.py", home=folder)
    datmo.snapshot.create("of the task", "best", folder, task.id)
    datmo.snapshot.create("of the folder", home=folder)
    return folder


@pytest.mark.parametrize("row", seed_sdk.CALLABLES, ids=lambda row: row.name)
def test_it_can_be_called_as_the_seed_says(row: seed_sdk.Callable) -> None:
    function: Any = datmo
    for name in row.name.split("."):
        function = getattr(function, name)
    parameters = list(inspect.signature(function).parameters.values())
    positional = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    shown = [each.name if each.default is each.empty else f"{each.name}={each.default!r}" for each in positional]
    assert " ".join(shown) == row.parameters
    assert all(each.default is not each.empty for each in parameters if each.kind is each.KEYWORD_ONLY)
    assert problem_of(row.shown) is None


@pytest.mark.parametrize("row", seed_sdk.ATTRIBUTES, ids=lambda row: f"{row.entity}.{row.name}")
def test_an_attribute_is_what_the_seed_says(home: Path, row: Attribute) -> None:
    entities: list[Any] = getattr(datmo, row.entity).ls(home=home)
    assert entities
    for entity in entities:
        value = getattr(entity, row.name)
        assert isinstance(value, row.types)
        if isinstance(value, datetime):
            assert value.tzinfo is UTC
        if isinstance(value, list):
            contents(value)
    assert isinstance(getattr(type(entities[0]), row.name), property)


def test_a_class_is_made_of_its_entity(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`home` is the working folder's project where it is not given, and files and logs come from there."""
    made = next(each for each in datmo.snapshot.ls(home=home) if each.task_id)
    ran = datmo.task.ls(home=home)[0]
    entity = datmo.core.entity.snapshot.Snapshot(**attributes(datmo.core.entity.snapshot.Snapshot, made))
    task = datmo.core.entity.task.Task(**attributes(datmo.core.entity.task.Task, ran))
    elsewhere = datmo.snapshot.Snapshot(snapshot_entity=entity, home=str(home))
    monkeypatch.chdir(home)
    here = datmo.snapshot.Snapshot(entity)
    assert here == elsewhere
    for each in (here, elsewhere):
        assert contents(each.files) == {"model.bin": "weights", "task.log": "accuracy: 0.9\n"}
    assert datmo.task.Task(task_entity=task).logs == datmo.task.Task(task, home=str(home)).logs == "accuracy: 0.9\n"
    for wrong in (None, "id", {"id": entity.id}):
        with pytest.raises(InvalidArgumentType):
            datmo.snapshot.Snapshot(wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgumentType):
            datmo.task.Task(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["snapshot", "task"])
def test_files_are_open_for_reading(home: Path, kind: str) -> None:
    entity = getattr(datmo, kind).ls(home=home)[-1]
    assert contents(entity.get_files()) == {"model.bin": "weights", "task.log": "accuracy: 0.9\n"}
    assert contents(entity.get_files(mode="rb")) == {"model.bin": b"weights", "task.log": b"accuracy: 0.9\n"}
    for mode in ("w", "a", "r+", "x", "", None):
        with pytest.raises(InvalidArgumentType):
            entity.get_files(mode)


def attributes(kind: type[DataclassInstance], entity: object) -> dict[str, Any]:
    return {each.name: getattr(entity, each.name) for each in fields(kind)}


def contents(files: list[IO[Any]]) -> dict[str, Any]:
    """What open files are called and hold; they are closed."""
    found = {}
    for file in files:
        with file:
            found[Path(file.name).name] = file.read()
    return found


def test_config_has_no_object_until_one_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Config, "instance", None)
    assert Config.instance is None
    made = Config()
    assert Config.instance is made is Config()
    assert (made.home, type(made.logging_level)) == (None, int)
    assert isinstance(inspect.getattr_static(Config, "cache_setting"), staticmethod)
