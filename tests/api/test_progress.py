"""How far long work has come is told, in order, up to the end."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from datmo.core.event import NewEvent
from tests.api.face import Face

pytestmark = pytest.mark.anyio

SIZES = (3_000_000, 2_000_000, 10, 0)


class Told(list[tuple[int, int]]):
    """What was told."""

    def __call__(self, done: int, total: int) -> None:
        self.append((done, total))

    def in_order(self) -> bool:
        return all(one[0] <= other[0] and one[1] <= other[1] for one, other in pairwise(self))


async def test_the_bytes_of_files_are_told(project: Any, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.bin" for number in range(len(SIZES))]
    for path, size in zip(paths, SIZES, strict=True):
        path.write_bytes(bytes([size % 251]) * size)
    first, again = Told(), Told()
    await project.snapshots.create("x", filepaths=paths, progress=first)
    await project.snapshots.create("again", filepaths=paths, progress=again)
    for told in (first, again):
        assert told.in_order()
        assert told[-1] == (sum(SIZES), sum(SIZES))
    assert len(first) > len(SIZES)


async def test_code_that_is_too_large_for_git_is_told_too(project: Any, home: Path) -> None:
    with (home / "data.bin").open("wb") as file:
        file.truncate(60 << 20)
    told = Told()
    await project.snapshots.create("x", progress=told)
    assert told.in_order()
    assert told[-1] == (60 << 20, 60 << 20)


async def test_export_and_import_are_told(project: Any, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"w" * 3_000_000)
    await project.snapshots.create("x", filepaths=[tmp_path / "weights.bin"])
    written, read = Told(), Told()
    await project.snapshots.export_archive(tmp_path / "a.zip", progress=written)
    await project.snapshots.create("the current one")
    await project.snapshots.delete((await project.snapshots.ls())[1].id)
    await project.gc()
    await project.snapshots.import_archive(tmp_path / "a.zip", progress=read)
    for told in (written, read):
        assert told.in_order()
        assert told[-1][0] == told[-1][1] >= 3_000_000


async def test_a_collection_of_garbage_is_told(project: Any, tmp_path: Path) -> None:
    await project.sessions.create("sweep")
    await project.tasks.run(["python", "-c", "open('big.bin', 'wb').write(b'x' * 2_000_000); print('gone')"])
    for number in range(2):
        (tmp_path / f"{number}.bin").write_bytes(bytes([number]) * 3_000_000)
        await project.snapshots.create(
            f"{number}", filepaths=[tmp_path / f"{number}.bin"], session_id="default" if number else None
        )
    await project.sessions.delete("sweep")
    looked, removed = Told(), Told()
    planned = await project.gc(dry_run=True, progress=looked)
    assert (await project.gc(progress=removed)).payloads == planned.payloads > 0
    for told in (looked, removed):
        assert told.in_order()
        assert told[-1][0] == told[-1][1]
    assert 0 < looked[-1][1] < 5_000_000 + planned.payload_size <= removed[-1][1]


async def test_what_is_needed_of_a_pack_is_told_as_it_is_written_anew(project: Any, tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}.txt").write_text(f"{number}" * 10_000)
    await project.snapshots.create("all", filepaths=[tmp_path / f"{number}.txt" for number in range(10)])
    await project.snapshots.create("one", filepaths=[tmp_path / "7.txt"])
    await project.snapshots.delete((await project.snapshots.ls())[1].id)
    told = Told()
    assert (await project.gc(progress=told)).size > 80_000
    assert told.in_order()
    assert told[-1][0] == told[-1][1] >= 10_000
    assert (await project.snapshots.verify()).ok


async def test_the_parts_of_a_cleanup_are_told(face: Face, home: Path) -> None:
    async with face.init(home) as project:
        await project.snapshots.create("x")
    told = Told()
    assert await face.cleanup(home, progress=told)
    assert not (home / ".datmo").exists()
    assert told.in_order()
    assert told[-1][0] == told[-1][1] > 3


async def test_events_are_told(project: Any) -> None:
    about = f"project/{project.id}"
    await project.log.append(*(NewEvent(about, "project.described", {"name": f"{number}"}) for number in range(9000)))
    last, _ = await project.log.head()
    verified, replayed, then = Told(), Told(), Told()
    assert (await project.log.verify(progress=verified)).ok
    assert (await project.log.replay(progress=replayed)).different == ()
    assert (await project.log.as_of(8500, progress=then)).position == 8500
    for told in (verified, replayed):
        assert told == [(4096, last), (8192, last), (last, last)]
    assert then == [(4096, 8500), (8192, 8500), (8500, 8500)]


async def test_of_an_empty_past_nothing_is_folded(project: Any) -> None:
    told = Told()
    await project.log.as_of(0, progress=told)
    assert told == [(0, 0)]


async def test_what_a_listener_raises_ends_the_work_and_nothing_is_recorded(project: Any, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"w" * 3_000_000)

    def stop(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        await project.snapshots.create("x", filepaths=[tmp_path / "weights.bin"], progress=stop)
    assert await project.snapshots.ls() == []
