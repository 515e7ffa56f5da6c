"""`datmo task ls --status` and `--watch`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Datmo, program
from tests.cli.test_program import on_terminal

pytestmark = pytest.mark.anyio


async def test_tasks_of_some_statuses(run: Datmo, project: Path) -> None:
    await run("task", "run", "true a", "false b", "false c")
    for statuses, commands in (
        (["failed"], ["false c", "false b"]),
        (["SUCCESS"], ["true a"]),
        (["SUCCESS", "FAILED"], ["false c", "false b", "true a"]),
        (["LOST"], []),
    ):
        options = [word for status in statuses for word in ("--status", status)]
        found = (await run("task", "ls", *options, "--sort", "created_at", "--format", "json")).json
        assert sorted(each["command"] for each in found) == sorted(commands)
    both = (await run("task", "ls", "--status", "failed", "--where", 'command contains "c"', "--format", "json")).json
    assert [each["command"] for each in both] == ["false c"]
    assert (await run("task", "ls", "--status", "fine")).code == 2
    done = await run("task", "ls", "--watch")
    assert (done.code, "--watch needs a terminal" in done.err) == (2, True)


def test_watching_ends_with_ctrl_c(tmp_path: Path) -> None:
    assert program("init", cwd=tmp_path).id
    assert program("task", "run", "echo accuracy: 0.9", cwd=tmp_path).code == 0
    done = on_terminal("task", "ls", "--watch", cwd=tmp_path, keys={"SUCCESS": "Ctrl-C"})
    assert done.code == 130
    assert re.search(r"SUCCESS", done.out)
