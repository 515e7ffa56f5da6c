"""The Python SDK of the seed's documentation (0.0.7, chapter 2.2): every class, function, parameter and attribute."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

__all__ = ["ATTRIBUTES", "CALLABLES", "Attribute", "Callable"]

NONE = type(None)


class Callable(NamedTuple):
    """A class, function or method.

    Attributes:
        name: where it is.
        parameters: in the seed's order, with the seed's defaults; what ours adds comes behind, by name only.
        shown: the test that shows what it does.
    """

    name: str
    parameters: str
    shown: str


class Attribute(NamedTuple):
    """An attribute or a property of an entity.

    Attributes:
        entity: the class.
        name: the attribute.
        types: what it may be.
    """

    entity: str
    name: str
    types: tuple[type, ...]


_CLASS = "parity/test_sdk.py::test_a_class_is_made_of_its_entity"
_FILES = "parity/test_sdk.py::test_files_are_open_for_reading"
_SEED = "api/test_sync.py::test_the_seeds_examples"
_POSITIONS = "api/test_sync.py::test_positions_are_those_of_the_seed"

CALLABLES = (
    Callable("snapshot.Snapshot", "snapshot_entity home=None", _CLASS),
    Callable("snapshot.Snapshot.get_files", "self mode='r'", _FILES),
    Callable(
        "snapshot.create",
        "message label=None home=None task_id=None commit_id=None environment_id=None filepaths=None config=None"
        " stats=None",
        _POSITIONS,
    ),
    Callable("snapshot.ls", "session_id=None filter=None home=None", _POSITIONS),
    Callable("task.Task", "task_entity home=None", _CLASS),
    Callable("task.Task.get_files", "self mode='r'", _FILES),
    Callable("task.ls", "session_id=None filter=None home=None", _POSITIONS),
    Callable("task.run", "command env=None home=None gpu=False", _SEED),
    Callable("config.Config", "home=None logging_level=None", "api/test_sync.py::test_config_is_one_object"),
    # The seed has `*args, **kwargs`: these are what it took.
    Callable(
        "config.Config.cache_setting",
        "key=None expires_min=60 ignore_values=()",
        "api/test_sync.py::test_cache_setting_keeps_a_result_until_it_expires",
    ),
)  # fmt: skip

ATTRIBUTES = (
    Attribute("snapshot", "id", (str,)),
    Attribute("snapshot", "model_id", (str,)),
    Attribute("snapshot", "session_id", (str,)),
    Attribute("snapshot", "message", (str,)),
    Attribute("snapshot", "code_id", (str,)),
    Attribute("snapshot", "environment_id", (str,)),
    Attribute("snapshot", "file_collection_id", (str,)),
    Attribute("snapshot", "config", (dict,)),
    Attribute("snapshot", "stats", (dict,)),
    Attribute("snapshot", "task_id", (str, NONE)),
    Attribute("snapshot", "label", (str, NONE)),
    Attribute("snapshot", "created_at", (datetime,)),
    Attribute("snapshot", "files", (list,)),
    Attribute("task", "id", (str,)),
    Attribute("task", "model_id", (str,)),
    Attribute("task", "session_id", (str,)),
    Attribute("task", "command", (str,)),
    Attribute("task", "status", (str,)),
    Attribute("task", "start_time", (datetime, NONE)),
    Attribute("task", "end_time", (datetime, NONE)),
    Attribute("task", "duration", (float, NONE)),
    Attribute("task", "logs", (str,)),
    Attribute("task", "results", (dict,)),
    Attribute("task", "files", (list,)),
)
