"""What only the synchronous API has: the seed's functions and classes; notebooks, forks, threads, a script's end."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

import datmo
import datmo.project
from datmo import portal
from datmo.config import Config
from datmo.core.entity.snapshot import Snapshot as SnapshotEntity
from datmo.core.entity.task import Task as TaskEntity
from datmo.errors import InvalidArgumentType, LogError, ProjectNotFound
from tests.api.conftest import Git
from tests.api.processes import output


@pytest.fixture
def made(home: Path) -> Path:
    with datmo.init(home, name="iris"):
        return home


# The seed's functions, with their parameters in the seed's order


def test_the_seeds_examples(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    (made / "large.bin").write_text("large")
    task = datmo.task.run(command="python train.py")
    snapshot = datmo.snapshot.create(message="my first snapshot from task", task_id=task.id)
    plain = datmo.snapshot.create(
        message="my first snapshot",
        filepaths=[str(made / "large.bin")],
        config={"test": 0.4, "test2": "string"},
        stats={"accuracy": 0.94},
    )
    assert datmo.snapshot.ls() == [plain, snapshot]
    assert datmo.task.ls() == [task]
    assert (snapshot.stats, snapshot.task_id) == ({"accuracy": 0.9}, task.id)
    with plain.files[0] as file:
        assert file.read() == "large"
    assert task.logs == "accuracy: 0.9\n"


def test_positions_are_those_of_the_seed(made: Path, git: Git) -> None:
    home = str(made)
    head = git("rev-parse", "HEAD")
    first = datmo.snapshot.create("message", "label", home, None, head, None, [made / "train.py"], {"a": 1}, {"b": 2})
    assert (first.message, first.label, first.code_id, first.config, first.stats) == (
        "message",
        "label",
        head,
        {"a": 1},
        {"b": 2},
    )
    second = datmo.snapshot.create("second", None, home, None, None, first.environment_id)
    assert second.environment_id == first.environment_id
    task = datmo.task.run("true", None, home, False)
    third = datmo.snapshot.create("third", None, home, task.id)
    assert third.task_id == task.id
    assert datmo.snapshot.ls("default", "message", home) == [first]
    assert datmo.task.ls("default", "true", home) == [task]


def test_sessions_by_functions(made: Path) -> None:
    session = datmo.session.create("sweep", True, str(made))
    assert [each.name for each in datmo.session.ls(made)] == ["default", "sweep"]
    assert datmo.session.select("default", made).name == "default"
    assert datmo.session.delete(session.id, made).name == "default"


def test_classes_are_made_from_core_entities_and_nothing_else(made: Path) -> None:
    task = datmo.task.run("python train.py", home=made)
    snapshot = datmo.snapshot.create("x", home=made, task_id=task.id)
    with datmo.open(made) as project:
        assert project.snapshots.get(snapshot.id) == snapshot
    assert isinstance(snapshot._entity, SnapshotEntity)
    assert isinstance(task._entity, TaskEntity)
    assert datmo.snapshot.Snapshot(snapshot._entity, home=made) == snapshot
    again = datmo.task.Task(task._entity, str(made))
    assert (again, again.logs) == (task, "accuracy: 0.9\n")
    for wrong in (None, snapshot, task, snapshot.id, {"id": snapshot.id}):
        with pytest.raises(InvalidArgumentType):
            datmo.snapshot.Snapshot(wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgumentType):
            datmo.task.Task(wrong)  # type: ignore[arg-type]


def test_a_traceback_ends_with_the_hint(tmp_path: Path) -> None:
    with pytest.raises(ProjectNotFound) as caught:
        datmo.task.ls(home=str(tmp_path))
    assert traceback.format_exception(caught.value)[-1] == "hint: `datmo init` there makes one\n"


def test_errors_come_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(ProjectNotFound):
        datmo.snapshot.ls(home=tmp_path)
    with pytest.raises(ProjectNotFound):
        datmo.task.run("true", home=tmp_path)


def test_the_body_of_an_open_project_may_raise_anything(made: Path) -> None:
    for error in (ValueError("mine"), KeyboardInterrupt(), SystemExit(3), ExceptionGroup("ours", [ValueError("one")])):
        with pytest.raises(type(error)) as caught, datmo.open(made):
            raise error
        assert caught.value is error
    assert datmo.snapshot.ls(home=made) == []


def test_a_project_that_was_closed_says_so(made: Path) -> None:
    with datmo.open(made) as project:
        pass
    with pytest.raises(LogError, match="closed"):
        project.snapshots.ls()


def test_reading_the_log_may_end_early(made: Path) -> None:
    with datmo.open(made) as project:
        for event in project.log.read():
            assert event.position == 1
            break
        assert [event.position for event in project.log.read(backward=True, limit=2)] == [3, 2]
        following = project.log.follow(after=0)
        assert [next(following).position for _ in range(3)] == [1, 2, 3]


# Notebooks, forks, threads, the end


def test_it_works_inside_a_running_loop(made: Path) -> None:
    source = """
