"""The pack's format: fixed for ever, checked on reading, open for later kinds."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datmo.errors import ObjectError
from datmo.objects.hashing import digest_of
from datmo.objects.pack import DamagedPack, PackEntry, PackTooNew, PackWriter, read_index
from datmo.objects.store import ObjectStore


def write_pack(folder: Path, blobs: list[bytes], kind: int = 0) -> Path:
    path = folder / "writing"
    writer = PackWriter(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), path)
    for blob in blobs:
        writer.append(digest_of(blob), blob)
    writer.entries[:] = [entry._replace(kind=kind) for entry in writer.entries]
    return path.rename(folder / writer.finish())


@settings(max_examples=50)
@given(blobs=st.lists(st.binary(max_size=100), unique=True))
def test_a_pack_gives_back_what_was_put_into_it(blobs: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_pack(Path(folder), blobs)
        content = path.read_bytes()
        entries = read_index(path)
        assert [entry.digest for entry in entries] == sorted(map(digest_of, blobs))
        kept = {entry.digest: content[entry.offset : entry.offset + entry.length] for entry in entries}
        assert kept == {digest_of(blob): blob for blob in blobs}


def test_the_bytes_of_a_pack_are_those_of_the_first_release(tmp_path: Path) -> None:
    path = write_pack(tmp_path, [b"b", b"aa"])
    assert path.name == "129abd146545328cbc847daf59853addf96c34c0240325261df8c2621ab2f970"
    expected = (
        b"datmopak" + bytes.fromhex("0000000100000000") + b"baa"
        # digest, offset, length, size, kind
        + digest_of(b"b") + bytes.fromhex("0000000000000010 0000000000000001 0000000000000001 00")
        + digest_of(b"aa") + bytes.fromhex("0000000000000011 0000000000000002 0000000000000002 00")
        + bytes.fromhex("0000000000000002") + bytes.fromhex(path.name) + b"datmoidx"
    )  # fmt: skip
    assert path.read_bytes() == expected


@settings(max_examples=60)
@given(data=st.data())
def test_a_changed_or_shortened_index_is_never_believed(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_pack(Path(folder), [b"one", b"two", b"three"])
        good = read_index(path)
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[place] ^= data.draw(st.integers(1, 255))
        else:
            del content[place:]
        path.chmod(0o644)
        path.write_bytes(content)
        with suppress(DamagedPack, PackTooNew):
            assert read_index(path) == good, "a change in a blob is found by the blob's own hash"


def test_a_pack_of_a_newer_format_is_refused_with_both_versions(tmp_path: Path) -> None:
    path = write_pack(tmp_path, [b"one"])
    path.chmod(0o644)
    content = path.read_bytes()
    path.write_bytes(content[:8] + (7).to_bytes(4, "big") + content[12:])
    with pytest.raises(PackTooNew, match="format 7, this Datmo reads formats up to 1") as refused:
        read_index(path)
    assert refused.value.hint == "upgrade datmo: pip install --upgrade datmo"


def test_a_pack_cannot_place_an_object_outside_itself(tmp_path: Path) -> None:
    path = tmp_path / "writing"
    writer = PackWriter(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), path)
    writer.append(digest_of(b"x"), b"x")
    writer.entries[:] = [PackEntry(digest_of(b"x"), 10_000, 5, 5, 0)]
    with pytest.raises(DamagedPack, match="outside itself"):
        read_index(path.rename(tmp_path / writer.finish()))


def test_an_object_of_an_unknown_kind_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / "objects") as store:
        sound = store.put_bytes(b"sound")
        later = write_pack(tmp_path, [b"compressed in a way that is not known yet"], kind=3)
        later.rename(tmp_path / "objects/packs" / later.name)
        newer = digest_of(b"compressed in a way that is not known yet").hex()
        with pytest.raises(ObjectError, match="kind 3, this Datmo reads kind 0") as refused:
            store.read(newer)
        assert refused.value.hint == "upgrade datmo: pip install --upgrade datmo"
        assert store.read(sound) == b"sound"
        assert [one for one, _ in store.verify()] == [newer]


def test_verify_names_a_damaged_pack(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / "objects") as store:
        store.put_bytes(b"one")
        (pack,) = (tmp_path / "objects/packs").iterdir()
        pack.chmod(0o644)
        pack.write_bytes(pack.read_bytes()[:-1])
        ((name, wrong),) = store.verify()
        assert name == f"pack/{pack.name}"
        assert "does not end as a pack does" in wrong
