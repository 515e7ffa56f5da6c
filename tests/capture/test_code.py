"""What a capture takes, what it is known by, and what it leaves alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from datmo.capture import code_scan
from datmo.errors import CodeError
from tests.capture.code_support import PROJECT_ID, Project, repository, tree


@pytest.fixture(params=["libgit2", "git"])
def project(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Each of the two ways to scan."""
    if request.param == "libgit2":
        monkeypatch.setattr(code_scan, "git_program", lambda: None)
    return repository(tmp_path / "project")


def packs(project: Project) -> set[str]:
    return set(os.listdir(project.root / ".git" / "objects" / "pack"))


def test_a_clean_tree_has_heads_commit_as_its_code_id(project: Project) -> None:
    head = project.git("rev-parse", "HEAD")
    captured = project.capture()
    assert captured.code_id == captured.base == head
    assert captured.tree == project.git("rev-parse", "HEAD^{tree}")
    assert (captured.large, captured.notices, captured.own_repository) == ((), (), False)
    assert project.git("rev-parse", f"refs/datmo/{PROJECT_ID}/code/{head}") == head
    assert packs(project) == set()


def test_an_edit_gives_a_commit_of_its_own_and_comes_back_exactly(project: Project) -> None:
    project.write("train.py", "print('accuracy: 0.95')\n")
    project.write("new/notes.txt", "half done")
    captured = project.capture()
    assert captured.code_id != captured.base == project.git("rev-parse", "HEAD")
    assert project.checkout(captured.code_id) == tree(project.root)
    assert project.git("rev-list", "--parents", "-1", captured.code_id) == captured.code_id
    assert project.git("fsck", "--full", "--strict") == ""


def test_the_tree_is_the_one_that_git_would_make(project: Project, tmp_path: Path) -> None:
    project.write("train.py", "changed")
    project.write("a/b/c.txt", "deep")
    project.write("lib-x", "sorts before lib/ as git sorts")
    (project.root / "lib/model.py").unlink()
    captured = project.capture()
    os.environ["GIT_INDEX_FILE"] = str(tmp_path / "index")
    try:
        project.git("add", "-A")
        assert project.git("write-tree") == captured.tree
    finally:
        del os.environ["GIT_INDEX_FILE"]


def test_the_same_content_has_the_same_id_and_is_not_written_again(project: Project, tmp_path: Path) -> None:
    project.write("train.py", "changed\n")
    first = project.capture()
    before = packs(project)
    assert project.capture() == first
    project.write("train.py", "something else\n")
    project.write("train.py", "changed\n")
    assert project.capture() == first
    assert packs(project) == before
    elsewhere = Project(tmp_path / "elsewhere")
    for path in ("train.py", "lib/model.py"):
        elsewhere.write(path, (project.root / path).read_bytes())
    assert elsewhere.capture().code_id == first.code_id


def test_one_capture_is_one_pack(project: Project) -> None:
    for number in range(20):
        project.write(f"new/{number}.txt", f"{number}")
    project.capture()
    assert sorted(Path(name).suffix for name in packs(project)) == [".idx", ".pack"]


def test_what_was_staged_counts_by_the_work_tree(project: Project) -> None:
    project.write("staged.txt", "staged")
    project.write("train.py", "staged")
    project.write("gone.txt", "staged, then removed")
    project.git("add", "-A")
    project.git("rm", "-q", "--cached", "lib/model.py")
    project.write("train.py", "edited after that")
    (project.root / "gone.txt").unlink()
    assert project.checkout(project.capture().code_id) == tree(project.root)


def test_ignored_files_stay_out_by_every_rule_of_git(project: Project, tmp_path: Path) -> None:
    excludes = tmp_path / "excludes"
    excludes.write_text("by-user\n")
    project.git("config", "core.excludesFile", str(excludes))
    (project.root / ".git/info/exclude").write_text("by-info\n")
    project.write(".gitignore", "*.log\n!keep.log\n/build/\n")
    project.write("lib/.gitignore", "by-folder\n")
    for name in ("a.log", "build/x", "lib/by-folder", "by-info", "by-user", "lib/deep/b.log"):
        project.write(name)
    project.write("keep.log", "kept")
    project.write("lib/build/y", "kept")
    captured = project.checkout(project.capture().code_id)
    kept = {".gitignore", "keep.log", "lib/.gitignore", "lib/build/y", "lib/model.py", "train.py"}
    assert captured.keys() == kept


def test_a_tracked_file_is_captured_though_it_is_ignored(project: Project) -> None:
    project.write(".gitignore", "*.bin\n")
    project.write("model.bin", "v1")
    project.git("add", "-f", "model.bin")
    project.commit()
    project.write("model.bin", "v2")
    assert project.checkout(project.capture().code_id)["model.bin"] == ("plain", b"v2")


