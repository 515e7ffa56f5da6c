"""Why a task did not find what it looked for: a file that git ignores, a module that its environment lacks."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator

from datmo.core.frames import join_text
from datmo.engine.workspace import Workspace
from datmo.errors import DatmoError
from datmo.projections.content import ENVIRONMENTS
from datmo.projections.projection import Row
from datmo.projections.tasks import TASKS, output_positions

__all__ = ["say_what_was_missing"]

_TAIL = 16_384
_LAST = 3
"""So many parts of its output are looked at, from the end."""

_ABSENT = re.compile(
    r"no such file|not found|does(?:n.t| not) exist|(?:cannot|can.t) (?:open|find)|missing", re.IGNORECASE
)
_MODULE = re.compile(r"^ModuleNotFoundError: No module named '(\w+)", re.MULTILINE)
_WORD = re.compile(r"[^\s'\"`:,;()\[\]{}<>=]+")
_NOT_THEIRS = frozenset([".datmo", ".git", "..", ""])


async def say_what_was_missing(workspace: Workspace, task_id: str, code_at: str) -> None:
    """Say what a task that failed looked for in vain: a file that lies in the project but not in the code, a module.

    Parameters:
        workspace: the project.
        task_id: the task, which has ended.
        code_at: where it had the code.
    """
    row = await workspace.query(lambda connection: TASKS.load(connection, task_id))
    if row is None or row["status"] != "FAILED" or row["exit_code"] is None:
        return
    given = [each["path"] for each in row["options"].get("data", {}).values()]
    try:
        positions = await workspace.query(lambda connection: output_positions(connection, task_id)[-_LAST:])
        frames = [await workspace.log.payload(position) for position in positions]
        output = join_text(b"".join(part for part in frames if part is not None))[-_TAIL:]
        paths = list(_named(output, code_at))
        found = await workspace.in_thread(lambda: _missing(workspace, row["code_id"], paths, given)) if paths else None
        environment = await workspace.query(lambda connection: ENVIRONMENTS.load(connection, row["environment_id"]))
    except (DatmoError, OSError):  # a remark: nothing fails for want of it
        return
    remark = None
    if found is not None:
        path, give = found
        remark = f"{path} is ignored, so that it is no part of the code: `--data {give}` lets the task read it"
    elif (module := _MODULE.search(output)) and environment is not None:
        remark = _lacks(module[1], row["executor"], environment)
    if remark is not None and remark not in workspace.said:  # each task of a sweep would say the same
        workspace.said.add(remark)
        workspace.notice(remark)


def _lacks(module: str, executor: str, environment: Row) -> str:
    if environment["kind"] == "interpreter" or (environment["kind"] == "dockerfile" and executor == "process"):
        makes = "`datmo environment setup --write` makes a requirements.txt, from which tasks get an environment"
        return f"{module} is not in the Python that runs datmo, which the task was given: {makes}"
    return f"{module} is not in the environment: does {environment['definition']} name what it comes with?"


def _named(output: str, code_at: str) -> Iterator[str]:
    """Yield what may be paths in the code, in the lines that say that something is not there; the last one first."""
    seen = set()
    for line in reversed(output.splitlines()):
        if _ABSENT.search(line):
            for word in _WORD.findall(line):
                path = os.path.normpath(word.removeprefix(f"{code_at}/"))
                if path not in seen and not os.path.isabs(path) and path.split("/")[0] not in _NOT_THEIRS:
                    seen.add(path)
                    yield path


def _missing(workspace: Workspace, code_id: str, paths: list[str], given: Collection[str]) -> tuple[str, str] | None:
    """Return the first path that is in the project and not in the code, and the highest folder of which that holds."""
    there = [path for path in paths if path != "." and os.path.exists(workspace.home / path)]
    if not there:
        return None
    code = [path for path, _, _ in workspace.code.files(code_id)]
    known = {parent for path in code for parent in _parents(path)}
    for path in there:
        if path not in known and not any(parent in given for parent in _parents(path)):
            return path, next(parent for parent in _parents(path) if parent not in known)
    return None


def _parents(path: str) -> list[str]:
    """Return a path with all folders above it, the highest first."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
