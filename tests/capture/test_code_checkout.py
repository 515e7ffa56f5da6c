"""A checkout writes into its folder and nowhere else, whatever a tree may say; and all of it comes back."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datmo.capture import code_scan
from datmo.capture.code_commit import compose
from datmo.capture.code_program import git_program
from datmo.capture.manifest import FileEntry
from datmo.errors import CodeError
from tests.capture.code_support import Project, git, repository, tree


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return repository(tmp_path / "project")


def hostile(project: Project, *entries: tuple[int, bytes, str]) -> str:
    """The id of a tree with any names at all."""
    data = b"".join(b"%o %s\0%s" % (mode, name, bytes.fromhex(oid)) for mode, name, oid in entries)
    return git(project.root, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=data)


def commit(project: Project, tree_id: str, *large: FileEntry) -> str:
    data = compose(bytes.fromhex(tree_id), large)
    return git(project.root, "hash-object", "-t", "commit", "-w", "--stdin", stdin=data)


def blob(project: Project, content: bytes) -> str:
    return git(project.root, "hash-object", "-w", "--stdin", stdin=content)


@pytest.mark.parametrize("name", [b"..", b".", b".git", b".GIT", b"a/b", b"../escaped"])
def test_a_name_that_would_lead_elsewhere_is_refused(project: Project, tmp_path: Path, name: bytes) -> None:
    inner = hostile(project, (0o100644, b"config", blob(project, b"evil")))
    for entry in ((0o100644, name, blob(project, b"evil")), (0o40000, name, inner)):
        code_id = commit(project, hostile(project, entry))
        with pytest.raises(CodeError, match="cannot be written safely"):
            project.code.checkout(code_id, tmp_path / "inside/to", project.store)
    assert sorted(os.listdir(tmp_path)) == ["inside", "project"]
    assert os.listdir(tmp_path / "inside") == []


def test_a_link_and_a_folder_of_the_same_name_lead_nowhere(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    inner = hostile(project, (0o100644, b"evil", blob(project, b"evil")))
    link = blob(project, os.fsencode(outside))
    code_id = commit(project, hostile(project, (0o120000, b"a", link), (0o40000, b"a", inner)))
    project.code.checkout(code_id, tmp_path / "to", project.store)
    assert os.listdir(outside) == []


@pytest.mark.parametrize("path", ["link/evil", "../evil", "/evil", "a//evil", ".git/config", "a/../../evil"])
def test_a_large_file_cannot_be_led_elsewhere(project: Project, tmp_path: Path, path: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    entry = FileEntry(path, project.store.put_bytes(b"evil"), 4, 0o644, "project")
    link = hostile(project, (0o120000, b"link", blob(project, os.fsencode(outside))))
    with pytest.raises(CodeError):
        project.code.checkout(commit(project, link, entry), tmp_path / "to", project.store)
    assert os.listdir(outside) == []
    assert sorted(os.listdir(tmp_path)) == ["outside", "project"]


def test_a_large_file_with_special_bits_is_refused(project: Project, tmp_path: Path) -> None:
    entry = FileEntry("tool", project.store.put_bytes(b"evil"), 4, 0o4755, "project")
    code_id = commit(project, project.git("rev-parse", "HEAD^{tree}"), entry)
    with pytest.raises(CodeError, match="mode 4755"):
        project.code.checkout(code_id, tmp_path / "to", project.store)


def test_a_folder_that_is_not_empty_is_not_written_into(project: Project, tmp_path: Path) -> None:
    head = project.git("rev-parse", "HEAD")
    (tmp_path / "to").mkdir()
    project.code.checkout(head, tmp_path / "to", project.store)
    before = tree(tmp_path / "to")
    with pytest.raises(CodeError, match="is not empty"):
        project.code.checkout(head, tmp_path / "to", project.store)
    assert tree(tmp_path / "to") == before
    with pytest.raises(CodeError, match="cannot be made"):
        project.code.checkout(head, project.root / "train.py", project.store)


def test_a_commit_in_a_form_of_the_future_is_refused(project: Project, tmp_path: Path) -> None:
    data = compose(bytes.fromhex(project.git("rev-parse", "HEAD^{tree}")), ()).replace(b"code 1", b"code 2")
    code_id = git(project.root, "hash-object", "-t", "commit", "-w", "--stdin", stdin=data)
    with pytest.raises(CodeError, match="'datmo code 2'") as caught:
        project.code.checkout(code_id, tmp_path / "to", project.store)
    assert caught.value.hint == "upgrade datmo"


def test_a_users_commit_is_never_taken_for_one_of_ours(project: Project) -> None:
    message = 'datmo code 1\n\nlarge ["../evil","00",1,420]\n'
    project.git("commit", "-q", "--amend", "-m", message)
    assert project.code.resolve("HEAD").large == ()


names = st.text(st.sampled_from("ab.é\udcff -\n"), min_size=1, max_size=4).filter(
    lambda name: name not in {".", ".."} and not name.startswith(".git")
)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
contents = st.one_of(
    st.sampled_from([b"", b"a\r\nb\r\n", b"a\nb\n", b"a\r\nb\n\r", b"\0\r\n", b"x" * 200]), st.binary(max_size=30)
)
entries = st.tuples(st.sampled_from(["plain", "executable", "link"]), contents)
attributes = st.sampled_from([None, "* text=auto\n", "*a text eol=crlf\n", "*b text\n", "* -text\n"])


@settings(max_examples=25)
@given(
    committed=st.dictionaries(paths, entries, max_size=5),
    edited=st.dictionaries(paths, entries, max_size=5),
    rules=attributes,
    with_git=st.booleans(),
)
def test_any_tree_comes_back_to_the_byte_and_has_one_id(
    committed: dict[str, tuple[str, bytes]],
    edited: dict[str, tuple[str, bytes]],
    rules: str | None,
    with_git: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder) / "project", size_limit=150)
        if with_git:
            project.git("init", "-q")
            put(project, committed)
            if rules is not None:
                project.write(".gitattributes", rules)
            project.commit()
            # Files that git takes to be unchanged come back as git checks them out.
            project.git("rm", "-rq", "--cached", "--ignore-unmatch", ".")
            project.git("reset", "-q", "--hard")
        put(project, edited)
        if rules is not None:
            project.write(".gitattributes", rules)
        captured = project.capture()
        assert project.checkout(captured.code_id) == tree(project.root)
        assert project.capture() == captured
        twin = Project(Path(folder) / "twin", size_limit=150)
        put(twin, tree(project.root))
        ours = twin.capture()
        assert twin.checkout(ours.code_id) == tree(project.root)
        if captured.code_id != captured.base and not committed:
            assert (ours.tree, ours.large, ours.code_id) == (captured.tree, captured.large, captured.code_id)


patterns = st.lists(
    st.tuples(st.sampled_from(["", "!", "/", "!/"]), st.text("ab*?/[]", min_size=1, max_size=4))
    .map("".join)
    # Of lines of nothing but slashes libgit2 thinks otherwise, and dies of some; of any folder it thinks any file.
    .filter(lambda line: line.strip("!/") and not re.fullmatch(r"!?/?(\*+/)+", line)),
    max_size=3,
).map(lambda lines: "".join(f"{line}\n" for line in lines))
plain_paths = st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=3).map("/".join)


@settings(max_examples=25)
@given(
    committed=st.sets(plain_paths, max_size=4),
    untracked=st.sets(plain_paths, max_size=4),
    rules=st.dictionaries(st.sampled_from(["", "a/", "b/a/"]), patterns, max_size=2),
    removed=st.sets(plain_paths, max_size=2),
)
def test_libgit2_git_and_a_user_agree_on_what_is_ignored(
    committed: set[str], untracked: set[str], rules: dict[str, str], removed: set[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        project = Project(Path(folder) / "project")
        project.git("init", "-q")
        put(project, dict.fromkeys(committed, ("plain", b"1")))
        project.commit()
        put(project, dict.fromkeys(untracked, ("plain", b"2")))
        put(project, {f"{place}.gitignore": ("plain", text.encode()) for place, text in rules.items()})
        for path in removed:
            if (project.root / path).is_file():
                (project.root / path).unlink()
        trees = []
        for program in (git_program, lambda: None):
            patch.setattr(code_scan, "git_program", program)
            trees.append(project.capture().tree)
        project.git("add", "-A")
        assert trees == [project.git("write-tree")] * 2


def put(project: Project, files: dict[str, tuple[str, bytes]]) -> None:
    """Write what can be: a path below a file, or one that is a folder, is passed over."""
    for path, (kind, content) in files.items():
        place = project.root / path
        if any(parent.is_symlink() or parent.is_file() for parent in place.parents):
            continue
        if os.path.lexists(place):
            if place.is_dir() and not place.is_symlink():
                continue
            place.unlink()
        if kind != "link":
            project.write(path, content, 0o755 if kind == "executable" else 0o644)
        elif (target := content.replace(b"\0", b"")) != b"":
            place.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(target, os.fsencode(place))
