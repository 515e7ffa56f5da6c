"""Datmo in a notebook's kernel: progress of long work, by either API, and what else only a kernel shows."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import datmo
from tests.api.kernel import Kernel, Output, kernel

TRAINING = """
import sys, datmo
datmo.task.current().log(loss=0.25)
print("epoch 7", flush=True)
open(sys.argv[1]).read()
print("accuracy: 0.5")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project."""
    made = tmp_path_factory.mktemp("notebook")
    (made / "train.py").write_text(TRAINING)
    with datmo.init(made, name="notebook"):
        return made


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[Kernel]:
    """A kernel at work in a folder below the project's."""
    (folder / "notebooks").mkdir()
    with kernel(folder / "notebooks") as started:
        started.run("import datmo, datmo.aio as adatmo, datmo.engine.showing as showing")
        yield started


@pytest.fixture
def at_once(shared: Kernel) -> Kernel:
    """The kernel, in which all work counts as long."""
    shared.run("showing.SOON = 0")
    return shared


@pytest.fixture
def later(shared: Kernel) -> Kernel:
    """The kernel, in which no work counts as long."""
    shared.run("showing.SOON = 1000")
    return shared


CELLS = [
    "task = datmo.task.run({command})",
    "async with adatmo.open() as project:\n    task = await project.tasks.run({command})",
    "with datmo.open() as project, project.tasks.start([{command}]) as running:\n    (task,) = running.finished()",
]


class Gate:
    """A FIFO on which a training waits until something was shown; or something else happens then."""

    def __init__(self, folder: Path, *words: str, then: Callable[[], object] | None = None) -> None:
        self.path = folder / "gate"
        os.mkfifo(self.path)
        self._words = words
        self._then = then or (lambda: self.path.write_text("go on"))
        self.opened = False

    def __call__(self, output: Output) -> None:
        if not self.opened and all(word in output.page for word in self._words):
            self.opened = True
            self._then()


def one_display(shown: list[Output]) -> bool:
    """Whether something was shown once, and then changed."""
    kinds = [output.kind for output in shown]
    return kinds == ["display_data", *["update_display_data"] * (len(shown) - 1)] and len({*_displays(shown)}) == 1


def _displays(shown: list[Output]) -> list[str | None]:
    return [output.display for output in shown]


@pytest.mark.parametrize("cell", CELLS, ids=["sync", "async", "started"])
def test_a_training_shows_its_metrics_and_last_line_while_it_runs_and_then_its_end(
    at_once: Kernel, tmp_path: Path, cell: str
) -> None:
    gate = Gate(tmp_path, "loss", "0.25", "epoch 7")
    shown = at_once.run(cell.format(command=["python", "train.py", str(gate.path)]), hear=gate)
    assert gate.opened
    assert one_display(shown)
    assert "SUCCESS" in shown[-1].text or "1 of 1 tasks succeeded" in shown[-1].text
    assert "epoch" not in shown[-1].page


@pytest.mark.parametrize("cell", CELLS, ids=["sync", "async", "started"])
def test_an_interrupted_kernel_stops_the_training_in_order(at_once: Kernel, tmp_path: Path, cell: str) -> None:
    gate = Gate(tmp_path, "loss", "0.25", then=at_once.interrupt)
    shown = at_once.run(cell.format(command=["python", "train.py", str(gate.path)]), hear=gate)
    assert gate.opened
    error = shown.pop()
    assert error.kind == "error"
    assert one_display(shown)
    assert "interrupted" in shown[-1].text
    assert at_once.text("print(datmo.task.ls(limit=1)[0].status)") == "STOPPED\n"


def test_waiting_shows_the_metrics_of_what_another_process_runs(at_once: Kernel, tmp_path: Path) -> None:
    gate = Gate(tmp_path, "loss", "0.25")
    command = ["python", "train.py", str(gate.path)]
    at_once.run(f"project = datmo.open()\n(task,) = project.tasks.detach([{command}])")
    shown = at_once.run("project.tasks.wait(task.id); project.close()", hear=gate)
    assert gate.opened
    assert one_display(shown)
    assert at_once.text("print(task.status)") == "SUCCESS\n"


def test_bytes_are_counted_and_what_was_done_is_left_to_read(at_once: Kernel, tmp_path: Path) -> None:
    with (tmp_path / "weights.bin").open("wb") as file:
        file.truncate(30_000_000)
    shown = at_once.run(f"_ = datmo.snapshot.create('large', filepaths=[{str(tmp_path / 'weights.bin')!r}])")
    assert one_display(shown)
    assert "30.0 MB of 30.0 MB" in shown[-1].text
    assert "done" in shown[-1].text
    assert "<progress" not in shown[-1].page


def test_events_are_counted(at_once: Kernel) -> None:
    shown = at_once.run("with datmo.open() as project: _ = project.log.verify()")
    assert one_display(shown)
    assert re.match(r"verifying · ([\d,]+) of \1 events · 00:\d\d · done", shown[-1].text)


