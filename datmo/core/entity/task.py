"""A task as a plain value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["Task"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A command that is run, or was, in an environment.

    Attributes:
        id: 16 characters.
        model_id: the project's id.
        session_id: the session that it belongs to.
        command: what is run, as it was given.
        status: `CREATED`, `RUNNING`, `SUCCESS`, `FAILED`, `STOPPED` or `LOST`.
        created_at: when it was asked for, UTC.
        start_time: when its command started, UTC, or None.
        end_time: when its command ended, UTC, or None.
        results: what it reported: lines `key: value` of its output and its `stats.json`.
        config: its parameters and what it said of its configuration.
        exit_code: the command's own, 128 + n after signal n, or None.
        reason: why it ended as it did, where the exit code does not say it all.
        executor: `docker`, `process`, or `track` for a process that tracks itself.
        runs_on: the image or the interpreter.
        code_id, environment_id, file_collection_id: what it ran, in what, and the files that it left.
        name: given by the user, or None.
        retry_of: the first attempt's id, where this is a further one.
        rerun_of: the task that this one runs again, or None.
        notices: what the user should know about the run.
        unattended: whether it has not ended and nobody is there who would record its end, because whoever ran it was
            killed.
    """

    id: str
    model_id: str
    session_id: str
    command: str
    status: str
    created_at: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    results: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    reason: str | None = None
    executor: str = "process"
    runs_on: str | None = None
    code_id: str = ""
    environment_id: str = ""
    file_collection_id: str | None = None
    name: str | None = None
    retry_of: str | None = None
    rerun_of: str | None = None
    notices: tuple[str, ...] = ()
    unattended: bool = False

    @property
    def duration(self) -> float | None:
        """Seconds between start and end, or None while there is no end."""
        if self.start_time is None or self.end_time is None:
            return None
        return (self.end_time - self.start_time).total_seconds()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status not in ("CREATED", "RUNNING")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def _repr_html_(self) -> str:
        from datmo.core.html import task_html

        return task_html(self)

    def __str__(self) -> str:
        return f"Task {self.id}\n  session_id: {self.session_id}\n  command: {self.command}"
