"""Every state and shape of repository that a project may lie in."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pygit2
import pytest
from pygit2.enums import ConfigLevel

from datmo.capture import code_scan
from datmo.capture.code import CodeRepository
from datmo.capture.code_repository import git_errors
from datmo.errors import CodeError
from tests.capture.code_support import PROJECT_ID, Project, git, repository, tree


def monorepo(tmp_path: Path) -> tuple[Path, Project]:
    """A project in a folder of a larger repository."""
    top = tmp_path / "mono"
    top.mkdir()
    git(top, "init", "-q")
    (top / "README").write_text("all of it\n")
    (top / ".gitignore").write_text("*.log\n")
    project = Project(top / "teams" / "vision")
    project.write("train.py", "print(1)\n")
    git(top, "add", "-A")
    git(top, "commit", "-qm", "first")
    return top, project


def test_without_git_the_code_goes_to_a_repository_in_datmos_folder(tmp_path: Path) -> None:
    project = Project(tmp_path / "plain")
    project.write("train.py", "print(1)\n")
    project.write("run.sh", "#!/bin/sh\n", 0o755)
    project.write(".gitignore", "*.log\n")
    project.write("a.log")
    captured = project.capture()
    assert (captured.own_repository, captured.base) == (True, None)
    assert project.checkout(captured.code_id).keys() == {"train.py", "run.sh", ".gitignore"}
    assert sorted(os.listdir(project.root)) == [".datmo", ".gitignore", "a.log", "run.sh", "train.py"]
    assert project.capture() == captured
    assert git(project.datmo / "code.git", "fsck", "--full", "--strict") == ""
    project.code.put_head(1, "aa")
    assert project.code.head() == (1, "aa")
    assert project.code.refs() == []


@pytest.mark.parametrize("asked", ["git", "libgit2"])
def test_without_git_what_python_and_notebooks_leave_is_no_code(
    tmp_path: Path, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if asked == "libgit2":
        monkeypatch.setattr(code_scan, "git_program", lambda: None)
    project = Project(tmp_path / "plain")
    project.write("train.py", "print(1)\n")
    before = project.capture()
    project.write("__pycache__/train.cpython-311.pyc", "1")
    project.write("sub/.ipynb_checkpoints/iris-checkpoint.ipynb", "{}")
    assert project.capture() == before
    if asked == "libgit2":  # which looks into no folder that one rule leaves out
        return
    project.write(".gitignore", "!__pycache__/\n")
    assert "__pycache__/train.cpython-311.pyc" in project.checkout(project.capture().code_id)


def test_a_project_without_any_file_can_be_captured(tmp_path: Path) -> None:
    project = Project(tmp_path / "plain")
    captured = project.capture()
    assert captured.tree == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    assert project.checkout(captured.code_id) == {}


def test_code_from_before_the_project_had_git_stays_within_reach(tmp_path: Path) -> None:
    project = Project(tmp_path / "plain")
    project.write("train.py", "print(1)\n")
    before = project.capture()
    project.code.put_head(1, "aa")
    project.git("init", "-q")
    project.commit()
    after = project.capture()
    assert (after.own_repository, after.tree) == (False, before.tree)
    assert project.checkout(before.code_id) == project.checkout(after.code_id) == tree(project.root)
    assert project.code.head() == (1, "aa")
    project.code.put_head(2, "bb")
    assert project.code.head() == (2, "bb")
    assert project.code.missing([before.code_id, after.code_id]) == []


def test_a_repository_without_commits(tmp_path: Path) -> None:
    project = Project(tmp_path / "new")
    project.git("init", "-q")
    project.write("train.py", "print(1)\n")
    captured = project.capture()
    assert (captured.base, captured.own_repository) == (None, False)
    assert project.checkout(captured.code_id) == tree(project.root)
    project.git("add", "-A")
    assert project.capture() == captured
    project.write("train.py", "print(2)\n")
    assert project.checkout(project.capture().code_id) == tree(project.root)


@pytest.mark.parametrize("failing", ["an old git", "a torn copy of the index"])
def test_a_git_that_cannot_say_what_has_changed_is_done_without(
    tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = repository(tmp_path / "project")
    project.write("train.py", "print(2)\n")
    captured = project.capture()
    if failing == "an old git":
        program = tmp_path / "bin" / "git"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\necho 'usage: git status' >&2\nexit 129\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    else:
        (copy,) = (project.datmo / "cache" / "code").glob("index-*")
        copy.write_bytes(b"")
    assert project.code.capture(project.store) == captured


def test_what_killed_captures_left_half_made_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = repository(tmp_path / "project")
    project.write("train.py", "print(2)\n")
    project.capture()
    cache = project.datmo / "cache" / "code"
    for name in ("copy-a1b2", "known-a1b2", "index-a1b2.lock"):
        (cache / name).touch()
    monkeypatch.setattr(code_scan, "_UNUSED_S", -60.0)  # all are that old
    project.git("add", "-A")
    project.capture()
    assert sorted(each.name[:6] for each in cache.iterdir()) == ["index-", "known."]


def test_a_copy_of_the_index_that_is_used_is_not_unused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = repository(tmp_path / "project")
    project.capture()
    (copy,) = (project.datmo / "cache" / "code").glob("index-*")
    made = copy.stat().st_ctime
    clock = tmp_path / "clock"
    clock.touch()
    while clock.stat().st_ctime == made:  # the file system's clock has ticks
        clock.touch()
    monkeypatch.setattr(code_scan, "run_git", lambda *_, **__: b"")  # git might write to it
    project.code.capture(project.store)
    assert copy.stat().st_ctime > made


def test_a_commit_that_git_replaces_is_read_as_it_is(tmp_path: Path) -> None:
    project = repository(tmp_path / "project")
    first = project.git("rev-parse", "HEAD")
    project.write("train.py", "print(2)\n")
    project.git("replace", project.commit(), first)
    project.git("reset", "-q", "--hard")
    assert project.git("status", "--porcelain") == ""
    assert project.checkout(project.capture().code_id) == tree(project.root)


def test_a_detached_head(tmp_path: Path) -> None:
    project = repository(tmp_path / "project")
    project.git("checkout", "-q", "--detach")
    assert project.capture().code_id == project.git("rev-parse", "HEAD")


@pytest.mark.parametrize("how", ["merge", "rebase", "cherry-pick"])
def test_in_the_middle_of_a_merge_the_work_tree_is_what_counts(tmp_path: Path, how: str) -> None:
    project = repository(tmp_path / "project")
    project.git("checkout", "-qb", "other")
    project.write("train.py", "theirs\n")
    project.write("both.txt", "theirs\n")
    project.commit()
    project.git("checkout", "-q", "main")
    project.write("train.py", "ours\n")
    (project.root / "lib/model.py").unlink()
    project.commit()
    command = ["git", "-c", "user.name=a", "-c", "user.email=b", how, "other"]
    assert subprocess.run(command, cwd=project.root, capture_output=True, check=False).returncode != 0
    captured = project.capture()
    there = project.checkout(captured.code_id)
    assert there == tree(project.root)
    assert b"<<<<<<<" in there["train.py"][1]


@pytest.mark.parametrize("program", [True, False])
def test_in_a_folder_of_a_larger_repository_only_that_folder_is_captured(
    tmp_path: Path, program: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    top, project = monorepo(tmp_path)
    (top / "README").write_text("edited outside of the project\n")
    (top / "new").write_text("outside, too")
    head = project.git("rev-parse", "HEAD")
    if not program:
        monkeypatch.setattr("datmo.capture.code_scan.git_program", lambda: None)
    captured = project.capture()
    assert (captured.code_id, captured.tree) == (head, project.git("rev-parse", "HEAD:teams/vision"))
    assert project.checkout(head) == tree(project.root)
    project.write("a.log", "ignored by the rules above")
    project.write("teams/new.py", "new")
    edited = project.capture()
    assert project.checkout(edited.code_id).keys() == {"train.py", "teams/new.py"}
    assert project.git("rev-parse", f"{edited.code_id}^{{tree}}") == edited.tree
    assert project.code.read_file(head, "train.py") == b"print(1)\n"
    assert project.code.resolve("HEAD") == captured._replace(notices=())


def test_a_commit_without_the_projects_folder_is_said_so(tmp_path: Path) -> None:
    top, project = monorepo(tmp_path)
    git(top, "checkout", "-q", "--orphan", "empty")
    git(top, "rm", "-rqf", "--cached", ".")
    git(top, "commit", "-q", "--allow-empty", "-m", "nothing")
    assert project.checkout(project.capture().code_id) == tree(project.root)
    with pytest.raises(CodeError, match="has no folder 'teams/vision/'"):
        project.code.resolve("HEAD")


def test_attributes_from_above_the_project_apply(tmp_path: Path) -> None:
    top, project = monorepo(tmp_path)
    (top / ".gitattributes").write_text("*.txt text eol=crlf\n")
    project.write("a.txt", b"a\r\n")
    captured = project.capture()
    assert project.git("cat-file", "-s", f"{captured.code_id}:a.txt") == "2"
    assert project.checkout(captured.code_id) == tree(project.root)
    git(top, "add", "-A")
    git(top, "commit", "-qm", "all")
    (top / ".gitattributes").write_text("* -text\n")
    assert project.checkout(project.git("rev-parse", "HEAD")) == tree(project.root)


def test_a_folder_that_its_repository_ignores_has_a_repository_of_its_own(tmp_path: Path) -> None:
    top, _ = monorepo(tmp_path)
    (top / ".gitignore").write_text("scratch/\n")
    project = Project(top / "scratch")
    project.write("train.py", "print(1)\n")
    captured = project.capture()
    assert captured.own_repository
    assert project.checkout(captured.code_id) == tree(project.root)


def test_a_linked_work_tree_shares_objects_and_refs(tmp_path: Path) -> None:
    first = repository(tmp_path / "first")
    first.git("worktree", "add", "-q", str(tmp_path / "second"), "-b", "side")
    second = Project(tmp_path / "second")
    assert (second.root / ".git").is_file()
    assert second.capture().code_id == second.git("rev-parse", "HEAD")
    second.write("train.py", "edited\n")
    captured = second.capture()
    assert second.checkout(captured.code_id) == tree(second.root)
    assert first.git("rev-parse", f"refs/datmo/{PROJECT_ID}/code/{captured.code_id}") == captured.code_id
    assert first.code.missing([captured.code_id]) == []
    assert first.git("fsck", "--full", "--strict") == ""


def with_submodule(tmp_path: Path) -> Project:
    repository(tmp_path / "library")
    project = repository(tmp_path / "project")
    project.git("submodule", "add", "-q", str(tmp_path / "library"), "vendor/lib")
    project.commit("with submodule")
    return project


def test_a_submodule_is_captured_as_its_commit_and_comes_back(tmp_path: Path) -> None:
    project = with_submodule(tmp_path)
    head = project.git("rev-parse", "HEAD")
    captured = project.capture()
    assert (captured.code_id, captured.notices) == (head, ())
    assert project.checkout(head) == tree(project.root)
    inner = project.root / "vendor/lib"
    (inner / "train.py").write_text("not committed\n")
    captured = project.capture()
    assert captured.code_id == head
    assert captured.notices == ("vendor/lib: has changes that are not committed there, left out",)
    git(inner, "commit", "-qam", "now committed")
    captured = project.capture()
    assert captured.code_id != head
    assert project.git("rev-parse", f"{captured.code_id}:vendor/lib") == git(inner, "rev-parse", "HEAD")
    assert project.checkout(captured.code_id) == tree(project.root)
    assert project.code.missing([captured.code_id]) == []


def test_a_submodule_that_is_not_there(tmp_path: Path) -> None:
    project = with_submodule(tmp_path)
    head = project.git("rev-parse", "HEAD")
    project.git("submodule", "deinit", "-f", "--all")
    assert project.capture().code_id == head
    assert "vendor/lib/train.py" in project.checkout(head)
    git(tmp_path, "clone", "-q", str(project.root), "clone")
    clone = Project(tmp_path / "clone")
    assert clone.capture().code_id == head
    (notice,) = clone.code.checkout(head, clone.datmo / "to", clone.store)
    assert notice.startswith("vendor/lib: its commit ")
    assert os.listdir(clone.datmo / "to" / "vendor" / "lib") == []
    (clone.root / "vendor/lib").rmdir()
    assert "vendor/lib" not in {path for path, _, _ in clone.code.files(clone.capture().code_id)}
    clone.write("vendor/lib", "a file in its place")
    assert clone.checkout(clone.capture().code_id)["vendor/lib"] == ("plain", b"a file in its place")


def test_a_nested_repository_is_captured_as_its_commit_with_a_notice(tmp_path: Path) -> None:
    project = repository(tmp_path / "project")
    repository(project.root / "nested")
    commit = git(project.root / "nested", "rev-parse", "HEAD")
    (project.root / "empty").mkdir()
    git(project.root / "empty", "init", "-q")
    (project.root / "empty" / "x").write_text("x")
    captured = project.capture()
    assert captured.notices == (
        "empty: a repository without commits, left out",
        f"nested: a repository of its own, captured as its commit {commit[:12]} only",
    )
    there = project.checkout(captured.code_id)
    assert there.keys() == {"train.py", "lib/model.py", "nested/train.py", "nested/lib/model.py"}


@pytest.fixture
def trusting_nobody(tmp_path: Path) -> Iterator[None]:
    """Whoever runs the tests may have told git to trust every folder."""
    paths = pygit2.settings.search_path
    before = {level: paths[level] for level in (ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL)}
    for level in before:
        paths[level] = os.fspath(tmp_path)
    yield
    for level, path in before.items():
        paths[level] = path


@pytest.mark.usefixtures("trusting_nobody")
def test_a_repository_of_another_user_is_refused_with_a_way_out(tmp_path: Path) -> None:
    project = repository(tmp_path / "project")
    if os.geteuid() == 0:
        for folder in (project.root, project.root / ".git"):
            os.chown(folder, 12345, 12345)
        with pytest.raises(CodeError) as caught:
            project.code.capture(project.store)
    else:
        # Only root can give files away: for others the error as libgit2 words it has to do.
        with pytest.raises(CodeError) as caught, git_errors(str(project.root)):
            raise pygit2.GitError(f"repository path '{project.root}' is not owned by current user")
    assert str(project.root) in caught.value.message
    assert caught.value.hint is not None
    assert "safe.directory" in caught.value.hint


def test_called_from_a_hook_of_git_nothing_of_its_environment_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, project = monorepo(tmp_path)
    expected = project.capture()
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "another"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_WORK_TREE", "/")
    assert project.code.capture(project.store) == expected


def test_a_moved_project_is_captured_as_before(tmp_path: Path) -> None:
    for project in (repository(tmp_path / "project"), Project(tmp_path / "plain")):
        project.write("new.py", "x")
        before = project.capture()
        moved = project.root.rename(project.root.with_name(f"{project.root.name}-moved"))
        code = CodeRepository(moved, moved / ".datmo", PROJECT_ID)
        assert code.capture(project.store) == before
        code.checkout(before.code_id, tmp_path / f"to-{moved.name}", project.store)
        assert tree(tmp_path / f"to-{moved.name}") == tree(moved)


def test_a_project_reached_through_a_link(tmp_path: Path) -> None:
    project = repository(tmp_path / "project")
    (tmp_path / "link").symlink_to(project.root)
    code = CodeRepository(tmp_path / "link", tmp_path / "link/.datmo", PROJECT_ID)
    project.write("train.py", "edited")
    assert code.capture(project.store) == project.capture()