import asyncio
import datmo

async def cell():
    snapshot = datmo.snapshot.create("from a notebook")
    task = datmo.task.run("python train.py")
    with datmo.open() as project:
        return [project.snapshots.get(snapshot.id).message, project.tasks.get(task.id).status, task.logs]

print(asyncio.run(cell()))
"""
    assert output(source, cwd=made) == "['from a notebook', 'SUCCESS', 'accuracy: 0.9\\n']\n"


def test_a_forked_child_works_and_the_parent_goes_on(made: Path) -> None:
    source = """
import os, sys, warnings
import datmo
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)

with datmo.open() as project:
    project.snapshots.create("before")
    child = os.fork()
    if child == 0:
        try:
            project.snapshots.ls()
        except datmo.errors.LogError as error:
            assert "fork" in str(error), error
            datmo.snapshot.create("in the child")
            task = datmo.task.run("python train.py")
            os._exit(0 if task.status == "SUCCESS" else 3)
        finally:
            sys.stderr.flush()
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    project.snapshots.create("after")
    print([snapshot.message for snapshot in project.snapshots.ls()], len(project.tasks.ls()), project.log.verify().ok)
"""
    assert output(source, cwd=made) == "['after', 'in the child', 'before'] 1 True\n"


def test_a_forked_child_may_leave_a_block_of_its_parent(made: Path) -> None:
    source = """
import os, sys
import datmo

child = 0
with datmo.open() as project:
    project.snapshots.ls()
    child = os.fork()
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    print(len(datmo.session.ls()))
"""
    assert output(source, cwd=made) == "1\n"


def test_a_script_ends_by_itself(made: Path) -> None:
    assert output("import datmo\nprint(datmo.snapshot.ls())", cwd=made) == "[]\n"


def test_a_script_that_left_a_project_open_ends_too(made: Path) -> None:
    source = "import datmo\nproject = datmo.open()\nprint(project.snapshots.ls())"
    assert output(source, cwd=made) == "[]\n"


def test_a_project_is_open_until_it_is_closed(home: Path) -> None:
    made = datmo.init(home, name="held")
    opened = datmo.open(home)
    assert opened.id == made.id
    assert repr(opened) == f"<Project {home}>"
    opened.close()
    opened.close()
    assert repr(opened) == f"<Project {home}, closed>"
    with pytest.raises(LogError, match="the log is closed") as caught:
        opened.tasks.ls()
    assert caught.value.hint is not None
    assert "anew" in caught.value.hint
    with made:
        assert made.tasks.ls() == []
    with pytest.raises(LogError):
        made.tasks.ls()


def test_a_project_that_nobody_names_is_open_while_something_of_it_is_in_use(made: Path) -> None:
    source = """
import gc, threading, datmo

datmo.open().sessions.create("x")
tasks = datmo.open().tasks
first = tasks.run("echo 1")
print([event.type for event in datmo.open().log.read(types=["task.finished"])])
print([update.event.type for update in datmo.open().tasks.follow(first.id)][-1])
with datmo.open().track("x") as task:
    gc.collect()
    task.log(loss=1.0)
assert any("connection" in thread.name for thread in threading.enumerate())
del tasks
gc.collect()
while any("connection" in thread.name for thread in threading.enumerate()):
    pass
