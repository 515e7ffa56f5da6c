"""`datmo snapshot verify`, `datmo gc`."""

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


async def test_gc_says_first_what_it_removes(run: Datmo, project: Path) -> None:
    assert (await run("gc")).out == "nothing to remove\n"
    (project / "weights.bin").write_bytes(b"w" * 2_000_000)
    snapshot = (await run("snapshot", "create", "-m", "first", "--filepaths", "weights.bin")).id
    (project / "train.py").write_text("print('other')\n")
    await run("snapshot", "create", "-m", "second")
    await run("snapshot", "delete", snapshot)
    lines = [
        "1 deleted snapshot, which cannot be restored then",
        "1 list of files",
        "2 objects",
        "1 ref in git",
        "about 2.0 MB in all",
    ]
    done = await run("gc", "--dry-run")
    assert (done.code, done.out.splitlines()) == (0, lines)
    assert done.err == "hint: `datmo gc` removes it, for good\n"
    done = await run("gc")
    assert (done.code, done.out.splitlines(), done.err) == (0, lines, "freed 2.0 MB\n")
    report = (await run("gc", "--format", "json")).json
    assert (report["snapshots"], report["dry_run"], report["problems"]) == (0, False, [])
    assert (await run("snapshot", "undelete", snapshot)).code == 1
