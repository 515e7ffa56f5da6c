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
