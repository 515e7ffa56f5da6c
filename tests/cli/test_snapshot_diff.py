"""`datmo snapshot diff`, for people and for programs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio


@pytest.fixture
async def two(run: Datmo, project: Path) -> tuple[str, str]:
    """Two snapshots between which config and code change."""
    first = (
        await run(
            "snapshot", "create", "-m", "first", "--config", "lr:0.1", "--stats", "f1:0.5", "--stats", "accuracy:0.9"
        )
    ).id
    (project / "train.py").write_text("print('accuracy: 0.95')\n\x1b[2J\n")
    second = (
        await run("snapshot", "create", "-m", "second", "--config", "lr:0.2", "--config", "n:3", "--stats", "f1:0.25")
    ).id
    return first, second


async def test_the_page_says_what_differs(run: Datmo, two: tuple[str, str]) -> None:
    done = await run("snapshot", "diff", *two)
    assert [re.sub(r", (now|\d+ s ago)$", ", then", line) for line in done.out.splitlines()] == [
        f"- {two[0][:4]}  first, then",
        f"+ {two[1][:4]}  second, then",
        "",
        "config",
        "  ~ lr  0.1 → 0.2",
        "  + n   3",
        "stats",
        "  - accuracy  0.9",
        "  ~ f1        0.5 → 0.25  (-0.25, -50.0%)",
        "code",
        "  ~ train.py  +2 -1",
    ]
    assert "`--code` shows" in done.err


async def test_the_codes_changes_line_by_line_or_counted(run: Datmo, two: tuple[str, str]) -> None:
    shown = (await run("snapshot", "diff", *two, "--code")).out
    assert "-print('accuracy: 0.9')\n+print('accuracy: 0.95')\n" in shown
    assert "\x1b" not in shown
    assert (await run("snapshot", "diff", *two, "--stat")).out == "~ train.py  +2 -1\n"
    assert (await run("snapshot", "diff", *two, "--stat", "--code")).code == 2
    await run("snapshot", "create", "-m", "of the same code", "--label", "same", "--config", "lr:0.3")
    done = await run("snapshot", "diff", two[1], "same", "--stat")
    assert (done.out, done.err) == ("", "the code does not differ\n")


async def test_a_patch_keeps_the_indentation_of_the_code(run: Datmo, project: Path) -> None:
    (project / "train.py").write_text("def f(x):\n    return  x\n")
    first = (await run("snapshot", "create", "-m", "first")).id
    (project / "train.py").write_text("def f(x):\n    if x:\n        return  x\n")
    shown = (await run("snapshot", "diff", first, "--code")).out
    assert "-    return  x\n+    if x:\n+        return  x\n" in shown


async def test_an_environment_of_many_lines_is_counted_and_it_is_said_what_shows_it(run: Datmo, project: Path) -> None:
    (project / "requirements.txt").write_text("numpy\n")
    first = (await run("snapshot", "create", "-m", "first")).id
    (project / "requirements.txt").write_text("numpy>=2\n")
    short = (await run("snapshot", "diff", first)).out
    assert "  -numpy\n  +numpy>=2\n" in short
    assert "environment diff" not in short
    (project / "requirements.txt").write_text("".join(f"package{number}\n" for number in range(50)))
    second = (await run("snapshot", "create", "-m", "second")).id
    shown = (await run("snapshot", "diff", first, second)).out
    assert "  ~ requirements.txt  +50 -1\n" in shown
    hint = next(line for line in shown.splitlines() if "environment diff" in line)
    assert "package49" in (await run(*hint.split("`")[1].split()[1:])).out


async def test_the_document(run: Datmo, two: tuple[str, str]) -> None:
    found = (await run("snapshot", "diff", *two, "--format", "json")).json
    assert set(found) == {
        "first", "second", "same", "config", "stats", "packages", "files", "code", "definitions", "environment",
    }  # fmt: skip
    assert (found["first"], found["second"], found["same"]) == (*two, False)
    assert found["config"][0] == {"key": "lr", "kind": "changed", "before": 0.1, "after": 0.2, "delta": 0.1}
    assert found["code"][0]["path"] == "train.py"


async def test_what_is_alike_is_said(run: Datmo, two: tuple[str, str]) -> None:
    done = await run("snapshot", "diff", two[0], two[0])
    assert (done.out, done.err) == ("", "nothing differs but their words\n")


async def test_of_one_snapshot_and_the_folder(run: Datmo, project: Path, two: tuple[str, str]) -> None:
    assert (await run("snapshot", "diff", two[1])).err == "nothing has changed\n"
    done = await run("snapshot", "diff", two[0], "--code")
    assert "-print('accuracy: 0.9')\n+print('accuracy: 0.95')\n" in done.out
    assert (await run("snapshot", "diff", two[0], "--stat")).out == "~ train.py  +2 -1\n"
    found = (await run("snapshot", "diff", two[0], "--format", "json")).json
    assert (found["first"], found["second"], found["same"]) == (two[0], None, False)
