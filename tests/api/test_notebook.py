"""What a notebook shows of snapshots, tasks, lists and differences, by either API."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

import datmo
from tests.api.face import Face

pytestmark = pytest.mark.anyio

_ALONE = {"br", "rect", "polyline"}


class Reader(HTMLParser):
    """Reads a page, and refuses one whose tags do not close in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        page.encode()  # a notebook's file is UTF-8
        self.feed(page)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in _ALONE:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _ALONE:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


async def test_a_snapshot_shows_what_it_is_and_takes_no_word_for_markup(face: Face, project: Any) -> None:
    made = await project.snapshots.create("<script>alert(1)</script>", config={"a<b": "<i>"}, stats={"f1": 0.25})
    page = Reader(made._repr_html_())
    assert {"<script>alert(1)</script>", "a<b", "<i>", "0.25", made.id} <= {word.strip() for word in page.words}
    assert "script" not in page.tags
    assert "i" not in page.tags


async def test_a_list_has_a_column_and_a_bar_for_each_number(face: Face, project: Any) -> None:
    for f1 in (0.5, 1.0):
        await project.snapshots.create(f"f1 of {f1}", stats={"f1": f1, "note": "text"})
    page = Reader((await project.snapshots.ls())._repr_html_())
    assert page.words[:6] == ["id", "created", "label", "message", "config", "f1"]
    assert page.tags.count("rect") == 2
    first = (await project.snapshots.ls())[:1]
    assert len(first) == 1
    assert Reader(first._repr_html_()).tags.count("rect") == 1
    assert Reader((await project.tasks.ls())._repr_html_()).words == ["none"]


async def test_a_task_shows_its_command_its_end_and_its_results(face: Face, project: Any) -> None:
    task = await project.tasks.run(["echo", "accuracy: 0.5"])
    words = Reader(await anyio.to_thread.run_sync(task._repr_html_)).words  # the sync one reads its metrics
    assert {"SUCCESS", "accuracy", "0.5", "echo 'accuracy: 0.5'"} <= set(words)
    assert "echo 'accuracy: 0.5'" in Reader((await project.tasks.ls())._repr_html_()).words


def test_a_task_of_the_sync_api_draws_its_metrics(home: Path) -> None:
    code = "import datmo\nfor n in range(9): datmo.task.current().log(loss=1 / (n + 1))"
    with datmo.init(home, name="drawn") as project:
        task: Any = project.tasks.run(["python", "-c", code])
    page = Reader(task._repr_html_())
    assert page.tags.count("polyline") == 1
    assert any(word.startswith("loss") for word in page.words)
    assert any("0.111111" in word for word in page.words)


async def test_a_difference_shows_values_files_and_code(face: Face, project: Any, home: Path) -> None:
    (home / os.fsdecode(b"caf\xe9.py")).write_text("x = '<b>'\n")
    first = await project.snapshots.create("first", stats={"f1": 0.5})
    (home / os.fsdecode(b"caf\xe9.py")).write_text("x = '<i>'\n")
    second = await project.snapshots.create("second", stats={"f1": 0.75})
    page = Reader((await project.snapshots.diff(first.id, second.id))._repr_html_())
    assert {"stats", "f1", "+0.25", "code"} <= set(page.words)
    assert any("+x = '<i>'" in word for word in page.words)
    assert not {"b", "i"} & set(page.tags)
    assert Reader((await project.snapshots.diff(first.id, first.id))._repr_html_()).words == ["no difference"]


async def test_a_task_that_failed_says_why_and_a_name_stands_for_its_command(face: Face, project: Any) -> None:
    task = await project.tasks.run(["sh", "-c", "echo before; echo the reason >&2; exit 3"], name="training")
    words = Reader(await anyio.to_thread.run_sync(task._repr_html_)).words
    assert "FAILED (exit code 3)" in words
    if face.name == "sync":  # which reads what it printed
        assert "before\nthe reason" in words
    listed = Reader((await project.tasks.ls())._repr_html_()).words
    assert "training" in listed
    assert "FAILED (exit code 3)" in listed


async def test_sessions_environments_and_settings_are_tables_too(face: Face, project: Any) -> None:
    await project.sessions.create("a<b")
    await project.environments.create(build=False)
    page = Reader((await project.sessions.ls())._repr_html_())
    assert {"name", "a<b", "default", "True"} <= set(page.words)
    assert {"described", "interpreter"} <= set(Reader((await project.environments.ls())._repr_html_()).words)
    assert {"verbosity", "normal", "DATMO_JOBS"} <= set(Reader((await project.config.ls())._repr_html_()).words)


async def test_a_series_says_how_long_it_is_and_is_drawn(face: Face, project: Any) -> None:
    code = "import datmo\nfor n in range(999): datmo.task.current().log(loss=1 / (n + 1))"
    task = await project.tasks.run(["python", "-c", code])
    loss = await (anyio.to_thread.run_sync(task.metrics, "loss") if face.name == "sync" else task.metrics("loss"))
    assert repr(loss) == "<Series loss: 999 points, steps 0 to 998, last value 0.001001>"
    page = loss._repr_html_()
    assert Reader(page).tags.count("polyline") == 1
    assert len(page) < 10_000


async def test_the_status_and_a_checkout_show_what_they_are(face: Face, project: Any, home: Path) -> None:
    await project.tasks.run("true", name="training")
    made = await project.snapshots.create("first", label="best")
    (home / "new<1>.py").write_text("")
    page = Reader((await project.status())._repr_html_())
    assert {"best", "new<1>.py added", str(home), "training SUCCESS"} <= {word.strip() for word in page.words}
    done = Reader((await project.snapshots.checkout(made))._repr_html_())
    assert {"1 removed", "best"} <= set(done.words)
    assert any("kept as" in word for word in done.words)
