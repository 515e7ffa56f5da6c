"""Differences of plain values: of what is alike nothing is said."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datmo.core.differences import FileChange, file_changes, package_changes, text_change, value_changes


def test_values_that_differ_are_named_with_their_delta() -> None:
    before = {"lr": 0.1, "gone": 1, "same": [1], "nan": math.nan, "flag": 1, "name": "a"}
    after = {"lr": 0.2, "new": 2, "same": [1], "nan": math.nan, "flag": True, "name": "b"}
    changes = {change.key: (change.kind, change.delta) for change in value_changes(before, after)}
    assert changes == {
        "lr": ("changed", 0.1),
        "gone": ("removed", None),
        "new": ("added", None),
        "flag": ("changed", None),
        "name": ("changed", None),
    }


def test_packages_are_compared_by_name_whatever_its_case() -> None:
    (change,) = package_changes(["NumPy==1.0", "torch==2.0"], ["numpy==2.0", "torch==2.0"])
    assert change == ("numpy", "changed", "1.0", "2.0")


def test_packages_that_are_not_known_are_not_called_removed() -> None:
    assert package_changes(["torch==2.0"], []) == package_changes([], ["torch==2.0"]) == ()


def test_files_are_compared_by_content_mode_and_path() -> None:
    before = {"a": ("x", 0o644, 1), "b": ("y", 0o644, 2), "c": ("z", 0o644, 3), "d": ("w", 0o644, 4)}
    after = {"a": ("x", 0o755, 1), "b": ("x", 0o644, 1), "e": ("z", 0o644, 3), "d": ("w", 0o644, 4)}
    assert file_changes(before, after) == (
        FileChange("a", "mode", 1, 1),
        FileChange("b", "changed", 2, 1),
        FileChange("c", "removed", 3, None),
        FileChange("e", "added", None, 3),
    )


@pytest.mark.parametrize(("before", "after"), [(b"a\0b", b"text"), (None, b"text"), (b"text", None)])
def test_what_is_no_text_or_was_not_read_has_no_lines(before: bytes | None, after: bytes | None) -> None:
    change = text_change("model.bin", "changed", before, after)
    assert (change.added, change.removed, change.patch) == (None, None, "")


LINES = st.lists(st.sampled_from(["a", "b", "", "\x0c", "c d"]), max_size=8)


@given(LINES, LINES, st.booleans(), st.booleans())
def test_a_patch_is_what_the_patch_program_applies(
    tmp_path_factory: pytest.TempPathFactory, one: list[str], other: list[str], one_ends: bool, other_ends: bool
) -> None:
    before, after = (
        "\n".join(lines) + "\n" * (bool(lines) and ends) for lines, ends in ((one, one_ends), (other, other_ends))
    )
    change = text_change("train.py", "changed", before.encode(), after.encode())
    if before == after:
        assert (change.added, change.removed) == (0, 0)
        return
    folder: Path = tmp_path_factory.mktemp("patch")
    (folder / "train.py").write_bytes(before.encode())
    done = subprocess.run(
        ["git", "apply", "--unidiff-zero", "-"],
        cwd=folder,
        input=change.patch.encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "train.py").read_bytes() == after.encode()
