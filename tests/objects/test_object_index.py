"""The index: a cache of what the folder says, which may be lost, stale or spoilt at any time."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datmo.errors import ObjectMissing
from datmo.objects.batch import SMALL
from datmo.objects.hashing import object_id
from datmo.objects.index import Index
from datmo.objects.store import ObjectStore

LARGE = b"large" * SMALL


def rows(root: Path) -> list[tuple[object, ...]]:
    """What the index says, with the packs by name."""
    query = """SELECT digest, name, offset, length, size, kind FROM object
               LEFT JOIN pack ON pack.id = object.pack ORDER BY digest"""
    connection = sqlite3.connect(root / "index.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def remove_index(root: Path) -> None:
    for path in root.glob("index.db*"):
        path.unlink()


def overwrite_index(root: Path) -> None:
    remove_index(root)
    (root / "index.db").write_bytes(b"this is no database, and long enough to be looked at" * 100)


def cut_index(root: Path) -> None:
    size = (root / "index.db").stat().st_size
    os.truncate(root / "index.db", size // 2 // 4096 * 4096)


def empty_index(root: Path) -> None:
    remove_index(root)
    (root / "index.db").write_bytes(b"")


def index_of_another_version(root: Path) -> None:
    connection = sqlite3.connect(root / "index.db")
    connection.executescript("DROP TABLE object; PRAGMA user_version = 99")
    connection.close()


def index_without_rows(root: Path) -> None:
    connection = sqlite3.connect(root / "index.db")
    connection.executescript("DELETE FROM object; DELETE FROM pack")
    connection.close()


def index_with_wrong_places(root: Path) -> None:
    connection = sqlite3.connect(root / "index.db")
    connection.executescript("UPDATE object SET offset = offset + 1000000, kind = 9")
    connection.close()


def index_of_packs_that_are_gone(root: Path) -> None:
    connection = sqlite3.connect(root / "index.db")
    connection.execute("UPDATE pack SET name = ?", ("0" * 64,))
    connection.commit()
    connection.close()


HARMS = [
    remove_index, overwrite_index, cut_index, empty_index, index_of_another_version, index_without_rows,
    index_with_wrong_places, index_of_packs_that_are_gone,
]  # fmt: skip


@settings(max_examples=25)
@given(captures=st.lists(st.lists(st.binary(max_size=30), min_size=1), min_size=1, max_size=5), again=st.data())
def test_a_rebuilt_index_equals_the_one_that_was_written(captures: list[list[bytes]], again: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with ObjectStore(root) as store:
            for blobs in captures:
                store.put_many(blobs)
            if again.draw(st.booleans()):
                store.put_bytes(LARGE)
        before = rows(root)
        remove_index(root)
        with ObjectStore(root) as store:
            store.has([object_id(b"")])
        assert rows(root) == before


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_whatever_happens_to_the_index_nothing_is_lost(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    blobs = [b"%d" % number for number in range(500)] + [LARGE]
    with ObjectStore(tmp_path) as store:
        ids = store.put_many(blobs)
    harm(tmp_path)
    with ObjectStore(tmp_path) as store:
        assert [store.read(one) for one in ids] == blobs
        assert store.has(ids) == set(ids)
        assert store.put_many([b"new", *blobs]) == [object_id(b"new"), *ids]
        assert store.read(object_id(b"new")) == b"new"
        assert list(store.verify(ids)) == []


@pytest.mark.parametrize("harm", [remove_index, overwrite_index], ids=lambda harm: harm.__name__)
def test_the_index_may_go_while_the_store_is_open(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    with ObjectStore(tmp_path) as store:
        first = store.put_bytes(b"before")
        harm(tmp_path)
        second = store.put_bytes(b"after")
        assert (store.read(first), store.read(second)) == (b"before", b"after")
    with ObjectStore(tmp_path) as store:
        assert (store.read(first), store.read(second)) == (b"before", b"after")


def test_a_pack_without_rows_is_taken_in_when_an_object_of_it_is_asked_for(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / "a") as one, ObjectStore(tmp_path / "b") as other:
        small, large = one.put_many([b"from the other store", LARGE])
        other.put_bytes(b"own")
        shutil.copytree(tmp_path / "a/packs", tmp_path / "b/packs", dirs_exist_ok=True)
        shutil.copytree(tmp_path / "a/large", tmp_path / "b/large", dirs_exist_ok=True)
        assert other.read(small) == b"from the other store"
        assert other.read(large) == LARGE


def test_what_another_thread_has_just_taken_in_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rebuild = Index.rebuild

    def rebuilt_twice(index: Index) -> bool:
        rebuild(index)  # by another thread, between our look and our turn
        return rebuild(index)

    monkeypatch.setattr(Index, "rebuild", rebuilt_twice)
    with ObjectStore(tmp_path / "a") as one, ObjectStore(tmp_path / "b") as other:
        given = one.put_bytes(b"from the other store")
        other.put_bytes(b"own")
        shutil.copytree(tmp_path / "a/packs", tmp_path / "b/packs", dirs_exist_ok=True)
        assert other.read(given) == b"from the other store"
        with pytest.raises(ObjectMissing):
            other.read(object_id(b"nobody's"))


def test_an_object_that_lay_in_two_packs_outlives_one_of_them(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / "a") as one, ObjectStore(tmp_path / "b") as other:
        one.put_many([b"shared", b"a"])
        other.put_many([b"shared", b"b"])
    first = next((tmp_path / "a/packs").iterdir())
    shutil.copytree(tmp_path / "b/packs", tmp_path / "a/packs", dirs_exist_ok=True)
    with ObjectStore(tmp_path / "a") as store:
        assert store.has([object_id(b"b")]), "the copied pack was taken in"
    first.unlink()
    with ObjectStore(tmp_path / "a") as store:
        assert store.read(object_id(b"shared")) == b"shared"
        with pytest.raises(ObjectMissing):
            store.read(object_id(b"a"))


def test_a_copied_store_is_a_whole_store(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / "a") as store:
        ids = store.put_many([b"small", LARGE])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    shutil.rmtree(tmp_path / "a")
    with ObjectStore(tmp_path / "b") as store:
        assert [store.read(one) for one in ids] == [b"small", LARGE]
        assert list(store.verify()) == []


WRITER = """
import sys
from pathlib import Path
from datmo.objects.store import ObjectStore
with ObjectStore(Path(sys.argv[1])) as store:
    for number in range(60):
        own = b"%s-%d" % (sys.argv[2].encode(), number)
        ids = store.put_many([own, b"shared-%d" % number])
        assert store.read(ids[0]) == own and store.read(ids[1]) == b"shared-%d" % number
"""


def test_processes_that_start_and_write_at_once_never_fail(tmp_path: Path) -> None:
    root = tmp_path / "objects"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(root), str(number)], env={"PYTHONPATH": os.getcwd()})
        for number in range(6)
    ]
    assert [writer.wait() for writer in writers] == [0] * 6
    with ObjectStore(root) as store:
        wanted = [object_id(b"%d-%d" % (writer, number)) for writer in range(6) for number in range(60)]
        wanted += [object_id(b"shared-%d" % number) for number in range(60)]
        assert store.has(wanted) == set(wanted)
        assert list(store.verify()) == []
