"""Data is put where the code looks for it, never over the code, and never through a link."""

from __future__ import annotations

from pathlib import Path

import pytest

from datmo.runner.in_place import lay_in, mount_points


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Path]:
    home = tmp_path / "home"
    (home / "data").mkdir(parents=True)
    (home / "data" / "train.csv").write_text("1\n")
    (home / "lib").mkdir()
    (home / "lib" / "w.bin").write_text("2\n")
    (home / "kept").mkdir()
    (home / "kept" / ".gitkeep").touch()
    (home / "kept" / "train.csv").write_text("3\n")
    return {path: home / path for path in ("data", "lib/w.bin", "lib/model.py", "out/x", "kept")}


@pytest.fixture
def code(tmp_path: Path, data: dict[str, Path]) -> Path:
    """A checkout with a file of its own, a folder that git keeps, and a link that leads out of it."""
    code = tmp_path / "code"
    (code / "lib").mkdir(parents=True)
    (code / "lib" / "model.py").write_text("x")
    (code / "kept").mkdir()
    (code / "kept" / ".gitkeep").touch()
    (tmp_path / "elsewhere").mkdir()
    (code / "out").symlink_to(tmp_path / "elsewhere")
    return code


def test_a_process_gets_links(code: Path, data: dict[str, Path], tmp_path: Path) -> None:
    lay_in(code, data, links=True)
    assert (code / "data").readlink() == data["data"]
    assert (code / "data" / "train.csv").read_text() == "1\n"
    assert (code / "lib" / "w.bin").is_symlink()
    assert (code / "kept" / "train.csv").read_text() == "3\n"
    assert (code / "lib" / "model.py").read_text() == "x"
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert sorted(path.name for path in data["data"].iterdir()) == ["train.csv"]
    assert mount_points(code, data) == {}


def test_a_container_gets_places_to_mount_them(code: Path, data: dict[str, Path], tmp_path: Path) -> None:
    lay_in(code, data, links=False)
    assert mount_points(code, data) == {path: data[path] for path in ("data", "kept", "lib/w.bin")}
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_with_anything_in_it_is_the_codes_own(code: Path, data: dict[str, Path]) -> None:
    (code / "kept" / "deep").mkdir()
    (code / "kept" / "deep" / "README").write_text("x")
    lay_in(code, data, links=True)
    assert not (code / "kept").is_symlink()
    assert mount_points(code, data) == {}