def test_datmoignore_leaves_out_tracked_and_untracked_files_and_says_so(project: Project) -> None:
    project.write("data/raw.csv", "1,2")
    project.write("data/keep.csv", "3")
    project.commit()
    project.write(".datmoignore", "data/*\n!data/keep.csv\n*.tmp\n!//\n!\\/\n")
    project.write("lib/.datmoignore", "/model.py\n")
    project.write("x.tmp")
    captured = project.capture()
    there = project.checkout(captured.code_id)
    assert there.keys() == {".datmoignore", "lib/.datmoignore", "data/keep.csv", "train.py"}
    assert captured.notices == ("data/raw.csv, lib/model.py, x.tmp: left out by .datmoignore",)
    assert project.capture() == captured
    project.write(".datmoignore", "")
    assert "data/raw.csv" in project.checkout(project.capture().code_id)


def test_datmos_own_folder_is_never_captured(project: Project, tmp_path: Path) -> None:
    (project.datmo / ".gitignore").unlink()
    captured = project.code.capture(project.store)
    assert captured.code_id == captured.base
    project.git("add", "-f", ".datmo")
    project.git("commit", "-qm", "by mistake")
    captured = project.code.capture(project.store)
    assert [path for path, _, _ in project.code.files(captured.code_id)] == ["lib/model.py", "train.py"]
    to = tmp_path / "commit"
    project.code.checkout(project.git("rev-parse", "HEAD"), to, project.store)
    assert tree(to).keys() == {"lib/model.py", "train.py"}
    assert not (to / ".datmo").exists()


def test_files_that_git_was_told_not_to_look_at_are_captured_as_they_are(project: Project) -> None:
    project.git("update-index", "--assume-unchanged", "train.py")
    project.git("update-index", "--skip-worktree", "lib/model.py")
    project.write("train.py", "edited in secret")
    project.write("lib/model.py", "edited in secret, too")
    assert project.checkout(project.capture().code_id) == tree(project.root)


def test_a_sparse_checkout_is_clean(project: Project) -> None:
    project.git("sparse-checkout", "set", "--no-cone", "/train.py")
    assert not (project.root / "lib").exists()
    captured = project.capture()
    assert captured.code_id == project.git("rev-parse", "HEAD")
    assert "lib/model.py" in project.checkout(captured.code_id)


@pytest.mark.parametrize("setting", ["split", "sparse", "v4"])
def test_every_form_of_git_index_is_understood(tmp_path: Path, setting: str) -> None:
    project = repository(tmp_path / "project")  # with git: without it, all but plain ones are refused
    if setting == "split":
        project.git("update-index", "--split-index")
    elif setting == "sparse":
        project.git("sparse-checkout", "set", "--cone", "--sparse-index", "data")
    else:
        project.git("update-index", "--index-version", "4")
    assert project.capture().code_id == project.git("rev-parse", "HEAD")
    project.write("train.py", "edited")
    there = project.checkout(project.capture().code_id)
    assert there["train.py"] == ("plain", b"edited")
    assert there["lib/model.py"] == ("plain", b"rate = 0.1\n")


def test_intent_to_add_is_an_untracked_file(project: Project) -> None:
    project.write("empty.txt")
    project.write("planned.txt", "x")
    project.git("add", "-N", "empty.txt", "planned.txt")
    assert project.checkout(project.capture().code_id) == tree(project.root)


def test_unchanged_files_are_not_read_again(project: Project) -> None:
    """Bytes that change behind every timestamp's back are the only way to see it: a file nobody may read."""
    project.write("untracked.txt", "as it was")
    place = project.root / "untracked.txt"
    os.utime(place, (1_500_000_000, 1_500_000_000))
    captured = project.capture()
    subprocess.run([sys.executable, "-c", "import time; time.sleep(0.05)"], check=True)
    assert project.code.capture(project.store) == captured
    reads = _opened(project, "untracked.txt", "train.py")
    assert reads == 0


def _opened(project: Project, *names: str) -> int:
    """How often a capture in a process of its own opens files of these names."""
    script = (
        "import sys; from pathlib import Path\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, given: event == 'open' and opened.append(str(given[0])))\n"
        "from datmo.capture.code import CodeRepository; from datmo.objects.store import ObjectStore\n"
        "root = Path(sys.argv[1]); code = CodeRepository(root, root / '.datmo', sys.argv[2])\n"
        "code.capture(ObjectStore(root / '.datmo/objects'))\n"
        "print(sum(path.endswith(tuple(sys.argv[3:])) for path in opened))\n"
    )
    command = [sys.executable, "-c", script, str(project.root), PROJECT_ID, *names]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def test_an_edit_in_the_same_instant_as_a_capture_is_seen(project: Project) -> None:
    for number in range(20):
        place = project.write("quick.txt", f"{number:04}")
        os.utime(place, (1_500_000_000, 1_500_000_000))
        captured = project.code.capture(project.store)
        assert project.code.read_file(captured.code_id, "quick.txt") == f"{number:04}".encode()


