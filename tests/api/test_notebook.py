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
    assert Reader((await project.tasks.ls())._repr_html_()).words == ["none"]


async def test_a_task_shows_its_command_its_end_and_its_results(face: Face, project: Any) -> None:
    task = await project.tasks.run(["echo", "accuracy: 0.5"])
    words = Reader(await anyio.to_thread.run_sync(task._repr_html_)).words  # the sync one reads its metrics
    assert {"SUCCESS", "accuracy", " 0.5", "echo 'accuracy: 0.5'"} <= set(words)
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
