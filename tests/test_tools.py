"""What the tools say about a Docker engine, and how they tidy up after one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from _dockerd import own_engine, remove_tree
from _engine import EngineError, image_exists, ping, pull
from pages import draw

if TYPE_CHECKING:
    from pathlib import Path


def test_an_engine_that_answers_has_no_problem(engine: str) -> None:
    assert ping(engine) is None


def test_a_missing_socket_is_named_as_the_problem(tmp_path: Path) -> None:
    assert "No such file" in str(ping(f"unix://{tmp_path}/docker.sock"))


def test_an_address_that_cannot_be_asked_is_a_problem() -> None:
    assert "only unix:// and plain tcp://" in str(ping("ssh://somewhere"))


def test_the_base_image_is_there_and_another_is_not(engine: str, base_image: str) -> None:
    assert image_exists(engine, base_image)
    assert not image_exists(engine, "datmo-no-such-image:none")


def test_a_pull_that_fails_says_why(engine: str) -> None:
    assert pull(engine, "localhost:1/datmo-no-such-image:none", timeout=30)


def test_a_folder_too_long_for_a_socket_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="too long a path"), own_engine(tmp_path / ("long" * 30)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_tree_is_removed_whole(tmp_path: Path) -> None:
    (tmp_path / "left" / "behind").mkdir(parents=True)
    remove_tree(tmp_path / "left")
    assert list(tmp_path.iterdir()) == []


def test_a_drawn_page_holds_its_text_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    draw("datmo task ls", "id    status\n\x1b[36m7k2m\x1b[0m  SUCCESS\n3$ ", 60, tmp_path / "page.svg")
    page = (tmp_path / "page.svg").read_text()
    texts = "".join(ElementTree.fromstring(page).itertext()).replace("\xa0", " ")
    assert "$ datmo task ls" in texts
    assert "7k2m" in texts
    assert "3$" not in texts
    assert "url(http" not in page
    assert "@import" not in page
