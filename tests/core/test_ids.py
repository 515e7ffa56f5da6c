"""Ids: of one form, and never the same twice, whoever asks for them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice

import pytest

from datmo.core.ids import event_ids, is_event_id, is_id, new_id


def test_ids_are_of_their_form_and_all_different() -> None:
    ids = [new_id() for _ in range(1000)]
    assert all(map(is_id, ids))
    assert len({*ids}) == 1000
    assert {*chain.from_iterable(ids)} == {*"0123456789abcdefghjkmnpqrstvwxyz"}


def test_threads_get_ids_of_their_own() -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(chain.from_iterable(pool.map(lambda _: [new_id() for _ in range(1000)], range(8))))
    assert len({*ids}) == 8000


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_gets_ids_of_its_own() -> None:
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(new_id() for _ in range(100)).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="ascii") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    theirs = {text[start : start + 16] for start in range(0, len(text), 16)}
    assert len(theirs) == 100
    assert not theirs & {new_id() for _ in range(100)}


def test_the_ids_of_one_append_count_up() -> None:
    ids = list(islice(event_ids(1_700_000_000_000_000), 100))
    assert all(map(is_event_id, ids))
    assert ids == sorted({*ids})
    assert {each[:13] for each in ids} == {"018bcfe5-6800"}