print("closed")
"""
    assert output(source, cwd=made) == "['task.finished']\ntask.finished\nclosed\n"


def test_what_is_left_of_an_iteration_ends_with_the_script(made: Path) -> None:
    source = "import datmo\nfollowing = datmo.open().log.follow(after=0)\nprint(next(following).position)"
    assert output(source, cwd=made) == "1\n"


def test_a_forked_child_may_leave_an_iteration_of_its_parent(made: Path) -> None:
    source = """
import os, warnings
import datmo
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)

child = 0
project = datmo.open()
for event in project.log.follow(after=0):
    child = os.fork()
    break
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    print(event.position, len(project.sessions.ls()))
"""
    assert output(source, cwd=made) == "1 1\n"


def test_what_is_still_being_left_at_the_end_of_a_script_says_nothing(made: Path) -> None:
    source = """
import anyio
from contextlib import asynccontextmanager
from datmo import portal

@asynccontextmanager
async def slow():
    try:
        yield
    finally:
        await anyio.sleep_forever()

held = portal.Held(slow())
del held
"""
    assert output(source, cwd=made) == ""


def test_ctrl_c_while_something_is_entered_ends_that_in_order() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def slow() -> AsyncIterator[None]:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        try:
            await anyio.sleep_forever()
            yield
        finally:
            seen.append("ended")

    with pytest.raises(KeyboardInterrupt), portal.entered(slow()):
        seen.append("entered")
    assert seen == ["ended"]


def test_what_cannot_be_opened_says_so_at_once(home: Path) -> None:
    with pytest.raises(ProjectNotFound):
        datmo.open(home)


@pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 12, 2), reason="CPython 3.12.0 and 3.12.1 start no thread once the main one ended"
)
def test_threads_go_on_when_the_main_one_has_ended(made: Path) -> None:
    source = """
import threading, datmo

def work():
    datmo.snapshot.ls()
    started.set()
    threading.main_thread().join()
    print(datmo.snapshot.ls(), datmo.session.create("late").name)

started = threading.Event()
threading.Thread(target=work).start()
started.wait()
"""
    assert output(source, cwd=made) == "[] late\n"


def test_many_threads_may_use_it_at_once(made: Path) -> None:
    source = """
from concurrent.futures import ThreadPoolExecutor
import datmo

with datmo.open() as project, ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda number: project.sessions.create(f"s{number}"), range(40)))
    print(len(project.sessions.ls()), sum(session.current for session in project.sessions.ls()))
"""
    assert output(source, cwd=made) == "41 1\n"


# Config


def test_config_is_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Config, "instance", None)
    first = Config()
    assert Config.instance is first is Config()
    assert (first.home, first.logging_level) == (None, 30)
    assert Config(home="/somewhere", logging_level=10) is first
    assert (Config().home, Config().logging_level) == ("/somewhere", 10)


def test_cache_setting_keeps_a_result_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    @Config.cache_setting(key="answer", expires_min=60, ignore_values=[None])
    def answer(value: int | None) -> int | None:
        calls.append(1)
        return value

    assert [answer(None), answer(42), answer(43)] == [None, 42, 42]
    assert len(calls) == 2
    now = datmo.config.time.time()  # type: ignore[attr-defined]
    monkeypatch.setattr("datmo.config.time.time", lambda: now + 3601)
    assert answer(44) == 44


def test_cache_setting_is_kept_by_several_threads_at_once() -> None:
    @Config.cache_setting(key="shared", expires_min=0)
    def shared() -> int:
        return 42

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: shared(), range(400))) == [42] * 400


def test_cache_setting_without_a_key_tells_arguments_apart() -> None:
    @Config.cache_setting()
    def double(value: int) -> int:
        return value * 2

    assert [double(1), double(2), double(1)] == [2, 4, 2]
    assert double.__name__ == "double"


def test_many_tasks_as_a_block(home: Path) -> None:
    with datmo.init(home, name="iris") as project, project.tasks.start(["echo a: 1", "echo b: 2"]) as running:
        told = [update.event.type for update in running.events()]
        ended = {task.id: task.results for task in running.finished()}
    assert [ended[task_id] for task_id in running.ids] == [{"a": 1}, {"b": 2}]
    assert told.count("task.finished") == 2