def test_a_pipe_is_left_out_without_waiting_for_its_other_end(project: Project) -> None:
    os.mkfifo(project.root / "pipe")
    (project.root / "train.py").unlink()
    os.mkfifo(project.root / "train.py")
    captured = project.capture()
    assert project.checkout(captured.code_id).keys() == {"lib/model.py"}
    assert "train.py: neither a file nor a link, left out" in captured.notices


def test_no_identity_hook_or_signature_of_the_users_is_needed(project: Project) -> None:
    for name in ("pre-commit", "reference-transaction", "post-index-change", "post-checkout"):
        hook = project.write(f".git/hooks/{name}", '#!/bin/sh\ntouch ../ran "$0.ran"\nexit 1\n', 0o755)
        assert hook.exists()
    project.git("config", "commit.gpgSign", "true")
    project.git("config", "user.useConfigOnly", "true")
    project.write("train.py", "edited")
    captured = project.capture()
    project.checkout(captured.code_id)
    assert not list((project.root / ".git/hooks").glob("*.ran"))


def test_a_commit_is_found_by_any_name_and_kept(project: Project) -> None:
    first = project.git("rev-parse", "HEAD")
    project.git("tag", "-a", "v1", "-m", "release")
    project.write("train.py", "second")
    second = project.commit()
    for name in (first, first[:10], "v1", "HEAD~1"):
        found = project.code.resolve(name)
        assert (found.code_id, found.base) == (first, first)
        assert found.tree == project.git("rev-parse", f"{first}^{{tree}}")
    assert project.code.resolve("main").code_id == second
    assert f"refs/datmo/{PROJECT_ID}/code/{first}" in project.code.refs()
    project.write("train.py", "third")
    captured = project.capture()
    assert project.code.resolve(captured.code_id) == captured._replace(base=None)


@pytest.mark.parametrize("name", ["", "nope", "f" * 40, "f" * 39, "HEAD:train.py", "HEAD^{tree}", "--all", "\udcff"])
def test_an_unknown_commit_is_named(project: Project, name: str) -> None:
    with pytest.raises(CodeError) as caught:
        project.code.resolve(name)
    assert repr(name) in caught.value.message


def test_files_are_listed_in_order_and_read(project: Project) -> None:
    project.write("run.sh", "#!/bin/sh\n", 0o755)
    (project.root / "link").symlink_to("train.py")
    captured = project.capture()
    listed = list(project.code.files(captured.code_id))
    assert [(path, oct(mode)) for path, mode, _ in listed] == [
        ("lib/model.py", "0o100644"),
        ("link", "0o120000"),
        ("run.sh", "0o100755"),
        ("train.py", "0o100644"),
    ]
    assert listed[-1][2].hex() == project.git("hash-object", "train.py")
    assert project.code.read_file(captured.code_id, "run.sh") == b"#!/bin/sh\n"
    assert project.code.open_file(captured.code_id, "link", project.store).read() == b"train.py"
    for path in ("lib", "no", "lib/no", "train.py/no"):
        assert project.code.read_file(captured.code_id, path) is None
    with pytest.raises(CodeError, match="no file 'no'"):
        project.code.open_file(captured.code_id, "no", project.store)


def test_importing_the_room_does_not_import_pygit2() -> None:
    script = "import sys, datmo.capture; sys.exit('pygit2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_edits_of_every_kind_at_once_make_the_tree_that_git_makes_later(project: Project) -> None:
    for number in range(10):
        project.write(f"many/{number}.txt", f"{number}")
    project.commit()
    project.write("many/1.txt", "edited")
    (project.root / "many/2.txt").unlink()
    project.write("many/new name.txt", "new")
    project.git("rm", "-q", "--cached", "many/3.txt")
    project.git("mv", "many/4.txt", "moved.txt")
    project.write("many/5.txt", "staged")
    project.git("add", "many/5.txt")
    (project.root / "many/6.txt").unlink()
    project.write("many/6.txt/now a folder.txt", "6")
    (project.root / "lib/model.py").unlink()
    (project.root / "lib").rmdir()
    project.write("lib", "now a file")
    captured = project.capture()
    assert project.checkout(captured.code_id) == tree(project.root)
    project.git("add", "-A")
    assert project.capture() == captured
    project.git("commit", "-qm", "all of it")
    again = project.capture()
    assert (again.code_id, again.tree) == (project.git("rev-parse", "HEAD"), captured.tree)
