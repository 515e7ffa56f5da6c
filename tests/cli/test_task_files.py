"""`datmo task files`: what a task left comes back, over nothing that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio

TRAINS = "mkdir -p models; echo m > models/a.pkl; echo b > models/b.txt; echo done"


async def test_all_files_or_those_that_fit_come_back(
    run: Datmo, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await run("task", "run", "--", "sh", "-c", TRAINS)).code == 0
    (task,) = (await run("task", "ls", "--format", "json")).json
    done = await run("task", "files", task["id"][:8], "--to", "out")
    assert (done.code, len(done.out.splitlines())) == (0, 3)
    assert "wrote 3 files of task" in done.err
    assert (project / "out" / "models" / "a.pkl").read_text() == "m\n"
    assert (project / "out" / "task.log").read_text() == "done\n"
    (project / "sub").mkdir()
    monkeypatch.chdir(project / "sub")
    done = await run("task", "files", task["id"], "--only", "*.pkl", "--to", ".")
    assert done.out == f"{project / 'sub' / 'models' / 'a.pkl'}\n"
    assert [path.name for path in (project / "sub" / "models").iterdir()] == ["a.pkl"]


async def test_nothing_is_written_over_and_nothing_half(run: Datmo, project: Path) -> None:
    assert (await run("task", "run", "--", "sh", "-c", TRAINS)).code == 0
    (task,) = (await run("task", "ls", "--format", "json")).json
    (project / "models").mkdir()
    (project / "models" / "b.txt").write_text("mine\n")
    for arguments, said in (
        (("--to", "."), "models/b.txt is there already: nothing was written"),
        (("--to", ".datmo/here"), "lies in the project's own folder"),
        (("--to", "out", "--only", "*.nope"), "fits '*.nope'"),
        (("--to", "train.py"), "train.py"),
    ):
        done = await run("task", "files", task["id"], *arguments)
        assert (done.code, done.out) == (1 if "train.py" in arguments else 2, ""), done.err
        assert said in done.err
    assert (project / "models" / "b.txt").read_text() == "mine\n"
    assert not (project / "models" / "a.pkl").exists()
    assert not (project / "out").exists()
    assert (await run("task", "files", "zzzz", "--to", "out")).code == 1
    assert (await run("task", "files", task["id"])).code == 2
