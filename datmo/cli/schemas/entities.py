"""The documents that stand for one thing: a session, a snapshot, a task, an environment, an event, a setting."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from datmo.cli.schemas.kinds import Bytes, Hash, Id, Number, Seconds, Text, Time

__all__ = [
    "Environment",
    "EnvironmentPage",
    "Event",
    "EventPage",
    "OutputLine",
    "Proposal",
    "Session",
    "Setting",
    "Snapshot",
    "SnapshotPage",
    "Task",
    "TaskPage",
    "TaskUpdate",
    "Version",
]

_Executor = Literal["docker", "process", "track"]
_Definition = Literal["dockerfile", "requirements", "pyproject", "conda", "interpreter"]
_Status = Literal["CREATED", "RUNNING", "SUCCESS", "FAILED", "STOPPED", "LOST"]
_Values = dict[str, Any]


class Version(TypedDict):
    """Which Datmo this is."""

    version: Annotated[str, "such as `0.1.0`"]
    python: Annotated[str, "the version of the Python that runs it"]


class Session(TypedDict):
    """A session."""

    id: Id
    model_id: Annotated[Id, "the project"]
    name: Annotated[str, "unique in the project"]
    current: Annotated[bool, "whether new tasks and snapshots belong to it"]
    tasks: Annotated[int, "how many it has"]
    snapshots: Annotated[int, "how many it has"]
    created_at: Time


class Snapshot(TypedDict):
    """A snapshot."""

    id: Id
    model_id: Annotated[Id, "the project"]
    session_id: Annotated[Id, "its session"]
    task_id: Annotated[Id | None, "the task that it was made from"]
    message: Annotated[str, "what it is, in its maker's words"]
    label: Annotated[str | None, "a short category"]
    code_id: Annotated[str, "a commit"]
    environment_id: Annotated[Hash, "what it runs in"]
    file_collection_id: Annotated[Hash, "its files; the hash of their list"]
    config: Annotated[_Values, "its configuration"]
    stats: Annotated[_Values, "its metrics"]
    current: NotRequired[Annotated[bool, "whether the folder is this one; not in `log replay --to`"]]
    created_at: Time
    updated_at: Annotated[Time, "when its words or values last changed"]


class Task(TypedDict):
    """A task."""

    id: Id
    model_id: Annotated[Id, "the project"]
    session_id: Annotated[Id, "its session"]
    name: Annotated[str | None, "given by its user"]
    command: Annotated[str, "what is run, as it was given"]
    status: _Status
    unattended: Annotated[bool, "whether it has not ended and nobody is there to record its end"]
    config: Annotated[_Values, "its parameters, and what it said of its configuration"]
    results: Annotated[_Values, "what it reported"]
    exit_code: Annotated[int | None, "the command's own, 128 + n after signal n"]
    reason: Annotated[str | None, "why it ended so, where the exit code does not say it all"]
    executor: _Executor
    runs_on: Annotated[str | None, "the image or the interpreter"]
    code_id: Annotated[str, "the commit that it ran"]
    environment_id: Annotated[Hash | Literal[""], "what it ran in; empty until that is known"]
    file_collection_id: Annotated[Hash | None, "the files that it left"]
    retry_of: Annotated[Id | None, "the first attempt, where it is a further one"]
    rerun_of: Annotated[Id | None, "the task that it runs again"]
    notices: Annotated[list[Text], "what its user should know"]
    created_at: Annotated[Time, "when it was asked for"]
    start_time: Annotated[Time | None, "when its command started"]
    end_time: Annotated[Time | None, "when its command ended"]
    duration: Annotated[Seconds | None, "between the two"]


class _Code(TypedDict):
    """The code of a snapshot or task."""

    id: Annotated[str, "the commit"]
    tree: Annotated[str | None, "its tree in git; the same for the same content"]
    base: Annotated[str | None, "the commit that it was made on"]
    large_files: Annotated[list[Text], "paths of files that are too large for git, kept apart"]


class _EnvironmentOf(TypedDict):
    """The environment of a snapshot or task."""

    id: Annotated[Hash | Literal[""], "as `environment_id`"]
    kind: _Definition | None
    described: Annotated[str | None, "one line for people"]
    files: Annotated[dict[str, Hash], "definition files, and the objects that they are"]
    platform: Annotated[_Values, "system, machine and Python; part of the id"]
    hardware: Annotated[_Values, "what it was captured on; memory in bytes"]
    packages: Annotated[list[str], "`name==version`, as far as they are known"]


class _File(TypedDict):
    """A file of a collection."""

    path: Text
    size: Bytes
    mode: Annotated[str, "permissions in octal digits, such as `644`"]
    object: Annotated[Hash, "its content"]


class _FileCollection(TypedDict):
    """The files of a snapshot or task."""

    id: Annotated[Hash | None, "as `file_collection_id`"]
    count: Annotated[int, "how many files"]
    size: Bytes
    files: list[_File]


class SnapshotPage(Snapshot):
    """All of a snapshot."""

    config_path: Annotated[str | None, "the file that the configuration was read from"]
    stats_path: Annotated[str | None, "the file that the metrics were read from"]
    code: _Code
    environment: _EnvironmentOf
    file_collection: _FileCollection


class MetricSummary(TypedDict):
    """What is known of a metric without its points."""

    count: Annotated[int, "how many points"]
    first_step: int
    last_step: int
    last_time: Annotated[Time, "when the last point was measured"]
    last: Number
    min: Annotated[Number | None, "NaN left out"]
    max: Annotated[Number | None, "NaN left out"]


class TaskPage(Task):
    """All of a task."""

    argv: Annotated[list[Text], "the words of its command"]
    executor_reason: Annotated[str | None, "why it ran there"]
    options: Annotated[_Values, "what it may use and is given: ports, limits, mounts"]
    output_size: Annotated[Bytes, "of all that it printed, as it is recorded"]
    output_limited: Annotated[bool, "whether it printed more than is recorded"]
    metrics: Annotated[dict[str, MetricSummary], "by their names"]
    code: _Code
    environment: _EnvironmentOf
    file_collection: _FileCollection


class _Build(TypedDict):
    """What was built of an environment."""

    image_id: Annotated[str | None, "of an image"]
    base_image_id: Annotated[str | None, "of the image that it is made from"]
    seconds: Annotated[Seconds, "how long it took"]


class Environment(TypedDict):
    """An environment."""

    id: Hash
    kind: _Definition
    described: Annotated[str, "one line for people"]
    files: Annotated[dict[str, Hash], "definition files, and the objects that they are"]
    packages: Annotated[list[str], "`name==version`, as far as they are known"]
    platform: Annotated[_Values, "system, machine and Python; part of the id"]
    hardware: Annotated[_Values, "what it was captured on; memory in bytes"]
    builds: Annotated[dict[str, _Build], "by what they were built from"]
    current: Annotated[bool, "whether a task would run in it now"]
    created_at: Annotated[Time, "when it was first seen"]


class EnvironmentPage(Environment):
    """All of an environment."""

    definition: Annotated[str | None, "the file that defines it"]
    tasks: Annotated[int, "how many ran in it"]
    snapshots: Annotated[int, "how many have it"]


class Proposal(TypedDict):
    """What could define a project's environment."""

    name: Annotated[str, "the file, in the project's root"]
    text: Annotated[str, "what stands in it"]
    reason: Annotated[str, "what it was made from"]
    notices: Annotated[list[Text], "what it does not know"]
    written: Annotated[bool, "whether it was written"]


