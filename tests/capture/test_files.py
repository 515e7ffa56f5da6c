"""Files and folders that the user names: what is kept, under which names, and how it comes back."""

from __future__ import annotations

import itertools
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from datmo.capture.files import capture_files, restore_files
from datmo.capture.manifest import LINK, FileEntry, Manifest
from datmo.errors import FilesError, ObjectDamaged
from datmo.objects.batch import SMALL
from datmo.objects.store import ObjectStore


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def store(project: Path) -> Iterator[ObjectStore]:
    with ObjectStore(project / ".datmo/objects") as opened:
        yield opened


def write(path: Path, text: str = "content", mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def names(manifest: Manifest) -> dict[str, str]:
    return {entry.path: entry.origin for entry in manifest.entries}


def contents(store: ObjectStore, manifest: Manifest) -> dict[str, str]:
    return {entry.path: store.read(entry.object).decode() for entry in manifest.entries}


def tree(folder: Path) -> dict[str, tuple[object, ...]]:
    """Every file and link below a folder: content or target, and mode."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = ("link", os.readlink(path))
        elif path.is_file():
            found[str(path.relative_to(folder))] = (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
    return found


def test_a_file_of_the_project_keeps_its_path_in_the_project(store: ObjectStore, project: Path) -> None:
    path = write(project / "models/best/model.bin", mode=0o750)
    (kept,) = capture_files(store, [path], root=project).entries
    assert kept == FileEntry("models/best/model.bin", kept.object, 7, 0o750, "project")
    assert store.read(kept.object) == b"content"


def test_a_file_from_elsewhere_is_known_by_its_name_and_a_folder_by_its_own(
    store: ObjectStore, project: Path, tmp_path: Path
) -> None:
    write(tmp_path / "data/train/a.csv")
    manifest = capture_files(store, [tmp_path / "data", write(tmp_path / "w.bin")], root=project)
    assert names(manifest) == {"data/train/a.csv": "outside", "w.bin": "outside"}


def test_equal_names_are_kept_apart_by_as_many_folders_as_it_takes(
    store: ObjectStore, project: Path, tmp_path: Path
) -> None:
    paths = [
        write(tmp_path / "a/run/model.bin", "a"),
        write(tmp_path / "b/run/model.bin", "b"),
        write(tmp_path / "c/other/model.bin", "c"),
        write(project / "other/model.bin", "project"),
        write(project / "data.csv"),
        write(tmp_path / "d/data.csv/x").parent,
    ]
    expected = {
        "a/run/model.bin": "outside",
        "b/run/model.bin": "outside",
        "c/other/model.bin": "outside",
        "other/model.bin": "project",
        "data.csv": "project",
        "d/data.csv/x": "outside",
    }
    manifests = [capture_files(store, order, root=project) for order in itertools.permutations(paths)]
    assert names(manifests[0]) == expected
    assert {manifest.id for manifest in manifests} == {manifests[0].id}
    assert contents(store, manifests[0])["b/run/model.bin"] == "b"


def test_a_file_named_in_several_ways_is_once(
    store: ObjectStore, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(project / "sub/a")
    (project.parent / "also").symlink_to(project)
    monkeypatch.chdir(project / "sub")
    ways = [path, Path("a"), Path("../sub/a"), project / "sub", project, project.parent / "also/sub/a"]
    assert names(capture_files(store, ways, root=project)) == {"sub/a": "project"}


def test_the_same_files_have_the_same_id_and_are_stored_once(store: ObjectStore, project: Path) -> None:
    for number in range(5):
        write(project / f"{number}", "the same")
    first = capture_files(store, [project], root=project)
    kept = tree(project / ".datmo/objects/packs")
    assert capture_files(store, [project], root=project) == first
    assert tree(project / ".datmo/objects/packs") == kept
    assert len({entry.object for entry in first.entries}) == 1


def test_the_manifest_is_an_object_too(store: ObjectStore, project: Path) -> None:
    write(project / "a")
    manifest = capture_files(store, [project], root=project)
    assert Manifest.from_bytes(store.read(manifest.id)) == manifest


def test_git_and_datmo_folders_are_left_out(store: ObjectStore, project: Path, tmp_path: Path) -> None:
    for folder in (project, tmp_path / "elsewhere"):
        write(folder / "kept")
        write(folder / ".git/config")
        write(folder / "sub/.datmo/log.db")
        write(folder / "submodule/.git", "gitdir: ...")
    manifest = capture_files(store, [project, tmp_path / "elsewhere"], root=project)
    assert names(manifest) == {"kept": "project", "elsewhere/kept": "outside"}
    with pytest.raises(FilesError, match="never captured"):
        capture_files(store, [project / ".git/config"], root=project)


def test_links_inside_a_folder_stay_links_and_a_named_link_is_followed(
    store: ObjectStore, project: Path, tmp_path: Path
) -> None:
    write(tmp_path / "weights-7.bin", "weights")
    (project / "sub").mkdir()
    (project / "sub/link").symlink_to("/nowhere/\udcff")
    (project / "latest").symlink_to(tmp_path / "weights-7.bin")
    manifest = capture_files(store, [project / "sub", project / "latest"], root=project)
    assert [(entry.path, entry.mode) for entry in manifest.entries] == [("latest", 0o644), ("sub/link", LINK)]
    assert [store.read(entry.object) for entry in manifest.entries] == [b"weights", b"/nowhere/\xff"]


def test_a_link_that_turns_round_ends(store: ObjectStore, project: Path) -> None:
    (project / "sub").mkdir()
    (project / "sub/up").symlink_to("..")
    assert [entry.path for entry in capture_files(store, [project], root=project).entries] == ["sub/up"]


def test_what_is_missing_is_named(store: ObjectStore, project: Path) -> None:
    (project / "dangling").symlink_to("nowhere")
    for name in ("missing.bin", "dangling"):
        with pytest.raises(FilesError, match=f"{name}.*does not exist"):
            capture_files(store, [project / name], root=project)


def test_special_files_are_refused_or_named_in_a_notice(store: ObjectStore, project: Path) -> None:
    write(project / "kept")
    os.mkfifo(project / "fifo")
    with pytest.raises(FilesError, match="is a FIFO"):
        capture_files(store, [project / "fifo"], root=project)
    os.mknod(project / "socket", stat.S_IFSOCK | 0o600)
    with pytest.raises(FilesError, match=r"cannot be kept.*fifo"):
        capture_files(store, [project], root=project)
    notices: list[str] = []
    manifest = capture_files(store, [project], root=project, notice=notices.append)
    assert names(manifest) == {"kept": "project"}
    (notice,) = notices
    assert notice.startswith("2 left out")
    assert "fifo" in notice
    assert "socket" in notice


def test_special_mode_bits_are_dropped(store: ObjectStore, project: Path) -> None:
    write(project / "tool", mode=0o6755)
    (kept,) = capture_files(store, [project / "tool"], root=project).entries
    assert kept.mode == 0o755


def test_a_collection_comes_back_exactly(store: ObjectStore, project: Path, tmp_path: Path) -> None:
    source = project / "source"
    write(source / "a/b/c/deep", mode=0o600)
    write(source / "a/run.sh", mode=0o755)
    write(source / "a.txt", "not in the folder a")
    write(source / "large", "x" * (SMALL + 1), mode=0o444)
    write(source / os.fsdecode(b"not utf-8 \xff\n"))
    write(source / "empty", "")
    (source / "a/link").symlink_to("b/c/deep")
    manifest = capture_files(store, [source], root=project)
    restored = restore_files(store, Manifest.from_bytes(store.read(manifest.id)), tmp_path / "out")
    assert tree(tmp_path / "out/source") == tree(source)
    assert restored == [tmp_path / "out" / entry.path for entry in manifest.entries]
    restore_files(store, manifest, tmp_path / "out")
    assert tree(tmp_path / "out/source") == tree(source), "over what is there already"


def test_restored_files_are_new(store: ObjectStore, project: Path, tmp_path: Path) -> None:
    path = write(project / "old")
    os.utime(path, (0, 0))
    restore_files(store, capture_files(store, [path], root=project), tmp_path / "out")
    assert time.time() - (tmp_path / "out/old").stat().st_mtime < 60


def test_nothing_is_restored_through_a_link(store: ObjectStore, project: Path, tmp_path: Path) -> None:
    manifest = capture_files(store, [write(project / "sub/a/file")], root=project)
    (tmp_path / "victim").mkdir()
    for link in (tmp_path / "one/sub", tmp_path / "two/sub/a"):
        link.parent.mkdir(parents=True)
        link.symlink_to(tmp_path / "victim")
        with pytest.raises(FilesError, match="'sub/a/file' cannot be restored: a link"):
            restore_files(store, manifest, link.parents[len(link.parent.relative_to(tmp_path).parts) - 1])
    assert list((tmp_path / "victim").iterdir()) == []


def test_a_link_where_a_file_must_be_is_replaced(store: ObjectStore, project: Path, tmp_path: Path) -> None:
    manifest = capture_files(store, [write(project / "file")], root=project)
    write(tmp_path / "victim", "untouched")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/file").symlink_to(tmp_path / "victim")
    restore_files(store, manifest, tmp_path / "out")
    assert (tmp_path / "victim").read_text() == "untouched"
    assert tree(tmp_path / "out") == {"file": (b"content", 0o644)}


def test_a_folder_where_a_file_must_be_is_an_error(store: ObjectStore, project: Path, tmp_path: Path) -> None:
    write(project / "sub/file")
    (project / "sub/link").symlink_to("x")
    for name in ("file", "link"):
        manifest = Manifest(
            entry
            for entry in capture_files(store, [project / "sub"], root=project).entries
            if entry.path == f"sub/{name}"
        )
        (tmp_path / "out/sub" / name).mkdir(parents=True)
        with pytest.raises(FilesError, match=f"'sub/{name}' cannot be restored"):
            restore_files(store, manifest, tmp_path / "out")
    assert [path.name for path in sorted((tmp_path / "out/sub").iterdir())] == ["file", "link"]


def test_a_damaged_object_is_not_restored(store: ObjectStore, project: Path, tmp_path: Path) -> None:
    manifest = capture_files(store, [write(project / "file", "some content")], root=project)
    (pack,) = (project / ".datmo/objects/packs").iterdir()
    pack.chmod(0o644)
    pack.write_bytes(pack.read_bytes().replace(b"some content", b"Some content"))
    with pytest.raises(ObjectDamaged):
        restore_files(store, manifest, tmp_path / "out")
    assert tree(tmp_path / "out") == {}
