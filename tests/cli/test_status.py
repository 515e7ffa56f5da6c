"""`datmo status`: which snapshot the folder is, and what has changed since."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio


async def test_what_has_changed_is_shown(run: Datmo, project: Path) -> None:
    assert "\nchanged " not in (await run("status")).out
    made = (await run("snapshot", "create", "-m", "first", "--filepaths", "train.py")).id
    assert "\nchanged    nothing\n" in (await run("status")).out
    (project / "train.py").write_text("print(2)\n")
    for number in range(5):
        (project / f"new{number}.py").write_text("new\n")
    (project / "config.json").write_text('{"lr": 0.1}')
    (project / "requirements.txt").write_text("numpy\n")
    lines = (await run("status")).out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("changed"))
    assert lines[start : start + 3] == [
        "changed    code: + config.json, + new0.py, + new1.py, + new2.py and 4 more",
        "           files: ~ train.py",
        "           config: + lr",
    ]
    assert lines[start + 3].startswith("           environment: ")
    found = (await run("status", "--format", "json")).json
    assert found["snapshot"]["id"] == made
    assert {"path": "train.py", "kind": "changed"} in found["changes"]["code"]
    (lr,) = found["changes"]["config"]
    assert lr == {"key": "lr", "kind": "added", "before": None, "after": 0.1, "delta": None}
    assert (await run("status", "--format", "json", "--no-changes")).json["changes"] is None


async def test_what_ran_last_is_shown_with_what_came_of_it(run: Datmo, project: Path) -> None:
    assert "\nended " not in (await run("status")).out
    await run("task", "run", "false", "echo accuracy: 0.9", "true b", "true c", "-j", "1")
    page = (await run("status")).out
    lines = page[page.index("\nended ") + 1 :].splitlines()
    ids = [each["id"] for each in (await run("status", "--format", "json")).json["ended"]]
    assert [line[11:15] for line in lines] == [each[:4] for each in ids]
    assert [line.split()[-2:] for line in lines] == [["true", "c"], ["true", "b"], ["0.9", "accuracy=0.9"]]
    assert "FAILED" not in page


@pytest.mark.parametrize("columns", [40, 80])
async def test_no_line_is_wider_than_the_terminal(
    run: Datmo, project: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    await run("task", "run", "echo accuracy: 0.9 and a command that is rather long, longer than many a terminal")
    await run("snapshot", "create", "-m", "a message that is rather long, and longer than many a terminal is wide")
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = (await run("status")).out
    assert all(len(line) <= columns for line in shown.splitlines())
    assert "many a terminal is wide" in " ".join(shown.split())
    task = (await run("task", "ls", "--format", "json")).json[0]["id"]
    for kind, each in (("task", task), ("snapshot", "")):
        given = each or (await run("snapshot", "ls", "--format", "json")).json[0]["id"]
        page = (await run(kind, "inspect", given)).out
        assert all(len(line) <= columns for line in page.splitlines())
        assert given in page


async def test_what_may_be_done_next_is_said(run: Datmo, project: Path) -> None:
    assert "hint: `datmo task run" in (await run("status")).err
    made = (await run("snapshot", "create", "-m", "first")).id
    assert (await run("status")).err == ""
    (project / "train.py").write_text("print(2)\n")
    assert f"hint: `datmo snapshot diff {made[:4]}` shows what has changed" in (await run("status")).err
