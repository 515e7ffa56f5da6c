"""Every error that Datmo raises.

::

    DatmoError
    ├── InvalidArgument            a value that was given cannot be used
    │   └── InvalidArgumentType    ... because it is of the wrong type or kind
    ├── ProjectError
    │   ├── ProjectNotFound        no project at or above a folder
    │   └── ProjectBusy            something else holds the project, or may not share it
    ├── EntityNotFound             no session, snapshot, task ... has that id
    ├── AmbiguousId                several have an id that begins so
    ├── Refused                    the state of things forbids what was asked
    ├── LogError
    │   ├── Conflict               the stream or view was not as the append expected
    │   ├── LogTooNew              written by a newer Datmo
    │   └── DamagedLog             stored bytes are not what was written
    ├── ObjectError
    │   ├── ObjectMissing          the store has no object of that id
    │   └── ObjectDamaged          its bytes do not have that hash
    ├── ArchiveError               an archive of snapshots cannot be written, or not be imported
    ├── CaptureError
    │   ├── CodeError              the code could not be captured or checked out
    │   ├── EnvironmentInvalid     an environment definition cannot be used
    │   └── FilesError             files could not be captured
    └── RunnerError
        ├── EngineUnreachable      no Docker engine answers
        ├── TaskStopped            what this process was doing as a task was stopped, as somebody asked
        ├── BuildFailed            an image or a virtual environment could not be built
        └── StartFailed            the command could not be started

A message says what is wrong and with which value; ``hint`` says what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from types import FrameType

__all__ = [
    "AmbiguousId",
    "ArchiveError",
    "BuildFailed",
    "CaptureError",
    "CodeError",
    "Conflict",
    "DamagedLog",
    "DatmoError",
    "EngineUnreachable",
    "EntityNotFound",
    "EnvironmentInvalid",
    "FilesError",
    "InvalidArgument",
    "InvalidArgumentType",
    "LogError",
    "LogTooNew",
    "ObjectDamaged",
    "ObjectError",
    "ObjectMissing",
    "ProjectBusy",
    "ProjectError",
    "ProjectNotFound",
    "Refused",
    "RunnerError",
    "StartFailed",
    "TaskStopped",
]


class DatmoError(Exception):
    """The root of the tree.

    Parameters:
        message: what is wrong, with the value that is wrong; one line.
        hint: what to do next; one line, or None where there is nothing to say.
    """

    exit_code: ClassVar[int] = 1
    """What the command line exits with: 2 for what was given wrongly, 3 without a project, 4 without an engine, else 1.

    `datmo task run` exits with 125 instead, as `docker run` does, but for what was given wrongly.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(f"hint: {hint}")  # a traceback ends with it

    def __str__(self) -> str:
        return self.message

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows: down to the call of ours, without the way through our own code to where it failed.

        The message says what is wrong; twenty frames of event loop above it would only hide it.
        """
        return _for_ipython(self)


def _for_ipython(error: BaseException) -> list[str]:
    import sys
    import traceback
    from types import TracebackType

    shell = sys.modules["IPython"].get_ipython()
    frames = list(traceback.walk_tb(error.__traceback__))
    ours = next((depth for depth, (frame, _) in enumerate(frames) if _is_ours(frame)), len(frames))
    shown = None
    for frame, line in reversed(frames[:ours]):
        shown = TracebackType(shown, frame, frame.f_lasti, line)
    cause, hidden = error.__cause__, error.__suppress_context__
    try:
        error.__cause__ = None  # which would be shown before it, with all of its frames
        lines: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, shown, tb_offset=1)
    finally:
        error.__cause__, error.__suppress_context__ = cause, hidden
    return lines


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == "datmo"


class InvalidArgument(DatmoError):
    """A value that was given cannot be used."""

    exit_code = 2


class InvalidArgumentType(InvalidArgument):
    """A value is of the wrong type or kind (the seed's name for it)."""


class ProjectError(DatmoError):
    """Something about the project as a whole."""


class ProjectNotFound(ProjectError):
    """There is no project at a folder, nor above it."""

    exit_code = 3


class ProjectBusy(ProjectError):
    """Something else holds the project, or may not share it."""


class EntityNotFound(DatmoError):
    """No entity of a kind has the id that was given.

    Parameters:
        kind: `session`, `snapshot`, `task`, `environment`, `metric` ...
        given: the id as it was given.
    """

    def __init__(self, kind: str, given: str, *, hint: str | None = None) -> None:
        message = {
            "event": f"there is no event at position {given}",
            "session": f"no session has the name {given!r}, or an id that begins with it",
            "metric": f"the task has no metric {given!r}",
        }.get(kind, f"no {kind} has an id that begins with {given!r}")
        super().__init__(message, hint=hint)
        self.kind = kind
        self.given = given


class AmbiguousId(DatmoError):
    """Several entities have an id that begins as the given one does.

    Parameters:
        kind: what was looked for.
        given: the id as it was given.
        candidates: the ids that begin so, at most a handful.
    """

    def __init__(self, kind: str, given: str, candidates: list[str]) -> None:
        by_id = all(each.startswith(given.lower()) for each in candidates)
        super().__init__(
            f"{given!r} could be any of these {kind}s: {', '.join(candidates)}",
            hint="give more of the id" if by_id else "several have that label: give the id of one",
        )
        self.kind = kind
        self.given = given
        self.candidates = candidates


class Refused(DatmoError):
    """The state of things forbids what was asked; nothing was changed."""


class LogError(DatmoError):
    """Something about the event log."""


class Conflict(LogError):
    """A stream or a view was not as the append expected; nothing was written."""


class LogTooNew(LogError):
    """The log was written by a newer Datmo than this one.

    Parameters:
        found: the format of the file.
        supported: the newest format that this version reads.
    """

    def __init__(self, found: int, supported: int) -> None:
        super().__init__(
            f"the log has format {found}, this Datmo reads formats up to {supported}",
            hint="upgrade datmo: pip install --upgrade datmo",
        )
        self.found = found
        self.supported = supported


class DamagedLog(LogError):
    """Stored bytes are not what was written.

    Parameters:
        position: the first position at which something is wrong, or None where it cannot be told.
        reason: what is wrong there.
    """

    def __init__(self, position: int | None, reason: str) -> None:
        where = "the log is damaged" if position is None else f"the log is damaged at position {position}"
        super().__init__(f"{where}: {reason}", hint="`datmo log verify` checks the whole log")
        self.position = position
        self.reason = reason


class ObjectError(DatmoError):
    """Something about the content store."""


class ObjectMissing(ObjectError):
    """The store has no object of an id."""


class ObjectDamaged(ObjectError):
    """The bytes of an object do not have its hash."""


class ArchiveError(DatmoError):
    """An archive of snapshots cannot be written, or is not one that can be imported; nothing was recorded."""


class CaptureError(DatmoError):
    """Code, environment or files could not be captured or brought back."""


class CodeError(CaptureError):
    """The code could not be captured or checked out."""


class EnvironmentInvalid(CaptureError):
    """An environment definition cannot be used."""


class FilesError(CaptureError):
    """Files could not be captured."""


class RunnerError(DatmoError):
    """A task could not be run as asked."""


class EngineUnreachable(RunnerError):
    """No Docker engine answers."""

    exit_code = 4


class TaskStopped(RunnerError):
    """What this process was doing as a task was stopped, as somebody asked; see `project.track`."""


class BuildFailed(RunnerError):
    """An image or a virtual environment could not be built.

    Parameters:
        output: the last lines that the build printed.
    """

    def __init__(self, message: str, *, hint: str | None = None, output: str = "") -> None:
        super().__init__(message, hint=hint)
        self.output = output


class StartFailed(RunnerError):
    """The command could not be started.

    Parameters:
        exit_code: 126 where it cannot be executed, 127 where it was not found, else 125.
    """

    def __init__(self, message: str, *, hint: str | None = None, exit_code: int = 125) -> None:
        super().__init__(message, hint=hint)
        self.code = exit_code
