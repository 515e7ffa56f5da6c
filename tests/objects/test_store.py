"""What the object store promises."""

from __future__ import annotations

import os
import resource
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from datmo.errors import FilesError, InvalidArgument, ObjectDamaged, ObjectError, ObjectMissing
from datmo.objects.batch import SMALL
from datmo.objects.store import ObjectStore, SourceFile, StoredFile
from tests.objects.changing import changed_as_it_is_read

LARGE = b"0123456789abcdef" * (SMALL // 16 + 1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    with ObjectStore(tmp_path / ".datmo" / "objects") as opened:
        yield opened


def put_file(store: ObjectStore, path: Path) -> StoredFile:
    return store.put_files([SourceFile(path)])[0]


def age(path: Path) -> None:
    """Wait until the file's change time is clearly past, so that the stat cache may believe it."""
    while time.time_ns() - path.stat().st_ctime_ns < 25_000_000:
        os.sched_yield()


_watching: list[list[str]] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        for heard in _watching:
            heard.append(str(arguments[0]))


sys.addaudithook(_hear)


@contextmanager
def files_opened() -> Iterator[list[str]]:
    """The paths that this process opens in the block."""
    heard: list[str] = []
    _watching.append(heard)
    try:
        yield heard
    finally:
        _watching.remove(heard)


def files_below(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def test_an_object_is_named_by_the_blake3_of_its_bytes(store: ObjectStore) -> None:
    assert store.put_bytes(b"hello") == blake3(b"hello").hexdigest()


@settings(max_examples=40)
@given(blobs=st.lists(st.binary(max_size=200)))
def test_what_is_put_is_read_back(blobs: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder, ObjectStore(Path(folder)) as store:
        ids = store.put_many(blobs)
        assert ids == [blake3(blob).hexdigest() for blob in blobs]
        assert [store.read(one) for one in ids] == blobs
        assert store.has(ids) == set(ids)
        assert list(store.verify()) == []


@pytest.mark.parametrize("data", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_bytes_and_a_file_with_these_bytes_are_one_object(store: ObjectStore, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    stored = put_file(store, tmp_path / "file")
    before = files_below(tmp_path / ".datmo")
    assert store.put_bytes(data) == stored.object
    assert (stored.size, store.size(stored.object)) == (len(data), len(data))
    assert files_below(tmp_path / ".datmo") == before


@pytest.mark.parametrize("data", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_open_gives_a_seekable_file_for_reading_only(store: ObjectStore, data: bytes) -> None:
    with store.open(store.put_bytes(data)) as file:
        assert file.read() == data
        assert file.seek(2) == 2
        assert file.read(3) == data[2:5]
        assert not file.writable()


@pytest.mark.parametrize("data", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_restore_replaces_a_file_and_sets_its_mode(store: ObjectStore, tmp_path: Path, data: bytes) -> None:
    target = tmp_path / "out" / "file"
    target.parent.mkdir()
    target.write_bytes(b"old")
    store.restore(store.put_bytes(data), target, 0o640)
    assert target.read_bytes() == data
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert list(target.parent.iterdir()) == [target]


def test_restore_replaces_a_link_and_does_not_follow_it(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    store.restore(store.put_bytes(b"new"), tmp_path / "link", 0o644)
    assert (tmp_path / "kept").read_bytes() == b"kept"
    assert not (tmp_path / "link").is_symlink()


def test_objects_cannot_be_written_to(store: ObjectStore, tmp_path: Path) -> None:
    store.put_many([b"small", LARGE])
    kept = files_below(tmp_path / ".datmo/objects/packs") + files_below(tmp_path / ".datmo/objects/large")
    assert [stat.S_IMODE(path.stat().st_mode) for path in kept] == [0o444, 0o444]


def test_a_store_that_was_never_written_is_empty_and_makes_nothing(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / "objects") as store:
        absent = blake3(b"x").hexdigest()
        assert store.has([absent]) == set()
        assert list(store.verify()) == []
        with pytest.raises(ObjectMissing, match=absent):
            store.read(absent)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given_id", ["", "abc", "../" * 21 + "a", "A" * 64])
def test_what_is_no_object_id_is_refused(store: ObjectStore, given_id: str) -> None:
    with pytest.raises(InvalidArgument, match="is not an object id"):
        store.read(given_id)


@pytest.mark.parametrize("data", [b"a small object", LARGE], ids=["small", "large"])
def test_a_changed_byte_is_found_by_everything_that_reads(store: ObjectStore, tmp_path: Path, data: bytes) -> None:
    object_id, sound = store.put_many([data, b"sound"])
    kept = next(path for path in files_below(tmp_path / ".datmo") if data in path.read_bytes())
    kept.chmod(0o644)
    content = bytearray(kept.read_bytes())
    content[content.index(data) + 3] ^= 1
    kept.write_bytes(content)
    with pytest.raises(ObjectDamaged, match=object_id):
        store.read(object_id)
    with pytest.raises(ObjectDamaged, match=object_id):
        store.restore(object_id, tmp_path / "out", 0o644)
    assert not (tmp_path / "out").exists()
    assert [one for one, _ in store.verify()] == [object_id]
    assert [one for one, _ in store.verify([sound, object_id])] == [object_id]


def test_verify_names_what_is_not_there(store: ObjectStore) -> None:
    absent = blake3(b"never stored").hexdigest()
    present = store.put_bytes(b"stored")
    assert [one for one, _ in store.verify([present, absent])] == [absent]


def test_a_large_object_that_was_removed_is_missing(store: ObjectStore, tmp_path: Path) -> None:
    object_id = store.put_bytes(LARGE)
    for path in files_below(tmp_path / ".datmo/objects/large"):
        path.unlink()
    with pytest.raises(ObjectMissing):
        store.read(object_id)
    assert store.has([object_id]) == set()
    assert store.put_bytes(LARGE) == object_id
    assert store.read(object_id) == LARGE


@pytest.mark.parametrize("size", [100, len(LARGE)], ids=["small", "large"])
def test_an_unchanged_file_is_not_read_again(store: ObjectStore, tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(LARGE[:size])
    age(path)
    first = put_file(store, path)
    with files_opened() as opened:
        assert put_file(store, path) == first
    assert str(path) not in opened


@pytest.mark.parametrize("size", [100, len(LARGE)], ids=["small", "large"])
def test_a_changed_file_is_read_again_though_size_and_mtime_are_as_before(
    store: ObjectStore, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * size)
    age(path)
    first = put_file(store, path)
    before = path.stat()
    path.write_bytes(b"b" * size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert put_file(store, path).object == blake3(b"b" * size).hexdigest() != first.object


def test_a_file_written_again_in_the_same_moment_is_read_again(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for number in range(30):
        path.write_bytes(b"%06d" % number)
        assert put_file(store, path).object == blake3(b"%06d" % number).hexdigest()


def test_the_cache_knows_a_renamed_store_and_project(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/file").write_bytes(LARGE)
    age(tmp_path / "one/file")
    with ObjectStore(tmp_path / "one/objects") as store:
        first = put_file(store, tmp_path / "one/file")
    (tmp_path / "one").rename(tmp_path / "two")
    with ObjectStore(tmp_path / "two/objects") as store:
        assert put_file(store, tmp_path / "two/file") == first
        assert store.read(first.object) == LARGE


@pytest.mark.parametrize("size", [4096, 2 * len(LARGE)], ids=["small", "large"])
def test_a_file_that_goes_on_changing_is_an_error_that_names_it(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = tmp_path / "growing.log"
    path.write_bytes(b"x" * size)
    changed_as_it_is_read(monkeypatch, path)
    with pytest.raises(FilesError, match=r"growing\.log.* changed each time"):
        put_file(store, path)
    assert list((tmp_path / ".datmo/objects/tmp").iterdir()) == []


def test_what_is_no_regular_file_is_refused(store: ObjectStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/etc/passwd")
    for path in (tmp_path / "fifo", tmp_path / "link", tmp_path, tmp_path / "missing"):
        with pytest.raises(FilesError, match=path.name):
            put_file(store, path)


def test_a_failed_batch_leaves_no_scratch_and_no_index_rows(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(LARGE)
    (tmp_path / "small").write_bytes(b"small")
    names = ("large", "small", "fifo")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(FilesError):
        store.put_files([SourceFile(tmp_path / name) for name in names])
    assert store.has([blake3(b"small").hexdigest(), blake3(LARGE).hexdigest()]) == set()
    assert list((tmp_path / ".datmo/objects/tmp").iterdir()) == []


def test_progress_counts_every_byte_once(store: ObjectStore, tmp_path: Path) -> None:
    sizes = [10, 0, len(LARGE), 3 * len(LARGE), 500]
    files = []
    for number, size in enumerate(sizes):
        path = tmp_path / str(number)
        path.write_bytes((LARGE * 3)[:size])
        age(path)
        files.append(SourceFile(path))
    for _ in range(2):
        done: list[int] = []
        store.put_files(files, progress=done.append)
        assert sum(done) == sum(sizes)


def test_threads_may_share_a_store(store: ObjectStore) -> None:
    blobs = [[b"%d-%d" % (thread, number) for number in range(20)] for thread in range(4)]
    ids: dict[int, list[str]] = {}

    def work(thread: int) -> None:
        ids[thread] = [store.put_bytes(blob) for blob in blobs[thread]]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, own in ids.items():
        assert [store.read(one) for one in own] == blobs[number]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("size", [SMALL, 3 * SMALL], ids=["small", "large"])
def test_a_full_disk_is_the_stores_error_and_loses_nothing(store: ObjectStore, tmp_path: Path, size: int) -> None:
    """The disk of this child ends after 256 KiB a file."""
    sound = store.put_bytes(b"sound")
    (tmp_path / "big").write_bytes(os.urandom(size))
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL // 4, SMALL // 4))
        try:
            put_file(store, tmp_path / "big")
        except ObjectError as error:
            os._exit(0 if "File too large" in error.message else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list((tmp_path / ".datmo/objects/tmp").iterdir()) == []
    assert list(store.verify()) == []
    assert store.read(sound) == b"sound"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_uses_the_store_on_its_own(store: ObjectStore) -> None:
    ours = store.put_bytes(b"from the parent")
    child = os.fork()
    if child == 0:
        fine = store.read(ours) == b"from the parent" and bool(store.put_bytes(b"from the child"))
        store.close()
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.read(blake3(b"from the child").hexdigest()) == b"from the child"
    store.put_bytes(b"after it")
    assert list(store.verify()) == []


def test_sweep_removes_what_a_dead_writer_left_and_nothing_else(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes(b"kept")
    left = tmp_path / ".datmo/objects/tmp/left"
    left.write_bytes(b"half a pack")
    assert store.sweep() == 0, "it could be a file that is about to be locked"
    os.utime(left, (0, 0))
    with store.batch() as batch:
        batch.add(b"being written")
        for path in (tmp_path / ".datmo/objects/tmp").iterdir():
            os.utime(path, (0, 0))
        assert store.sweep() == len(b"half a pack")
    assert store.read(blake3(b"being written").hexdigest()) == b"being written"


def test_a_file_is_identified_without_being_stored(store: ObjectStore, tmp_path: Path) -> None:
    path, other = tmp_path / "kept", tmp_path / "never kept"
    path.write_bytes(LARGE)
    other.write_bytes(b"other")
    kept = put_file(store, path)
    path.write_bytes(LARGE)  # the same bytes, as another state of the file
    for file in (path, other):
        age(file)
    before = files_below(tmp_path / ".datmo" / "objects" / "large")
    assert store.identify([SourceFile(path), SourceFile(other)]) == [
        kept,
        StoredFile(blake3(b"other").hexdigest(), 5, stat.S_IMODE(other.stat().st_mode)),
    ]
    assert files_below(tmp_path / ".datmo" / "objects" / "large") == before
    assert store.has([blake3(b"other").hexdigest()]) == set()
    with files_opened() as opened:
        assert store.identify([SourceFile(path)]) == [kept]
    assert str(path) not in opened, "what is in the store is not read again"
    with pytest.raises(FilesError):
        store.identify([SourceFile(tmp_path / "missing")])
