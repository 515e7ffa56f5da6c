"""The manifest: canonical, and never a way out of the folder that it is restored to."""

from __future__ import annotations

import random

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from datmo.capture.manifest import LINK, FileEntry, Manifest
from datmo.errors import FilesError

ID = blake3(b"x").hexdigest()

names = st.binary(min_size=1, max_size=6).filter(lambda name: b"/" not in name and b"\0" not in name)
parts = names.map(lambda name: name.decode("utf-8", "surrogateescape")).filter(lambda name: name not in {".", ".."})
paths = st.lists(parts, min_size=1, max_size=3).map("/".join)
entries = st.builds(
    FileEntry,
    path=paths,
    object=st.binary(max_size=3).map(lambda data: blake3(data).hexdigest()),
    size=st.integers(0, (1 << 63) - 1),
    mode=st.integers(0, 0o777) | st.just(LINK),
    origin=st.sampled_from(["outside", "task"]),
)


def without_conflicts(found: list[FileEntry]) -> list[FileEntry]:
    kept: dict[str, FileEntry] = {}
    for entry in found:
        if not any(f"{a}/".startswith(f"{b}/") for one in kept for a, b in [(one, entry.path), (entry.path, one)]):
            kept[entry.path] = entry
    return list(kept.values())


collections = st.lists(entries, max_size=12).map(without_conflicts)


def entry(path: str = "model.bin", **other: object) -> FileEntry:
    return FileEntry(path, ID, 1, 0o644, "project")._replace(**other)  # type: ignore[arg-type]


@given(found=collections, seed=st.randoms())
def test_a_manifest_is_read_as_it_was_written_whatever_the_order(found: list[FileEntry], seed: random.Random) -> None:
    manifest = Manifest(found)
    again = Manifest.from_bytes(manifest.to_bytes())
    assert again.entries == manifest.entries
    assert sorted(again.entries) == sorted(found)
    seed.shuffle(found)
    assert Manifest(found).id == manifest.id == blake3(manifest.to_bytes()).hexdigest()


@given(found=collections, data=st.data())
def test_bytes_are_taken_only_in_the_one_form_that_is_written(found: list[FileEntry], data: st.DataObject) -> None:
    written = bytearray(Manifest(found).to_bytes())
    place = data.draw(st.integers(0, len(written) - 1))
    how = data.draw(st.sampled_from(["change", "cut", "insert"]))
    if how == "change":
        written[place] ^= data.draw(st.integers(1, 255))
    elif how == "cut":
        del written[place:]
    else:
        written[place:place] = data.draw(st.binary(min_size=1, max_size=3))
    try:
        taken = Manifest.from_bytes(bytes(written))
    except FilesError:
        return
    assert taken.to_bytes() == bytes(written)


def test_the_bytes_of_a_manifest_are_those_of_the_first_release() -> None:
    manifest = Manifest([entry("b\udcff/x y\n"), entry("a", mode=0o755, size=20, origin="task"), entry("c", mode=LINK)])
    assert manifest.to_bytes() == (
        b"datmo files 1\n"
        b"task 755 20 " + ID.encode() + b" a\0\n"
        b"project 644 1 " + ID.encode() + b" b\xff/x y\n\0\n"
        b"project 120000 1 " + ID.encode() + b" c\0\n"
    )


HOSTILE = ["", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/..", ".", "./a", "a//b", "a/", "a\0b"]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(FilesError):
        Manifest([entry(path)])
    line = b"project 644 1 %s %s\0\n" % (ID.encode(), path.encode("utf-8", "surrogatepass"))
    with pytest.raises(FilesError):
        Manifest.from_bytes(b"datmo files 1\n" + line)


def test_a_path_that_no_name_can_have_is_refused() -> None:
    with pytest.raises(FilesError, match="no file name can have"):
        Manifest([entry("\ud800")])


@pytest.mark.parametrize("path", [".git/hooks/post-checkout", "a/.GIT/config", ".datmo/log.db", ".git"])
def test_nothing_of_the_project_reaches_into_git_or_datmo(path: str) -> None:
    with pytest.raises(FilesError, match="not the user's"):
        Manifest([entry(path)])
    Manifest([entry(path, origin="task")])


@pytest.mark.parametrize(
    "wrong",
    [{"mode": 0o4755}, {"mode": -1}, {"mode": 0o100644}, {"size": -1}, {"size": 1 << 63}, {"origin": "moon"},
     {"object": "abc"}, {"object": ID.upper()}, {"object": f"../{ID[3:]}"}],
)  # fmt: skip
def test_an_impossible_entry_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(FilesError, match=r"model\.bin"):
        Manifest([entry()._replace(**wrong)])  # type: ignore[arg-type]


def test_entries_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(FilesError, match="'a' is in the collection twice"):
        Manifest([entry("a"), entry("a", size=2)])
    with pytest.raises(FilesError, match="'a/b' is both a file and a folder"):
        Manifest([entry("a/b"), entry("a/b.c"), entry("a/b/c/d")])


def test_a_manifest_of_a_newer_format_is_refused_with_both_versions() -> None:
    with pytest.raises(FilesError, match="format 2, this Datmo reads format 1") as refused:
        Manifest.from_bytes(b"datmo files 2\nwhatever\0\n")
    assert refused.value.hint == "upgrade datmo: pip install --upgrade datmo"


@pytest.mark.parametrize("data", [b"", b"datmo files", b"datmo files one\n", b"{}", b"datmo files 1\nproject"])
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(FilesError):
        Manifest.from_bytes(data)
