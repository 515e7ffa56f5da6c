"""Round trips on random projects: a snapshot, a scrambled tree, the checkout, and the way back, exact to the bit.

`DATMO_ROUND_TRIPS` says how many projects are tried of each kind.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import datmo.aio
from datmo.errors import Refused
from tests.api.conftest import run_git
from tests.api.trees import git_state, listed

ROUND_TRIPS = int(os.environ.get("DATMO_ROUND_TRIPS", "6"))

# Few names, so that files, folders and links take each other's places; one is not UTF-8, one is ignored now and then.
NAMES = st.sampled_from(["a", "b", "sub", os.fsdecode(b"caf\xe9"), "x.bin", "with space", "UPPER"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CONTENT = st.one_of(st.sampled_from([b"", b"one\n", b"two\r\n", b"\0\1\2"]), st.binary(max_size=40))
FILES = st.tuples(st.just("file"), CONTENT, st.sampled_from([0o644, 0o755, 0o600, 0o640, 0o711]))
LINKS = st.tuples(st.just("link"), st.sampled_from([b"a", b"sub", b"../elsewhere", b"/nowhere"]), st.just(0))
TREES = st.dictionaries(PATHS, st.one_of(FILES, FILES, LINKS), max_size=8)
RULES = st.sampled_from([None, b"*.bin\n", b"/sub/*\n!keep\n", b"*.txt text eol=crlf\n"])

Entry = tuple[str, bytes, int]


def fill(home: Path, tree: dict[str, Entry], rules: bytes | None) -> None:
    """Make the tree that was drawn; what finds something else in its place is left out."""
    if rules is not None:
        name = ".gitattributes" if b"eol" in rules else ".gitignore"
        (home / name).write_bytes(rules)
    for path, (kind, data, mode) in tree.items():
        place = home / path
        parents = [parent for parent in place.parents if home in parent.parents]
        if any(parent.is_symlink() or parent.is_file() for parent in parents) or os.path.lexists(place):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            os.symlink(data, os.fsencode(place))
        else:
            place.write_bytes(data)
            place.chmod(mode)


def clear(home: Path, paths: set[str]) -> None:
    """Remove files, and the folders that are empty then."""
    for path in paths:
        (home / path).unlink()
    for folder, _, _ in os.walk(home, topdown=False):
        inside = os.path.relpath(folder, home).split(os.sep)[0]
        if inside not in {".git", ".datmo", "."} and not os.listdir(folder):
            os.rmdir(folder)


def ignored(home: Path) -> set[str]:
    """What git ignores, as git says; where there is none, as it would."""
    git = home / ".git"
    if not git.exists():
        git = home.parent / "git"
        run_git(home.parent, "init", "-q", "--bare", str(git))
    command = ["git", f"--git-dir={git}", "--work-tree=.", "ls-files", "-z", "--others", "--ignored"]
    done = subprocess.run([*command, "--exclude-standard"], cwd=home, capture_output=True, check=True)
    return {path for path in os.fsdecode(done.stdout).split("\0") if path and not path.startswith(".datmo/")}


def modes_as_code(tree: dict[str, tuple[int, bytes]]) -> dict[str, tuple[int, bytes]]:
    """A tree as code keeps it: of the permissions only whether a file can be executed."""
    return {
        path: (stat.S_IFMT(mode) | (0o755 if mode & 0o100 else 0o644) if stat.S_ISREG(mode) else mode, data)
        for path, (mode, data) in tree.items()
    }


@pytest.mark.timeout(60 + 10 * ROUND_TRIPS)
@pytest.mark.parametrize(
    ("in_git", "size_limit"),
    [(True, "50M"), (False, "50M"), (True, "12")],
    ids=["git", "no git", "most files too large for git"],
)
def test_checkout_and_the_way_back_are_exact(in_git: bool, size_limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATMO_CODE_SIZE_LIMIT", size_limit)

    @settings(
        max_examples=ROUND_TRIPS,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # a project takes a second: shrinking would take many minutes
        suppress_health_check=list(HealthCheck),
    )
    @given(TREES, TREES, RULES, RULES, st.data())
    def round_trip(
        tree: dict[str, Entry], other: dict[str, Entry], rules: bytes | None, others: bytes | None, data: st.DataObject
    ) -> None:
        with TemporaryDirectory() as folder:
            home = Path(folder) / "project"
            home.mkdir()
            if in_git:
                run_git(home, "init", "-q", "-b", "main")
                run_git(home, "commit", "-q", "--allow-empty", "-m", "empty")
            fill(home, tree, rules)
            if in_git and data.draw(st.booleans(), "committed"):
                run_git(home, "add", "-A")
                run_git(home, "commit", "-q", "--allow-empty", "-m", "tree")
            (home.parent / "elsewhere").write_text("not ours")
            anyio.run(there_and_back, home, other, others, data, in_git)
            assert (home.parent / "elsewhere").read_text() == "not ours"

    round_trip()


async def there_and_back(
    home: Path, other: dict[str, Entry], rules: bytes | None, data: st.DataObject, in_git: bool
) -> None:
    """Snapshot, scramble, check out, go back, and again; the tree is compared each time."""
    tree = listed(home)
    left_out = ignored(home)
    kept = data.draw(st.sets(st.sampled_from(sorted(tree))) if tree else st.just(set[str]()), "kept as files")
    files = [home / path for path in sorted(kept) if not (home / path).is_symlink()]
    async with datmo.aio.init(home) as project:
        made = await project.snapshots.create("tree", filepaths=files or None)
        gone = data.draw(st.sets(st.sampled_from(sorted(tree))) if tree else st.just(set[str]()), "removed")
        clear(home, gone)
        changed = data.draw(
            st.sets(st.sampled_from(sorted(tree.keys() - gone))) if tree.keys() - gone else st.just(set())
        )
        for path in changed - {".gitignore", ".gitattributes"}:
            if not (home / path).is_symlink():
                (home / path).write_bytes(b"edited")
                (home / path).chmod(0o755)
        fill(home, other, rules)
        scrambled = listed(home)
        before = git_state(home) if in_git else {}
        hidden = ignored(home)
        exact = {path.relative_to(home).as_posix() for path in files}
        try:
            done = await project.snapshots.checkout(made.id)
        except Refused as error:
            if not hidden or "in the way" not in error.message:  # only what is ignored may be
                raise
            assert listed(home) == scrambled
            return
        after = listed(home)
        if not done.written + done.removed:
            assert after == scrambled
            return
        wanted = {path: entry for path, entry in tree.items() if path not in left_out or path in exact}
        assert_same({path: after.get(path) for path in wanted}, wanted, exact)
        assert after.keys() - wanted.keys() <= hidden | ignored(home), "only what is ignored stays beside it"
        assert {path: after[path] for path in after.keys() - wanted.keys()}.items() <= scrambled.items()
        await project.snapshots.checkout("-")
        assert_same(listed(home), scrambled, exact if done.saved is None else {*scrambled})
        await project.snapshots.checkout("-")
        assert_same(listed(home), after, exact)
        await project.snapshots.checkout("-")
        assert_same(listed(home), scrambled, exact)
        assert (git_state(home) if in_git else {}) == before
        assert (await project.log.verify()).ok


def assert_same(found: Mapping[str, object], wanted: dict[str, tuple[int, bytes]], exact: set[str]) -> None:
    """Compare trees: bytes, links and whether a file can be executed; all permissions of what is kept as files."""
    there = {path: entry for path, entry in found.items() if isinstance(entry, tuple)}
    assert there.keys() == wanted.keys()
    assert modes_as_code(there) == modes_as_code(wanted)
    assert {path: there[path] for path in exact & there.keys()} == {
        path: wanted[path] for path in exact & wanted.keys()
    }