class _Actor(TypedDict):
    """Who appended an event."""

    user: str
    host: str
    pid: int
    program: str


class Event(TypedDict):
    """An event of the log; `datmo docs events` has all types and what is in their data."""

    position: Annotated[int, "its place in the log"]
    id: Annotated[str, "a UUID"]
    stream: Annotated[str, "whose it is, such as `task/7k2m…`"]
    version: Annotated[int, "its place in the stream"]
    type: Annotated[str, "such as `task.started`"]
    schema: Annotated[int, "the version of its data"]
    recorded_at: Time
    actor: _Actor
    correlation: Annotated[str | None, "the same for all that one command appends"]
    data: _Values
    digest: Annotated[Hash | None, "of the payload beside it"]
    hash: Annotated[Hash, "over the event before and all of this one"]


class EventPage(Event):
    """All of an event."""

    payload_size: Annotated[Bytes | None, "of the payload beside it; null where it has none, or it was erased"]


class _Output(TypedDict):
    """A part of what a task printed."""

    stream: Literal["stdout", "stderr"]
    text: str


class TaskUpdate(TypedDict):
    """Something that happened to a task."""

    task_id: Id
    position: Annotated[int, "the event's place in the log"]
    type: Annotated[str, "such as `task.started`"]
    recorded_at: Time
    data: Annotated[_Values, "the event's; see `datmo docs events`"]
    output: Annotated[list[_Output], "of `task.output` what was printed, in the order of arrival; else empty"]


class OutputLine(TypedDict):
    """A line that a task printed."""

    task_id: Id
    stream: Literal["stdout", "stderr"]
    recorded_at: Annotated[Time, "when its end was recorded"]
    text: Annotated[str, "with its end; of the last line that may be missing"]


class Setting(TypedDict):
    """A setting; `datmo docs settings` has all."""

    key: str
    value: Annotated[Any, "the value that is in force; sizes in bytes, times in seconds; null where it is worked out"]
    source: Literal["environment", "project", "user", "default"]
    default: Annotated[Any, "its value where nobody says otherwise"]
    variable: Annotated[str, "the environment variable that sets it"]
    help: Annotated[str, "what it does"]
