"""What git ignores is left out of a capture, and nothing else: links to folders and rules for folders above all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datmo.capture import code_scan
from tests.capture.code_support import Project, repository, tree

KINDS = ("nothing", "file", "folder", "link to a folder", "link to a file", "broken link")
PLACES = ("data", "sub/data", "sub/other", "top")
FOR_ALL = (
    "data", "data/", "/data/", "data/*", "!data", "!data/", "sub/", "sub/data/", "*", "!sub/", "d*/", "*a",
    "*/", "/*/", "!*/", "**/", "**/*/",
)  # fmt: skip
FOR_GIT = ("//",)
"""What libgit2 takes for a rule about everything: git alone reads it in a repository of the user's."""


@pytest.fixture(params=["git", "libgit2"])
def rules(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Each of the two ways to scan, and the rules that it reads right."""
    if request.param == "git":
        return FOR_ALL + FOR_GIT
    monkeypatch.setattr(code_scan, "git_program", lambda: None)
    return FOR_ALL


def lay_out(project: Project, kinds: dict[str, str]) -> None:
    """Put something of a kind into each place; what links lead to lies outside."""
    big, file = project.root.parent / "big", project.root.parent / "file"
    big.mkdir(exist_ok=True)
    (big / "inside").write_text("1")
    file.write_text("2")
    (project.root / "sub").mkdir(exist_ok=True)
    targets = {"link to a folder": big, "link to a file": file, "broken link": big / "gone"}
    for place, kind in kinds.items():
        if kind in targets:
            (project.root / place).symlink_to(targets[kind])
        elif kind == "folder":
            project.write(f"{place}/x.csv", place)
        elif kind == "file":
            project.write(place, place)


def unignored(project: Project) -> set[str]:
    """What git has or would add."""
    listed = project.git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    shown = project.git("status", "--porcelain", "-z", "--ignored", "--untracked-files=all").split("\0")
    ignored = [line[3:].rstrip("/") for line in shown if line.startswith("!! ")]
    found = {path for path in listed if path}
    assert not found & set(ignored), "git contradicts itself"
    return found


def test_random_links_and_rules_are_captured_as_git_would(
    tmp_path_factory: pytest.TempPathFactory, rules: tuple[str, ...]
) -> None:
    lines = st.lists(st.sampled_from(rules), max_size=3)

    @settings(max_examples=25)
    @given(st.fixed_dictionaries({place: st.sampled_from(KINDS) for place in PLACES}), lines, lines, st.booleans())
    def check(kinds: dict[str, str], above: list[str], below: list[str], tracked: bool) -> None:
        project = repository(tmp_path_factory.mktemp("ignored") / "project")
        lay_out(project, kinds)
        if tracked:
            project.git("add", "-f", "--", "sub" if any((project.root / "sub").iterdir()) else "lib")
        project.write(".gitignore", "".join(f"{line}\n" for line in above))
        project.write("sub/.gitignore", "".join(f"{line}\n" for line in below))
        captured = project.checkout(project.capture().code_id)
        assert captured == {path: what for path, what in tree(project.root).items() if path in unignored(project)}

    check()


@pytest.mark.parametrize("git", [True, False])
def test_a_rule_that_takes_back_what_one_above_takes_is_heeded(
    tmp_path: Path, git: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not git:
        monkeypatch.setattr(code_scan, "git_program", lambda: None)
    project = repository(tmp_path / "project")
    project.write(".gitignore", "data\n!x\n*.bin\n")
    project.write("sub/.gitignore", "!data\n!kept.*\n")
    for path in ("data", "sub/data", "kept.bin", "sub/kept.bin", "sub/other.bin"):
        project.write(path, "rows\n")
    captured = project.checkout(project.capture().code_id)
    assert {"sub/data", "sub/kept.bin"} <= captured.keys()
    assert not {"data", "kept.bin", "sub/other.bin"} & captured.keys()


@pytest.mark.parametrize("git", [True, False])
def test_a_link_to_a_folder_is_no_folder_to_a_rule_and_comes_back(
    tmp_path: Path, git: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not git:
        monkeypatch.setattr(code_scan, "git_program", lambda: None)
    project = repository(tmp_path / "project")
    lay_out(project, {"data": "link to a folder"})
    project.write(".gitignore", "data/\n")
    captured = project.checkout(project.capture().code_id)
    assert captured["data"] == ("link", os.fsencode(tmp_path / "big"))


@pytest.mark.parametrize("place", ["repository", "linked work tree", "no repository"])
@pytest.mark.parametrize(
    ("rule", "below"),
    [("*/", set()), ("/*/\n!/sub/", {"sub/data/x.csv"}), ("*.csv\n!*/", {"hidden/.gitignore"})],
)
def test_without_a_git_program_a_rule_for_any_folder_hides_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, rule: str, below: set[str]
) -> None:
    project = Project(tmp_path / "project") if place == "no repository" else repository(tmp_path / "project")
    if place == "linked work tree":
        project.git("worktree", "add", "-q", str(tmp_path / "linked"))
        project = Project(tmp_path / "linked")
    lay_out(project, {"data": "link to a folder", "sub/data": "folder", "top": "file"})
    project.write(".gitignore", f"{rule}\n")
    project.write("hidden/.gitignore", "*/\n!.gitignore\n")
    monkeypatch.setattr(code_scan, "git_program", lambda: None)
    captured = project.checkout(project.capture().code_id).keys()
    assert captured - {"train.py", "lib/model.py"} == {"data", "top", ".gitignore"} | below


def test_without_git_the_same_holds(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    lay_out(project, {"data": "link to a folder", "sub/data": "folder", "top": "file"})
    project.write(".gitignore", "data/\n")
    assert project.checkout(project.capture().code_id).keys() == {"data", "top", ".gitignore"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with something in each place."""
    project = repository(tmp_path / "project")
    lay_out(project, {"data": "link to a folder", "sub/data": "folder", "top": "file"})
    return project


@pytest.mark.parametrize(
    ("rule", "left_out"),
    [
        ("data/", {"sub/data/x.csv"}),
        ("data", {"data", "sub/data/x.csv"}),
        ("*/", {"sub/data/x.csv", "lib/model.py"}),
        ("/*/\n!/lib/", {"sub/data/x.csv"}),
        ("**/\n!/lib/", {"sub/data/x.csv"}),
        ("//", set()),
    ],
)
def test_our_own_rules_mean_what_gits_mean(project: Project, rule: str, left_out: set[str]) -> None:
    project.write(".datmoignore", f"{rule}\n")
    assert tree(project.root).keys() - project.checkout(project.capture().code_id).keys() == left_out
