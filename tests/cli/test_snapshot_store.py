"""`datmo snapshot verify`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Datmo

pytestmark = pytest.mark.anyio


async def test_verify_says_what_it_read_and_what_is_wrong(run: Datmo, project: Path) -> None:
    (project / "weights.bin").write_bytes(b"w" * 2_000_000)
    first = (await run("snapshot", "create", "-m", "first")).id
    second = (await run("snapshot", "create", "-m", "second", "--filepaths", "weights.bin")).id
    done = await run("snapshot", "verify", "--all")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("2 snapshots, ")
    assert done.out.endswith("MB) verified\n")
    for file in (project / ".datmo" / "objects" / "large").glob("*/*"):
        file.unlink()
    assert (await run("snapshot", "verify", first)).code == 0
    done = await run("snapshot", "verify", "-a")
    assert (done.code, done.err.splitlines()[0]) == (1, "error: 1 thing missing or damaged")
    assert done.out.startswith(f"snapshot {second[:4]}  files  weights.bin: ")
    report = (await run("snapshot", "verify", second, "--format", "json")).json
    assert (report["ok"], [each["name"] for each in report["problems"]]) == (False, ["weights.bin"])


@pytest.mark.parametrize("arguments", [[], ["91cd", "--all"]])
async def test_either_snapshots_or_all(run: Datmo, project: Path, arguments: list[str]) -> None:
    done = await run("snapshot", "verify", *arguments)
    assert (done.code, done.err.splitlines()[0]) == (2, "error: give snapshots, or --all")
