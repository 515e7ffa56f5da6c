"""Every kind of file, and what git would do to its bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datmo.errors import CodeError
from datmo.objects.store import ObjectStore, StoredFile
from tests.capture.code_support import Project, repository, tree

CRLF, LF, MIXED = b"a\r\nb\r\n", b"a\nb\n", b"a\r\nb\n"
BINARY = b"\x89PNG\r\n\x1a\n\0\r\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return repository(tmp_path / "project", size_limit=1_000)


def test_links_and_exec_bits_are_exact(project: Project) -> None:
    project.write("run.sh", "#!/bin/sh\n", 0o755)
    for name, target in {
        "link": "run.sh",
        "dangling": "nowhere",
        "outside": "/etc",
        "lib/up": "..",
        "d": "lib",
    }.items():
        (project.root / name).symlink_to(target)
    first = project.capture()
    assert project.checkout(first.code_id) == tree(project.root)
    (project.root / "run.sh").chmod(0o644)
    (project.root / "train.py").chmod(0o755)
    (project.root / "link").unlink()
    project.write("link", "a file now")
    second = project.capture()
    assert project.checkout(second.code_id) == tree(project.root)
    assert project.checkout(first.code_id) != tree(project.root)


def test_names_need_not_be_utf8_nor_free_of_anything(project: Project) -> None:
    names = ["caf\udce9", "\udcff/\udcfe.py", "new\nline", 'quo"te', "back\\slash", " space ", "-n", "ü.py", "tab\t"]
    for name in names:
        project.write(name, name.encode(errors="surrogateescape"))
    project.write("large\udcff", b"x" * 2_000)
    captured = project.capture()
    assert project.checkout(captured.code_id) == tree(project.root)
    assert {path for path, _, _ in project.code.files(captured.code_id)} >= set(names)
    project.git("add", "-A", "--", ":!large*")
    assert project.capture() == captured


def to_nothing(place: Path) -> None:
    place.unlink()


def to_a_link(place: Path) -> None:
    place.unlink()
    place.symlink_to("train.py")


def to_a_folder(place: Path) -> None:
    place.unlink()
    place.mkdir()


def to_a_file(place: Path) -> None:
    place.unlink()
    place.write_text("a file now\n")


@pytest.mark.parametrize(
    ("made", "exchanged"),
    [
        (to_a_file, to_nothing),
        (to_a_file, to_a_link),
        (to_a_file, to_a_folder),
        (to_a_link, to_nothing),
        (to_a_link, to_a_file),
    ],
)
def test_what_is_exchanged_between_two_looks_is_taken_as_it_is_then(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    made: Callable[[Path], None],
    exchanged: Callable[[Path], None],
) -> None:
    place = project.write("notes.txt.swp")
    made(place)
    lstat = os.lstat
    looked: list[str] = []

    def looked_at(path: str, **options: Any) -> os.stat_result:
        found = lstat(path, **options)
        if path == os.fspath(place) and not looked:
            looked.append(path)
            exchanged(place)
        return found

    with monkeypatch.context() as during:
        during.setattr(os, "lstat", looked_at)
        captured = project.code.capture(project.store)
    assert looked
    assert captured == project.capture()
    assert project.checkout(captured.code_id) == tree(project.root)


def test_a_large_file_that_goes_before_it_is_read_is_not_there(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("weights.bin", b"w" * 5_000)
    written = project.write("weights.bin.part", b"p" * 5_000)
    put_files = ObjectStore.put_files

    def put(store: ObjectStore, *given: Any, **options: Any) -> list[StoredFile]:
        written.unlink(missing_ok=True)  # as by a program that renames what it has written
        return put_files(store, *given, **options)

    with monkeypatch.context() as during:
        during.setattr(ObjectStore, "put_files", put)
        captured = project.code.capture(project.store)
    assert [entry.path for entry in captured.large] == ["weights.bin"]
    assert captured.code_id == project.capture().code_id


def test_a_large_file_goes_to_the_store_and_is_said_so(project: Project) -> None:
    project.write("data/faces.bin", b"f" * 5_000)
    project.write("data/tool.bin", b"t" * 5_000, 0o755)
    captured = project.capture()
    assert [(entry.path, entry.size, entry.mode, entry.origin) for entry in captured.large] == [
        ("data/faces.bin", 5_000, 0o644, "project"),
        ("data/tool.bin", 5_000, 0o755, "project"),
    ]
    assert project.store.read(captured.large[0].object) == b"f" * 5_000
    assert captured.tree == project.git("rev-parse", "HEAD^{tree}")
    assert captured.code_id != captured.base
    (notice,) = captured.notices
    assert notice == "data/faces.bin, data/tool.bin: over the size limit of git objects, kept in the object store"
    assert project.checkout(captured.code_id) == tree(project.root)
    assert project.code.resolve(captured.code_id).large == captured.large
    listed = {path: content for path, _, content in project.code.files(captured.code_id)}
    assert listed["data/faces.bin"].hex() == captured.large[0].object
    assert project.code.open_file(captured.code_id, "data/tool.bin", project.store).read() == b"t" * 5_000


def test_a_staged_large_file_is_the_same_code_as_an_unstaged_one(project: Project) -> None:
    project.write("big.bin", b"b" * 2_000)
    captured = project.capture()
    project.git("add", "big.bin")
    assert project.capture() == captured


def test_a_large_file_that_head_has_stays_in_git(project: Project) -> None:
    project.write("big.bin", b"b" * 2_000)
    head = project.commit()
    assert project.capture().code_id == head
    os.utime(project.root / "big.bin")
    assert project.capture().code_id == head
    (project.root / "big.bin").chmod(0o755)
    assert project.capture().large == ()
    project.write("big.bin", b"c" * 2_000)
    captured = project.capture()
    assert [entry.path for entry in captured.large] == ["big.bin"]
    assert project.checkout(captured.code_id) == tree(project.root)


def test_lost_large_files_are_an_error_that_leaves_no_folder(project: Project, tmp_path: Path) -> None:
    from datmo.errors import ObjectMissing
    from datmo.objects.store import ObjectStore

    project.write("big.bin", b"b" * 2_000)
    captured = project.capture()
    with pytest.raises(ObjectMissing):
        project.code.checkout(captured.code_id, tmp_path / "to", ObjectStore(tmp_path / "empty"))
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    "attributes", ["", "* text=auto", "*.txt text", "*.txt eol=crlf", "*.txt eol=lf", "*.txt -text"]
)
@pytest.mark.parametrize("autocrlf", ["false", "input", "true"])
def test_line_endings_come_back_as_they_were(project: Project, attributes: str, autocrlf: str) -> None:
    project.git("config", "core.autocrlf", autocrlf)
    project.git("rm", "-rq", "--cached", ".")
    project.git("reset", "-q", "--hard")
    project.write(".gitattributes", attributes + "\n")
    for name, content in {"crlf": CRLF, "lf": LF, "mixed": MIXED, "binary": BINARY, "empty": b""}.items():
        project.write(f"{name}.txt", content)
    captured = project.capture()
    assert project.checkout(captured.code_id) == tree(project.root)
    assert project.capture() == captured


@pytest.mark.parametrize("attributes", ["* text=auto", "*.txt eol=crlf", "*.txt ident"])
@pytest.mark.parametrize("autocrlf", ["false", "true"])
def test_a_tree_that_git_calls_clean_is_clean_whatever_the_line_endings(
    project: Project, attributes: str, autocrlf: str
) -> None:
    project.git("config", "core.autocrlf", autocrlf)
    project.write(".gitattributes", attributes + "\n")
    project.write("a.txt", LF)
    project.write("id.txt", "$Id$\n")
    head = project.commit()
    project.git("rm", "-rq", "--cached", ".")
    project.git("reset", "-q", "--hard")
    assert project.capture().code_id == head
    # As after a copy: git knows every file again only by reading it.
    for path in ("a.txt", "id.txt"):
        os.utime(project.root / path)
    assert project.capture().code_id == head
    assert project.checkout(head) == tree(project.root)


def test_other_attributes_store_the_same_bytes_in_another_way(project: Project) -> None:
    place = project.write("a.txt", CRLF)
    os.utime(place, (1_500_000_000, 1_500_000_000))
    plain = project.capture()
    project.write(".gitattributes", "*.txt text eol=crlf\n")
    converted = project.capture()
    assert project.checkout(converted.code_id) == tree(project.root)
    ids = [{path: oid for path, _, oid in project.code.files(code.code_id)} for code in (plain, converted)]
    assert ids[0]["a.txt"] != ids[1]["a.txt"]
    (project.root / ".gitattributes").unlink()
    assert project.capture() == plain


def test_attributes_of_the_captured_code_count_and_not_those_of_today(project: Project) -> None:
    project.write("lib/.gitattributes", "*.txt text eol=crlf\n")
    project.write("lib/a.txt", CRLF)
    captured = project.capture()
    before = tree(project.root)
    project.write("lib/.gitattributes", "*.txt -text\n")
    project.write(".gitattributes", "*.py text eol=crlf\n")
    assert project.checkout(captured.code_id) == before
    assert project.code.read_file(captured.code_id, "lib/a.txt") == CRLF


def a_filter(project: Project) -> None:
    """As git-lfs: what git holds is another form of the file."""
    project.git("config", "filter.upper.clean", "tr a-z A-Z")
    project.git("config", "filter.upper.smudge", "tr A-Z a-z")
    project.git("config", "filter.upper.required", "true")
    project.write(".gitattributes", "*.low filter=upper\n")


def test_filters_of_the_user_run_as_git_runs_them(project: Project) -> None:
    a_filter(project)
    project.write("a.low", "quiet")
    head = project.commit()
    assert project.git("cat-file", "-p", "HEAD:a.low") == "QUIET"
    assert project.capture().code_id == head
    os.utime(project.root / "a.low")
    assert project.capture().code_id == head
    project.write("a.low", "still quiet")
    project.write('d/odd "name"\n\udcff.low', "hush")
    captured = project.capture()
    assert project.git("cat-file", "-p", f"{captured.code_id}:a.low") == "STILL QUIET"
    assert project.checkout(captured.code_id) == tree(project.root)
    assert project.code.read_file(captured.code_id, "a.low") == b"still quiet"
    assert project.capture() == captured


def test_an_encoding_of_the_work_tree_is_kept(project: Project) -> None:
    project.write(".gitattributes", "*.u16 text working-tree-encoding=UTF-16LE\n")
    project.write("a.u16", "grüße\n".encode("utf-16-le"))
    captured = project.capture()
    assert project.git("cat-file", "-p", f"{captured.code_id}:a.u16") == "grüße"
    assert project.checkout(captured.code_id) == tree(project.root)


def test_a_filter_that_fails_or_cannot_run_is_an_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    a_filter(project)
    project.write("a.low", "quiet")
    project.git("config", "filter.upper.clean", "false")
    with pytest.raises(CodeError, match=r"'a\.low'"):
        project.code.capture(project.store)
    project.git("config", "filter.upper.clean", "tr a-z A-Z")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CodeError, match="the git program is needed") as caught:
        project.code.capture(project.store)
    assert caught.value.hint == "install git"


def test_a_driver_that_is_not_configured_changes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    project.write("a.bin", BINARY)
    monkeypatch.setenv("PATH", "/nowhere")
    captured = project.code.capture(project.store)
    monkeypatch.undo()
    assert project.checkout(captured.code_id) == tree(project.root)


def test_no_git_program_is_needed_for_ordinary_work(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("new.py", "x")
    monkeypatch.setenv("PATH", "/nowhere")
    captured = project.code.capture(project.store)
    project.code.checkout(captured.code_id, project.datmo / "to", project.store)
    monkeypatch.undo()
    assert tree(project.datmo / "to") == tree(project.root)
