"""What a notebook shows of a function of the sync API (Shift-Tab, `?`): all that the async twin's docstring says.

Those docstrings are written once, in the engine. They are put here only where somebody looks at them all the time, a
notebook's kernel: to load the engine for `help()` alone would make every script begin later.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any

__all__ = ["complete_docstrings"]

_AWAITED = re.compile(r"\bawait |\basync (?=with |for )|(?<=\ba)n async(?= context manager)")
_PARAMETERS = re.compile(r"^( *)Parameters:\n", re.MULTILINE)
_HOME = r"\g<0>\1    home: the project's root; the nearest project at or above the working folder by default.\n"


@cache
def complete_docstrings() -> None:
    """Complete the docstrings of the sync API."""
    from datmo import config, project, snapshot, snapshots, task, tasks
    from datmo.engine import config as engine_config
    from datmo.engine import environments, log, sessions
    from datmo.engine import project as engine_project
    from datmo.engine import snapshots as engine_snapshots
    from datmo.engine import tasks as engine_tasks

    rooms: list[tuple[Any, type]] = [
        (project.Project, engine_project.Project),
        (project.Sessions, sessions.Sessions),
        (project.Environments, environments.Environments),
        (project.EventLog, log.Log),
        (config.ProjectConfig, engine_config.ProjectConfig),
        (snapshots.Snapshots, engine_snapshots.Snapshots),
        (tasks.Tasks, engine_tasks.Tasks),
        (snapshot, engine_snapshots.Snapshots),
        (task, engine_tasks.Tasks),
    ]
    for ours, theirs in rooms:
        for name, function in vars(ours).items():
            twin = getattr(theirs, name, None)
            if callable(function) and not name.startswith("_") and callable(twin):
                _complete(function, twin)


def _complete(function: Callable[..., Any], twin: Callable[..., Any]) -> None:
    said = _AWAITED.sub("", twin.__doc__ or "")
    ours, theirs = signature(function).parameters, signature(twin).parameters
    for name in theirs.keys() - ours.keys():
        said = re.sub(rf"^ +{name}: .*\n", "", said, flags=re.MULTILINE)
    if "home" in ours:
        said = _PARAMETERS.sub(_HOME, said)
    if len(said) > len(function.__doc__ or ""):
        function.__doc__ = said
