"""Histories as commands make them, over all kinds of entities: for property tests and for the golden log."""

from __future__ import annotations

from array import array
from typing import Any

from hypothesis import strategies as st

from datmo.core import checkout, environment, outbox, project, session, settings, snapshot, task
from datmo.core.event import NewEvent
from datmo.core.points import Columns

PROJECT = "p" * 16
DEFAULT = "d" * 16

# Of each kind of difficulty one: the codec has tests of its own, and drawing values would take most of the time.
VALUES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"rate": 0.1, "layers": [64, 32], "name": "adam"},
        {"loss": float("nan"), "best": float("inf"), "worst": float("-inf"), "zero": -0.0},
        {"big": 2**70, "small": -(2**63), "one": 1, "one.0": 1.0, "true": True},
        {"text": "naïve\nline \udcff", "null": None, "": "null", "$": "$float"},
        {"$float": "nan"},
        {"deep": {"deeper": [{"$$": [None, [], {}]}]}},
    ]
)


def entity(kind: str, number: int) -> str:
    """The id of one of a few entities."""
    return f"{kind[:1]}{number:015d}"


def create_session(number: int, values: dict[str, Any]) -> list[NewEvent]:
    # Names repeat: the index of the view refuses the second one.
    return session.create(entity("session", number), f"name {number % 3}", (), current=bool(values))


def select_session(number: int, _: dict[str, Any]) -> list[NewEvent]:
    return session.select(entity("session", number))


def delete_session(number: int, _: dict[str, Any]) -> list[NewEvent]:
    state = {"id": entity("session", number), "name": f"name {number % 3}"}
    return session.delete(state, current_id=entity("session", 1), default_id=DEFAULT, running=())


def restore_session(number: int, _: dict[str, Any]) -> list[NewEvent]:
    return session.restore({"id": entity("session", number), "name": f"name {number % 3}"}, ())


def describe_project(number: int, values: dict[str, Any]) -> list[NewEvent]:
    return project.describe({"id": PROJECT, "name": "x", "description": "y"}, f"iris {number}", str(values))


def change_setting(number: int, values: dict[str, Any]) -> list[NewEvent]:
    name = f"setting.{number % 3}"
    return settings.set_to({}, name, [values]) if values else settings.unset({name: "docker"}, name)


def initialize_again(_: int, __: dict[str, Any]) -> list[NewEvent]:
    return project.initialize("q" * 16, "e" * 16, "other", "")


def create_task(number: int, values: dict[str, Any]) -> list[NewEvent]:
    created = task.TaskCreated(
        session_id=DEFAULT if number % 2 else entity("session", number),
        name=None,
        command=f"python train.py --seed {number}",
        argv=["python", "train.py", "--seed", str(number)],
        executor="docker",
        executor_reason="Dockerfile",
        code_id=entity("code", number),
        environment_id=entity("environment", number),
        config=values,
        options={"gpu": False, **values},
    )
    return [task.create(entity("task", number), created)]


def start_task(number: int, values: dict[str, Any]) -> list[NewEvent]:
    handle = {"container": "c" * 64, **values}
    return [task.start(entity("task", number), task.TaskStarted(handle=handle, runs_on="engine 20.10"))]


def print_output(number: int, values: dict[str, Any]) -> list[NewEvent]:
    # Only what begins at 0 fits, and once: the rest is refused, as a second supervisor's would be.
    start = 0 if values else number
    return [task.output(entity("task", number), start, start + 5, b"\1\0\0\0\0"), printed(number, start + 5)]


def printed(number: int, start: int) -> NewEvent:
    return task.output(entity("task", number), start, start + 6, b"\2\0\0\0\1x")


def report(number: int, values: dict[str, Any]) -> list[NewEvent]:
    # As with output, only what begins at 0 fits, and once.
    start = outbox.Cursor(7, 0 if values else number)
    columns = Columns(array("q", [1, 2, number]), array("d", [1e9] * 3), array("d", [float("nan"), 0.5, number]))
    artifacts = [outbox.Artifact("model.pt", "o" * 64, 9, 0o644)]
    end = outbox.Cursor(7, start.offset + 90)
    taken = outbox.Taken(start, end, {"loss": columns}, values, values, artifacts, number % 2, "no JSON object")
    return outbox.take(entity("task", number), taken)


def report_more(number: int, values: dict[str, Any]) -> list[NewEvent]:
    columns = Columns(array("q", [number]), array("d", [1e9]), array("d", [float("inf") if values else -1.0]))
    taken = outbox.Taken(outbox.Cursor(7, 90), outbox.Cursor(7, 100), {"loss": columns, "new": columns}, {}, {})
    measured = outbox.measured(entity("task", number), {"system.cpu": columns})
    return [measured, *outbox.take(entity("task", number), taken)]


def replace_outbox(number: int, _: dict[str, Any]) -> list[NewEvent]:
    return [outbox.replace(entity("task", number), outbox.Cursor(7, 90), outbox.Cursor(7 + number % 2, 0))]


def limit_output(number: int, _: dict[str, Any]) -> list[NewEvent]:
    return [task.limit_output(entity("task", number), 1 << 30)]


def ask_to_stop(number: int, _: dict[str, Any]) -> list[NewEvent]:
    return [NewEvent(f"task/{entity('task', number)}", "task.stop_requested", {})]


