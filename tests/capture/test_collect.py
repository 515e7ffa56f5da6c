"""What a task leaves is taken in, and what it leaves to do harm is not."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from datmo.capture.collect import Collected, Limits, Stamp, collect_tree, stamp_tree, unchanged_since
from datmo.errors import FilesError
from datmo.objects.batch import SMALL
from datmo.objects.store import ObjectStore
from tests.objects.changing import changed_as_it_is_read


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    with ObjectStore(tmp_path / "objects") as opened:
        yield opened


@pytest.fixture
def task(tmp_path: Path) -> Path:
    folder = tmp_path / "task"
    folder.mkdir()
    return folder


def write(path: Path, data: bytes = b"content") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def paths(collected: Collected) -> list[str]:
    return [entry.path for entry in collected.entries]


def test_every_regular_file_is_taken_in_with_its_permissions(store: ObjectStore, task: Path) -> None:
    write(task / "model.bin", b"m" * (SMALL + 1))
    write(task / "logs/a.log").chmod(0o640)
    write(task / ".git/config")
    collected = collect_tree(store, task)
    assert collected.notices == ()
    assert [(entry.path, entry.size, entry.origin) for entry in collected.entries] == [
        (".git/config", 7, "task"), ("logs/a.log", 7, "task"), ("model.bin", SMALL + 1, "task"),
    ]  # fmt: skip
    assert collected.entries[1].mode == 0o640
    assert store.read(collected.entries[2].object) == b"m" * (SMALL + 1)


def test_links_are_not_followed_and_nothing_is_waited_for(store: ObjectStore, task: Path, tmp_path: Path) -> None:
    write(tmp_path / "secret/key")
    write(task / "kept")
    (task / "passwd").symlink_to("/etc/passwd")
    (task / "secret").symlink_to(tmp_path / "secret")
    os.mkfifo(task / "fifo")
    os.mknod(task / "socket", stat.S_IFSOCK | 0o600)
    expected = {
        "left out (links): 'passwd', 'secret'",
        "left out (FIFOs): 'fifo'",
        "left out (sockets): 'socket'",
    }
    if os.geteuid() == 0:  # nobody else can make one
        os.mknod(task / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        expected.add("left out (devices): 'null'")
    collected = collect_tree(store, task)
    assert paths(collected) == ["kept"]
    assert set(collected.notices) == expected


def test_a_link_in_place_of_the_folder_itself_is_refused(store: ObjectStore, task: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(task)
    for path in (tmp_path / "link", tmp_path / "missing"):
        with pytest.raises(FilesError, match=path.name):
            collect_tree(store, path)


def test_special_mode_bits_are_dropped(store: ObjectStore, task: Path) -> None:
    write(task / "root-shell").chmod(0o6755)
    (entry,) = collect_tree(store, task).entries
    assert entry.mode == 0o755


def test_a_notice_names_a_few_and_counts_the_rest(store: ObjectStore, task: Path) -> None:
    for number in range(12):
        (task / f"{number:02}\n").symlink_to("x")
    (notice,) = collect_tree(store, task).notices
    assert notice == r"left out (links): '00\n', '01\n', '02\n', '03\n', '04\n' and 7 more"


def test_what_is_over_a_limit_is_left_out_and_said(store: ObjectStore, task: Path) -> None:
    for number in range(10):
        write(task / f"{number}")
    collected = collect_tree(store, task, limits=Limits(files=4))
    assert len(collected.entries) == 4
    assert "left out (beyond 4 files)" in collected.notices[0]

    with write(task / "3").open("wb") as sparse:
        sparse.truncate(1 << 43)
    collected = collect_tree(store, task, limits=Limits(size=5 * 7))
    assert paths(collected) == ["0", "1", "2", "4", "5"]
    assert collected.notices == ("left out (over the limit of 35 bytes): '3', '6', '7', '8', '9'",)


def test_a_folder_as_deep_as_the_disk_allows_does_no_harm(store: ObjectStore, task: Path) -> None:
    here = os.open(task, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    write(task / "d/d/file")
    collected = collect_tree(store, task, limits=Limits(depth=10))
    assert paths(collected) == ["d/d/file"]
    assert collected.notices == (f"left out (folders more than 10 deep): '{'/'.join('d' * 10)}'",)
    # pytest's own clean-up recurses: take the chain apart from the top.
    while (task / "d").exists():
        (task / "d").rename(task / "old")
        (task / "old/d/file").unlink(missing_ok=True)
        if (task / "old/d").exists():
            (task / "old/d").rename(task / "d")
        (task / "old/file").unlink(missing_ok=True)
        (task / "old").rmdir()


def test_excluded_files_and_folders_are_left_out_silently(store: ObjectStore, task: Path) -> None:
    for path in ("outbox", "cache/a", "sub/outbox"):
        write(task / path)
    collected = collect_tree(store, task, exclude={"outbox", "cache"}.__contains__)
    assert (paths(collected), collected.notices) == (["sub/outbox"], ())


def test_of_a_checkout_only_what_is_new_or_changed_is_taken_in(store: ObjectStore, task: Path) -> None:
    for name in ("same.py", "edited.py", "forged.py", "removed.py", "sub/same.py"):
        write(task / name, b"before")
    stamps = {path: Stamp(*kept) for path, kept in json.loads(json.dumps(stamp_tree(task))).items()}
    times = (task / "forged.py").stat()
    write(task / "edited.py", b"after!")
    write(task / "forged.py", b"after!")
    os.utime(task / "forged.py", ns=(times.st_atime_ns, times.st_mtime_ns))
    write(task / "sub/model.pkl")
    (task / "removed.py").unlink()
    collected = collect_tree(store, task, unchanged=unchanged_since(stamps))
    assert paths(collected) == ["edited.py", "forged.py", "sub/model.pkl"]


def test_a_file_that_cannot_be_taken_in_does_not_lose_the_others(
    store: ObjectStore, task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "busy.log", "z"):
        write(task / name)
    changed_as_it_is_read(monkeypatch, task / "busy.log")
    collected = collect_tree(store, task)
    assert paths(collected) == ["a", "z"]
    assert collected.notices == ("left out (unreadable or changing): 'busy.log'",)
