"""`datmo task rerun`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio


async def newest(run: Datmo) -> str:
    return str((await run("task", "ls", "--limit", "1", "--format", "json")).json[0]["id"])


async def test_it_says_whether_the_results_agree(run: Datmo, project: Path, tmp_path: Path) -> None:
    await run("task", "run", "python train.py")
    (project / "train.py").write_text("print('accuracy: 0.1')\n")
    done = await run("task", "rerun", await newest(run))
    assert (done.code, done.out) == (0, "accuracy: 0.9\n")
    assert "the results agree with those of task" in done.err

    await run("task", "run", f"sh -c 'echo x >> {tmp_path}/runs; echo runs: $(wc -l < {tmp_path}/runs)'")
    done = await run("task", "rerun", await newest(run))
    assert done.code == 1
    assert "the results do not agree" in done.err
    assert "runs: 1 then, 2 now" in done.err


async def test_secrets_are_passed_on_again(run: Datmo, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "hush")
    assert (await run("task", "run", "sh -c 'echo $API_KEY'", "--env", "API_KEY")).code == 0
    first = await newest(run)
    refused = await run("task", "rerun", first)
    assert refused.code == 2
    assert "give it again: --env API_KEY" in refused.err
    assert (await run("task", "rerun", first, "--env", "API_KEY")).out == "hush\n"
