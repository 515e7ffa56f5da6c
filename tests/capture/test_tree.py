"""Writing into the user's tree: whole files, never through a link, also from another file system."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from datmo.capture.tree import Tree
from datmo.errors import FilesError

ELSEWHERE = "/dev/shm" if os.path.isdir("/dev/shm") else None
"""Memory: another file system than that of the tests' folders."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@contextmanager
def stage(folder: str | None) -> Iterator[tuple[Path, int]]:
    """A staging folder, and its descriptor."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield Path(name), handle
        finally:
            os.close(handle)


@pytest.mark.parametrize("place", [None, ELSEWHERE], ids=["same file system", "another one"])
def test_files_and_links_are_moved_to_their_places(root: Path, place: str | None) -> None:
    (root / "deep").mkdir()
    (root / "deep" / "link").write_text("a file, so far")
    with stage(place) as (folder, handle), Tree(root) as tree:
        (folder / "file").write_bytes(b"data")
        (folder / "file").chmod(0o750)
        tree.put("file", handle, "deep/er/file")
        (folder / "file").symlink_to("nowhere")
        tree.put("file", handle, "deep/link")
        assert list(folder.iterdir()) == []
    assert (root / "deep" / "er" / "file").read_bytes() == b"data"
    assert (root / "deep" / "er" / "file").stat().st_mode & 0o777 == 0o750
    assert os.readlink(root / "deep" / "link") == "nowhere"
    assert sorted(path.name for path in (root / "deep").iterdir()) == ["er", "link"]


def test_folders_without_files_make_way_and_others_do_not(root: Path) -> None:
    (root / "empty" / "inner").mkdir(parents=True)
    (root / "full").mkdir()
    (root / "full" / "file").write_text("keep")
    with stage(None) as (folder, handle), Tree(root) as tree:
        (folder / "file").write_text("new")
        tree.put("file", handle, "empty")
        assert (root / "empty").read_text() == "new"
        (folder / "file").write_text("new")
        with pytest.raises(OSError, match="Not a directory"):
            tree.put("file", handle, "full")
    assert (root / "full" / "file").read_text() == "keep"


def test_no_way_leads_through_a_link(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("not ours")
    (root / "link").symlink_to(outside)
    with stage(None) as (folder, handle), Tree(root) as tree:
        assert tree.look("link/file") is None
        assert tree.read("link/file") is None
        assert tree.blocked("link/file") == "link"
        tree.remove("link/file")
        (folder / "file").write_text("new")
        with pytest.raises(FilesError, match="a link or a file is where a folder must be"):
            tree.put("file", handle, "link/file")
    assert (outside / "file").read_text() == "not ours"


def test_folders_that_are_empty_then_go_with_the_last_file(root: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "one").write_text("1")
    (root / "a" / "two").write_text("2")
    with Tree(root) as tree:
        assert sorted(tree.below("a")) == ["a/b/one", "a/two"]
        tree.remove("a/b/one")
        tree.remove("a/b/one")
        assert [path.name for path in (root / "a").iterdir()] == ["two"]
        tree.remove("a/two")
    assert list(root.iterdir()) == []


def test_what_a_kill_left_beside_a_file_is_swept(root: Path) -> None:
    (root / "a").mkdir()
    (root / "a" / ".datmo-checkout.tmp").write_text("half")
    (root / ".datmo-checkout.tmp").write_text("half")
    (root / "b").write_text("whole")
    with Tree(root) as tree:
        tree.sweep(["a/x", "b", "gone/y"])
    assert sorted(path.name for path in root.rglob("*")) == ["a", "b"]
