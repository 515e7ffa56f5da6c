"""Collecting garbage from the store: what is needed stays, byte for byte; what is not gives its room back."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datmo.objects.index import Index
from datmo.objects.store import ObjectStore

LARGE = 1 << 20


def on_disk(root: Path) -> int:
    return sum(
        path.stat().st_size for folder in ("packs", "large") for path in (root / folder).rglob("*") if path.is_file()
    )


def collect(store: ObjectStore, needed: list[str]) -> int:
    return store.collect(store.garbage(needed)).size


@given(
    captures=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=6), min_size=1, max_size=6),
    needed=st.sets(st.integers(0, 30)),
    reopened=st.booleans(),
)
def test_what_is_needed_stays_whatever_else_goes(captures: list[list[int]], needed: set[int], reopened: bool) -> None:
    with TemporaryDirectory() as folder, ObjectStore(Path(folder) / "objects") as store:
        # Each number an object; some lie in several packs, because two stores wrote them at once.
        stored = {}
        for capture in captures:
            with store.batch() as one, store.batch() as other:
                for number in capture:
                    stored[number] = one.add(b"%d " % number * (number * 40))
                    other.add(b"%d " % number * (number * 40))
        wanted = [stored[number] for number in needed & stored.keys()]
        collect(store, wanted)
        if reopened:
            store.close()
            (Path(folder) / "objects" / "index.db").unlink()
        for number in needed & stored.keys():
            assert store.read(stored[number]) == b"%d " % number * (number * 40)
        assert list(store.verify()) == []
        assert store.garbage(wanted).objects == 0
        # What is gone can be stored again.
        for number, object_id in stored.items():
            assert store.put_bytes(b"%d " % number * (number * 40)) == object_id
            assert store.read(object_id) == b"%d " % number * (number * 40)


def test_large_objects_go_and_give_their_room_back(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / "objects") as store:
        kept, gone = [store.put_bytes(bytes([number]) * (LARGE + 1)) for number in (1, 2)]
        before = on_disk(tmp_path / "objects")
        assert store.garbage([kept]).size == LARGE + 1
        assert collect(store, [kept]) == LARGE + 1
        assert before - on_disk(tmp_path / "objects") == LARGE + 1
        assert store.has([kept, gone]) == {kept}
        # The stat cache and the index know it no more, so it is stored again.
        assert store.put_bytes(bytes([2]) * (LARGE + 1)) == gone
        assert list(store.verify()) == []


def test_a_pack_is_written_anew_where_half_of_it_is_garbage_and_stays_where_less_is(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / "objects") as store:
        ids = store.put_many(bytes([number]) * 1000 for number in range(10))
        (pack,) = (tmp_path / "objects" / "packs").iterdir()
        garbage = store.garbage(ids[:5])
        assert (garbage.objects, garbage.kept) == (0, 5000)
        assert collect(store, ids[:5]) == 0
        assert list((tmp_path / "objects" / "packs").iterdir()) == [pack]
        assert store.has(ids) == set(ids)
        size = pack.stat().st_size
        freed = collect(store, ids[:4])
        (other,) = (tmp_path / "objects" / "packs").iterdir()
        assert (other != pack, freed, freed > 6000) == (True, size - other.stat().st_size, True)
        assert store.has(ids) == set(ids[:4])
        assert collect(store, []) > 4000
        assert list((tmp_path / "objects" / "packs").iterdir()) == []


def test_a_reader_with_an_open_index_follows_its_objects(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / "objects") as store, ObjectStore(tmp_path / "objects") as reader:
        ids = store.put_many(bytes([number]) * 1000 for number in range(4))
        assert reader.read(ids[0]) == b"\0" * 1000
        collect(store, ids[:1])
        assert reader.read(ids[0]) == b"\0" * 1000
        assert reader.has(ids) == {ids[0]}


def test_what_is_removed_does_not_come_back_by_one_who_opens_the_index_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "objects"
    with ObjectStore(root) as store:
        kept, gone, large = store.put_many([b"1" * 1000, b"2" * 3000, b"3" * (LARGE + 1)])
        exchange = Index.exchange

        def exchanged(*given: Any) -> None:
            exchange(*given)
            with ObjectStore(root) as reader:  # the folder still has what is going to be unlinked
                assert reader.read(kept) == b"1" * 1000

        monkeypatch.setattr(Index, "exchange", exchanged)
        collect(store, [kept])
        assert store.has([kept, gone, large]) == {kept}
        assert store.put_many([b"2" * 3000, b"3" * (LARGE + 1)]) == [gone, large]
        assert list(store.verify()) == []
        assert store.read(gone) == b"2" * 3000


def test_what_would_go_can_be_asked_while_it_goes(tmp_path: Path) -> None:
    root = tmp_path / "objects"
    asking = threading.Event()

    def ask() -> int:
        asked = 0
        with ObjectStore(root) as store:
            while not asking.is_set():
                store.garbage([])
                asked += 1
        return asked

    with ObjectStore(root) as store, ThreadPoolExecutor(2) as pool:
        store.put_bytes(b"kept")
        asked = [pool.submit(ask) for _ in range(2)]
        try:
            for number in range(60):
                ids = store.put_many([b"%d" % number * 1000, *(bytes([each]) * (LARGE + 1) for each in range(4))])
                assert store.has(ids) == set(ids)
                collect(store, [])
        finally:
            asking.set()
        assert all(each.result() for each in asked)


def test_a_pack_that_is_damaged_is_left_alone_and_named(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / "objects") as store:
        ids = store.put_many(bytes([number]) * 1000 for number in range(4))
        (pack,) = (tmp_path / "objects" / "packs").iterdir()
        pack.chmod(0o644)
        pack.write_bytes(pack.read_bytes().replace(b"\3" * 1000, b"\4" * 1000))
        (problem,) = store.collect(store.garbage([ids[3]])).problems
        assert "damaged" in problem
        assert pack.exists()
        pack.write_bytes(pack.read_bytes()[:-1])
        (problem,) = store.garbage([]).problems
        assert pack.name[:12] in problem


def test_who_stores_shares_and_who_collects_has_it_alone(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / "objects") as store:
        one, other, collector = store.hold(), store.hold(), store.hold()
        one.share()
        other.share()
        assert not collector.try_alone()
        one.release()
        assert not collector.try_alone()
        other.release()
        other.release()
        assert collector.try_alone()
        waited = threading.Thread(target=one.share)
        waited.start()
        collector.release()
        waited.join()
        assert not collector.try_alone()
        one.release()
        collector.release()


def test_a_forked_child_does_not_keep_what_its_parent_held(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / "objects") as store:
        hold, collector = store.hold(), store.hold()
        hold.share()
        start, end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(end)
            os.read(start, 1)
            os._exit(0)
        hold.release()
        assert collector.try_alone()
        collector.release()
        os.close(end)
        os.close(start)
        os.waitpid(pid, 0)


# Keeps the objects whose numbers are even; stores what went anew before it collects again.
COLLECTOR = """
import os, sys
from pathlib import Path
from datmo.objects.store import ObjectStore
store = ObjectStore(Path(sys.argv[1]))
data = [bytes([number]) * (200_000 if number % 3 else 1_100_000) for number in range(12)]
while True:
    ids = [store.put_bytes(each) for each in data]
    os.write(1, b".")
    store.collect(store.garbage(ids[::2]))
"""


@pytest.mark.parametrize("round_", range(6))
def test_a_killed_collection_leaves_all_that_is_needed(tmp_path: Path, round_: int) -> None:
    root = tmp_path / "objects"
    data = [bytes([number]) * (200_000 if number % 3 else 1_100_000) for number in range(12)]
    with ObjectStore(root) as store:
        needed = [store.put_bytes(each) for each in data][::2]
    for victim in range(3):
        command = [sys.executable, "-c", COLLECTOR, str(root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env={"PYTHONPATH": os.getcwd()}) as collector:
            assert collector.stdout is not None
            collector.stdout.read(1)
            killer = threading.Timer(random.Random(round_ * 3 + victim).uniform(0, 0.15), collector.kill)
            killer.start()
            collector.stdout.read()
            killer.join()
        with ObjectStore(root) as store:
            assert list(store.verify()) == []
            assert list(store.verify(needed)) == []
            store.collect(store.garbage(needed))
            assert [store.read(each) for each in needed] == data[::2]
            assert store.garbage(needed).objects == 0