def end_task(number: int, values: dict[str, Any]) -> list[NewEvent]:
    exit_code = (0, 1, 137, None)[number % 4]
    ended = task.TaskEnded(
        exit_code=exit_code,
        reason="the engine has no container of it" if exit_code is None else None,
        ended_us=None if number % 3 else 1_700_000_000_000_000,
        started_us=1_699_999_999_000_000,
        results={"accuracy": 0.97, **values},
        config=values,
        file_collection_id=entity("files", number),
        notices=["2 files were too large"] if number % 2 else [],
    )
    return [task.end(entity("task", number), ended, stopped=number == 5)]


def create_snapshot(number: int, values: dict[str, Any]) -> list[NewEvent]:
    created = snapshot.SnapshotCreated(
        session_id=DEFAULT,
        task_id=entity("task", number) if number % 2 else None,
        message=f"model {number}",
        label=None if values else "best",
        code_id=entity("code", number),
        environment_id=entity("environment", number),
        file_collection_id=entity("files", number),
        config=values,
        config_path="config.json",
        stats={"accuracy": float("nan"), **values},
        stats_path=None,
    )
    return snapshot.create(entity("snapshot" + "z", number), created)


def import_snapshot(number: int, values: dict[str, Any]) -> list[NewEvent]:
    origin = snapshot.Imported(project="o" * 16, position=7, id="u" * 36, recorded_us=1_700_000_000_000_000, actor={})
    created = create_snapshot(number, values)[0]
    return [created._replace(data={**created.data, "imported": origin})]


def change_snapshot(number: int, values: dict[str, Any]) -> list[NewEvent]:
    state = {"id": entity("snapshot" + "z", number), "message": "", "label": "best", "config": {}, "stats": {}}
    changes = snapshot.SnapshotUpdated(message=f"better {number}", label=None, config=values, stats={"f1": number})
    if number % 3 == 0:
        return snapshot.update(state, changes)
    return snapshot.delete(state) if number % 3 == 1 else snapshot.restore(state)


def check_out_snapshot(number: int, values: dict[str, Any]) -> list[NewEvent]:
    data = checkout.CheckedOut(
        checkout=f"01900000-0000-7000-8000-00000000000{number}",
        previous=entity("snapshot" + "z", number + 1) if values else None,
        saved=bool(values),
        branch="best" if number % 2 else None,
        kept=["model.bin"] * (number % 3),
        made=["out/model.bin"] * (number % 2),
    )
    return checkout.check_out(entity("snapshot" + "z", number), data)


def capture(number: int, values: dict[str, Any]) -> list[NewEvent]:
    code = {"tree": "t" * 40, "base": None, "large": [["w.bin", "o" * 64, 9, 420]], "own_repository": True}
    described: dict[str, Any] = {
        "kind": "dockerfile",
        "described": "Dockerfile, FROM python:3.11-slim",
        "definition": "Dockerfile",
        "dockerignore": None,
        "files": {"Dockerfile": "o" * 64},
        "packages": [],
        "platform": {"machine": "x86_64", **values},
        "hardware": {"cpus": 2},
    }
    return [
        NewEvent(f"code/{entity('code', number)}", "code.captured", {**code, "notices": []}),
        NewEvent(f"environment/{entity('environment', number)}", "environment.created", described),
        NewEvent(f"files/{entity('files', number)}", "files.stored", {"count": 3, "size": 4096}),
    ]


def build(number: int, values: dict[str, Any]) -> list[NewEvent]:
    stream = f"environment/{entity('environment', number)}"
    built = {"key": "k" * 64, "image_id": "sha256:1", "base_image_id": None, "seconds": 1.5, "reason": None}
    failed = {**built, "image_id": None, "reason": "pip: no such package"}
    return [
        NewEvent(stream, "environment.build_started", {"key": "k" * 64}),
        NewEvent(stream, "environment.build_failed", failed)
        if values
        else NewEvent(stream, "environment.built", built),
    ]


def delete_environment(number: int, _: dict[str, Any]) -> list[NewEvent]:
    return environment.delete({"id": entity("environment", number)}, ())


def collect(number: int, values: dict[str, Any]) -> list[NewEvent]:
    return [
        NewEvent(f"snapshot/{entity('snapshot' + 'z', number)}", "snapshot.collected", {}),
        NewEvent(f"task/{entity('task', number)}", "task.collected", {}),
        NewEvent(f"code/{entity('code', number)}", "code.collected", {}),
        NewEvent(f"files/{entity('files', number)}", "files.collected", {}),
        NewEvent("objects/store", "objects.collected", {"objects": number, "size": 1 << 40, "refs": len(values)}),
    ]


def own_events(number: int, values: dict[str, Any]) -> list[NewEvent]:
    """What somebody else's program appends to the log, and what no view folds."""
    return [
        NewEvent(f"own/{number}", "own.happened", values, b"bytes"),
        NewEvent(f"runner/{number}", "runner.attached", {"pid": number}),
    ]


COMMANDS = (
    create_session,
    select_session,
    delete_session,
    restore_session,
    describe_project,
    change_setting,
    initialize_again,
    create_task,
    start_task,
    print_output,
    report,
    report_more,
    replace_outbox,
    limit_output,
    ask_to_stop,
    end_task,
    create_snapshot,
    import_snapshot,
    change_snapshot,
    check_out_snapshot,
    capture,
    build,
    delete_environment,
    collect,
    own_events,
)
HISTORIES = st.lists(
    st.lists(st.tuples(st.sampled_from(COMMANDS), st.integers(0, 5), VALUES), min_size=1, max_size=5), max_size=6
)
"""Groups of commands; those of one group are given at the same time."""
