"""`datmo snapshot verify | export | import`, `datmo gc`."""

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
    assert (await run("snapshot", "verify", "-a", "--quiet")).err == done.err
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


async def test_gc_says_what_checkouts_have_left(run: Datmo, project: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"w" * 2_000_000)
    for label in ("one", "two"):
        await run("snapshot", "create", "-m", label, "-l", label, "--filepaths", str(tmp_path / "weights.bin"))
        (project / "train.py").write_text("print('other')\n")
    for label in ("one", "two"):
        assert (await run("snapshot", "checkout", label)).code == 0
    done = await run("gc")
    assert done.out.splitlines() == ["1 leftover of checkouts, in .datmo/checkout", "about 2.0 MB in all"]
    assert done.err == "freed 2.0 MB\n"
    assert (await run("gc")).out == "nothing to remove\n"


async def test_export_and_import(run: Datmo, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = (await run("snapshot", "create", "-m", "first", "--label", "best", "--stats", "accuracy:0.9")).id
    second = (await run("snapshot", "create", "-m", "second", "--stats", "accuracy:0.5")).id
    done = await run("snapshot", "export", "best")
    name = f"datmo-{first[:4]}.zip"
    assert (done.code, done.out) == (0, f"{name}\n")
    assert done.err.startswith("exported 1 snapshot (")
    again = await run("snapshot", "export", "best")
    assert (again.code, "exists already" in again.err) == (1, True)
    assert (await run("snapshot", "export", "--where", "stats.accuracy > 0.8", "-o", "good.zip")).code == 0
    assert (project / "good.zip").read_bytes() == (project / name).read_bytes()
    assert (await run("snapshot", "export", "--all", "-o", "all.zip")).code == 0
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    await run("init", "--name", "other")
    done = await run("snapshot", "import", str(project / name))
    assert done.id == first
    assert done.err.splitlines() == [
        f"imported snapshot {first[:4]}: first",
        f"hint: `datmo snapshot checkout {first[:4]}` brings the folder to it",
    ]
    done = await run("snapshot", "import", str(project / "all.zip"))
    assert done.id == second
    assert done.err.splitlines() == [
        f"imported snapshot {second[:4]}: second",
        f"snapshot {first[:4]} was here already, and is left as it is",
        f"hint: `datmo snapshot checkout {second[:4]}` brings the folder to it",
    ]
    assert (await run("snapshot", "inspect", "best", "--format", "json")).json["stats"] == {"accuracy": 0.9}
    (project / "all.zip").write_bytes(b"PK")
    done = await run("snapshot", "import", str(project / "all.zip"))
    assert done.code == 1
    assert done.err.splitlines() == [
        f"error: {project / 'all.zip'} cannot be read as an archive: it is cut short, or none",
        "hint: `datmo snapshot export` writes one anew, in the project that it came from",
    ]


@pytest.mark.parametrize("arguments", [[], ["91cd", "--all"], ["--all", "--where", "stats.x > 1"]])
async def test_export_takes_one_way_to_say_what(run: Datmo, project: Path, arguments: list[str]) -> None:
    done = await run("snapshot", "export", *arguments)
    assert (done.code, done.err.splitlines()[0]) == (2, "error: give snapshots, or --where, or --all")
