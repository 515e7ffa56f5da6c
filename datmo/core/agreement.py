"""Whether a task that was run again came to the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from datmo.core.differences import FileChange, ValueChange, file_changes, value_changes

__all__ = ["Agreement", "Rerun", "agreement"]

TaskT = TypeVar("TaskT")

_LOG = "task.log"
"""The output as a file: times and the like differ in it from run to run."""


class Agreement(NamedTuple):
    """What a task that was run again came to, beside the first run.

    Attributes:
        first, again: the ids of both tasks.
        comparable: whether the first one came to its end: one that was stopped or lost says nothing.
        results: results, the status and the exit code where they differ.
        files: files that differ, but for the log. They do not count: many hold a time.
    """

    first: str
    again: str
    comparable: bool
    results: tuple[ValueChange, ...]
    files: tuple[FileChange, ...]

    @property
    def agrees(self) -> bool:
        """Whether both ended in the same way, with the same results to the last digit."""
        return self.comparable and not self.results


class Rerun(NamedTuple, Generic[TaskT]):
    """A task that was run again; each API has its own tasks in it.

    Attributes:
        task: the new task.
        agreement: whether it came to the same as the first one.
    """

    task: TaskT
    agreement: Agreement


def agreement(
    first: Mapping[str, Any],
    again: Mapping[str, Any],
    files_first: Mapping[str, tuple[str, int, int]],
    files_again: Mapping[str, tuple[str, int, int]],
) -> Agreement:
    """Compare two runs.

    Parameters:
        first, again: the rows of both tasks.
        files_first, files_again: path to object id, mode and size.
    """
    ends = [{name: row[name] for name in ("status", "exit_code")} for row in (first, again)]
    files = [{path: each for path, each in files.items() if path != _LOG} for files in (files_first, files_again)]
    return Agreement(
        first=first["id"],
        again=again["id"],
        comparable=first["status"] in ("SUCCESS", "FAILED"),
        results=(*value_changes(*ends), *value_changes(first["results"], again["results"])),
        files=file_changes(*files),
    )