def test_a_collection_of_garbage_is_one_display(at_once: Kernel) -> None:
    shown = at_once.run("with datmo.open() as project: _ = project.gc()")
    assert one_display(shown)
    assert "collecting garbage" in shown[-1].text
    assert "done" in shown[-1].text


def test_a_cleanup_is_one_display(at_once: Kernel, tmp_path: Path) -> None:
    shown = at_once.run(f"datmo.init({str(tmp_path)!r}).close(); _ = await adatmo.cleanup({str(tmp_path)!r})")
    assert one_display(shown)
    assert "removing" in shown[-1].text
    assert "done" in shown[-1].text
    assert not (tmp_path / ".datmo").exists()


def test_threads_each_show_their_own(at_once: Kernel) -> None:
    shown = at_once.run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(2) as pool:\n"
        "    tasks = list(pool.map(datmo.task.run, ['echo 1', 'echo 2']))"
    )
    assert len({*_displays(shown)}) == 2
    assert sorted(output.kind for output in shown).count("display_data") == 2


def test_short_work_shows_nothing_but_a_task_that_failed(later: Kernel) -> None:
    assert later.run("_ = datmo.task.run('echo hi'), datmo.snapshot.create('short')") == []
    shown = later.run("task = datmo.task.run(['python', '-c', 'raise ValueError(7)'])")
    assert [output.kind for output in shown] == ["display_data"]
    assert "FAILED" in shown[0].text
    assert "exit code 1" in shown[0].text
    assert "ValueError: 7" in shown[0].text


def test_of_many_tasks_it_says_which_did_not_succeed(later: Kernel) -> None:
    shown = later.run("with datmo.open() as project:\n    tasks = project.tasks.map(['true', 'false', 'true'])")
    assert [output.kind for output in shown] == ["display_data"]
    failed = later.text("print(tasks[1].id, end='')")
    assert shown[0].text.startswith("2 of 3 tasks succeeded")
    assert shown[0].text.endswith(f"not {failed[:8]}")


@pytest.mark.parametrize(
    "quiet", ["os.environ['DATMO_VERBOSITY'] = 'quiet'", "project.config.set('verbosity', 'quiet')"]
)
def test_quiet_shows_nothing(at_once: Kernel, quiet: str) -> None:
    at_once.run(f"import os\nproject = datmo.open()\n{quiet}")
    try:
        assert at_once.run("_ = datmo.task.run('false'), datmo.snapshot.create('quiet')") == []
    finally:
        at_once.run("os.environ.pop('DATMO_VERBOSITY', None); project.config.unset('verbosity'); project.close()")


def test_what_a_block_of_running_tasks_raises_is_shown_as_any_error(later: Kernel) -> None:
    shown = later.run(
        "with datmo.open() as project, project.tasks.start(['sleep 600']) as running:\n    raise ValueError('mine')"
    )
    assert [output.kind for output in shown] == ["error"]
    assert "ValueError: mine" in shown[0].text
    assert later.text("print(datmo.task.ls(limit=1)[0].status)") == "STOPPED\n"


def test_an_error_of_ours_ends_at_the_call_and_says_what_to_do_next(later: Kernel) -> None:
    (shown,) = later.run("datmo.snapshot.diff('nothing', 'nowhere')")
    assert "datmo.snapshot.diff('nothing', 'nowhere')" in shown.text
    assert "no snapshot has an id" in shown.text
    assert "hint: " in shown.text
    assert len(shown.text.splitlines()) < 12
    (shown,) = later.run('async with adatmo.open() as project:\n    await project.tasks.run("echo \'no end")')
    assert "cannot be split into words" in shown.text
    assert "shlex" not in shown.text


def test_a_kernel_that_is_elsewhere_is_told_how_to_name_the_project(later: Kernel, folder: Path) -> None:
    (shown,) = later.run(f"import os\nos.chdir({str(folder.parent)!r})\ndatmo.task.ls()")
    assert "no project at" in shown.text
    assert "home=" in shown.text
    assert later.text(f"print(datmo.open({str(folder)!r}).sessions.current().name)") == "default\n"
    later.run(f"os.chdir({str(folder / 'notebooks')!r})")


def test_the_help_of_a_function_says_all_that_the_async_one_does(later: Kernel) -> None:
    said = later.text("print(datmo.open().tasks.start.__doc__, datmo.task.run.__doc__, datmo.snapshot.create.__doc__)")
    assert "with project.tasks.start(specs, limit=8) as running:" in said
    assert "async" not in said
    assert "live:" not in said
    assert "home:" in said
    assert "command: text, split as a shell splits words" in said
    assert "message: what it is" in said


def test_a_cell_that_is_tracked_is_of_the_notebook(later: Kernel) -> None:
    later.run("import os\nos.environ['JPY_SESSION_NAME'] = '/home/ada/iris.ipynb'")
    assert later.run("with datmo.track('cell') as task:\n    pass") == []
    assert later.text("print(datmo.task.ls(limit=1)[0].command)") == "notebook iris.ipynb\n"
    (shown,) = later.run("task")
    assert shown.text.startswith("<TrackedTask ")
