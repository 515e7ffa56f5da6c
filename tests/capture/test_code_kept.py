"""What was captured stays: through garbage collections, crashes, and writers that come at once."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from datmo.capture.code_pack import ObjectWriter
from datmo.capture.code_repository import open_users
from datmo.errors import CodeError
from tests.capture.code_support import PROJECT_ID, Project, repository, tree


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return repository(tmp_path / "project", size_limit=1_000)


def collect_garbage(project: Project) -> None:
    project.git("reflog", "expire", "--expire=now", "--all")
    project.git("gc", "-q", "--prune=now")


def test_captured_code_survives_amending_and_collecting_garbage(project: Project) -> None:
    clean = project.capture()
    before = tree(project.root)
    project.write("train.py", "edited\n")
    project.write("big.bin", b"b" * 2_000)
    edited = project.capture()
    after = tree(project.root)
    project.git("commit", "-q", "--amend", "-a", "-m", "amended")
    collect_garbage(project)
    assert project.code.missing([clean.code_id, edited.code_id]) == []
    assert project.checkout(clean.code_id) == before
    assert project.checkout(edited.code_id) == after
    assert project.git("fsck", "--full", "--strict", "--no-dangling") == ""


def test_what_a_ref_no_longer_keeps_is_missing_and_captured_anew(project: Project) -> None:
    project.write("train.py", "edited\n")
    captured = project.capture()
    project.code.put_head(1, "aa")
    project.code.remove_refs()
    assert project.code.refs() == []
    assert project.code.head() is None
    collect_garbage(project)
    unknown = ["0" * 40, "", "not a hash"]
    assert project.code.missing([*unknown, captured.code_id]) == [*unknown, captured.code_id]
    with pytest.raises(CodeError, match=captured.code_id):
        project.code.checkout(captured.code_id, project.datmo / "to", project.store)
    # Its files are as they were, so only their timestamps were looked at: what is gone must be noticed.
    assert project.capture() == captured
    assert project.code.missing([captured.code_id]) == []
    assert project.checkout(captured.code_id) == tree(project.root)


def test_a_commit_of_which_a_tree_or_file_is_lost_is_missing(project: Project) -> None:
    head = project.git("rev-parse", "HEAD")
    for lost in ("HEAD:lib", "HEAD:train.py"):
        oid = project.git("rev-parse", lost)
        place = project.root / ".git/objects" / oid[:2] / oid[2:]
        data = place.read_bytes()
        assert project.code.missing([head]) == []
        place.unlink()
        assert project.code.missing([head]) == [head]
        with pytest.raises(CodeError, match=oid):
            project.code.checkout(head, project.datmo / "to", project.store)
        assert not (project.datmo / "to").exists()
        place.write_bytes(data)


def test_what_is_not_finished_leaves_no_objects(project: Project) -> None:
    users = open_users(project.root)
    assert users is not None
    before = project.state()
    with ObjectWriter(users) as writer:
        writer.add("blob", b"never to be seen")
    assert project.state() == before


def test_a_pack_of_ours_is_as_git_would_have_it(project: Project) -> None:
    users = open_users(project.root)
    assert users is not None
    with ObjectWriter(users) as writer:
        contents = [bytes([number % 251]) * size for number, size in enumerate([0, 1, 15, 16, 2047, 2048, 70_000])]
        oids = [writer.add("blob", content).hex() for content in contents]
        assert writer.finish()
    for oid, content in zip(oids, contents, strict=True):
        assert project.git("cat-file", "-s", oid) == str(len(content))
    (index,) = (project.root / ".git/objects/pack").glob("*.idx")
    project.git("verify-pack", str(index))
    assert (index.stat().st_mode & 0o777, index.with_suffix(".pack").stat().st_mode & 0o777) == (0o444, 0o444)
    with ObjectWriter(users) as writer:
        assert [writer.add("blob", content).hex() for content in contents] == oids
        assert not writer.finish()


def test_captures_at_once_agree(project: Project) -> None:
    for number in range(30):
        project.write(f"new/{number}.txt", f"{number}")
    with ThreadPoolExecutor(8) as pool:
        captures = set(pool.map(lambda _: project.code.capture(project.store), range(16)))
    assert captures == {project.capture()}
    assert project.git("fsck", "--full", "--strict") == ""


def test_captures_at_once_of_an_index_that_changes_agree(project: Project) -> None:
    for number in range(10):
        project.write(f"new-{number}.txt", f"{number}")
        project.git(
            "add", "-A"
        )  # a copy of the new index is made by all of them at once, and the old ones are looked at
        with ThreadPoolExecutor(8) as pool:
            captures = set(pool.map(lambda _: project.code.capture(project.store), range(8)))
        assert captures == {project.capture()}


def test_the_head_of_the_log_only_moves_forward(project: Project) -> None:
    assert project.code.head() is None
    project.code.put_head(5, "five")
    project.code.put_head(3, "three")
    project.code.put_head(5, "other")
    assert project.code.head() == (5, "five")
    project.code.put_head(6, "six")
    assert project.code.head() == (6, "six")
    assert project.git("cat-file", "-p", f"refs/datmo/{PROJECT_ID}/head") == "6 six"
    collect_garbage(project)
    project.git("pack-refs", "--all")
    assert project.code.head() == (6, "six")
    project.code.put_head(7, "seven")
    assert project.code.head() == (7, "seven")
    assert project.git("fsck", "--full", "--strict", "--no-dangling") == ""


def test_many_processes_move_the_head_and_the_furthest_wins(project: Project) -> None:
    script = (
        "import sys; from pathlib import Path; from datmo.capture.code import CodeRepository\n"
        "root = Path(sys.argv[1]); code = CodeRepository(root, root / '.datmo', sys.argv[2])\n"
        "for position in range(int(sys.argv[3]), 61, 3):\n"
        "    code.put_head(position, f'hash{position}')\n"
    )
    command = [sys.executable, "-c", script, str(project.root), PROJECT_ID]
    running = [subprocess.Popen([*command, str(first)], stderr=subprocess.PIPE) for first in (1, 2, 3)]
    for process in running:
        _, said = process.communicate()
        assert (process.returncode, said) == (0, b"")
    assert project.code.head() == (60, "hash60")


def test_a_ref_that_holds_no_head_is_said_so(project: Project) -> None:
    project.git("update-ref", f"refs/datmo/{PROJECT_ID}/head", project.git("hash-object", "-w", "train.py"))
    with pytest.raises(CodeError, match="does not hold the head of a log"):
        project.code.head()


def test_a_cache_that_is_lost_or_spoilt_costs_nothing_but_time(project: Project) -> None:
    project.write("new.py", "x")
    captured = project.capture()
    for content in (b"", b"{}", b"[1]", b'{"version": 1, "files": 3}', b'{"version": 1, "files": {"new.py": 3}}'):
        (project.datmo / "cache/code/known.json").write_bytes(content)
        assert project.capture() == captured


def test_nothing_is_left_in_the_scratch_folder(project: Project) -> None:
    project.write(".datmoignore", "x\n")
    project.write(".gitattributes", "* text=auto\n")
    project.checkout(project.capture().code_id)
    assert os.listdir(project.datmo / "tmp") == []
