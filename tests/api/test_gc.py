"""Collecting garbage: deleted snapshots and tasks go for good, and all else stays as it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from anyio.to_thread import run_sync

from datmo.core import outbox
from datmo.errors import DatmoError, EntityNotFound, Refused
from datmo.objects.store import ObjectStore
from tests.api.conftest import Git
from tests.api.face import Face, contents
from tests.api.tasks import unfinished_task

pytestmark = pytest.mark.anyio

LARGE = 2_000_000


def on_disk(home: Path) -> int:
    folders = [home / ".datmo" / "objects" / name for name in ("packs", "large")] + [
        home / ".datmo" / "code.git" / "objects"
    ]
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


async def types(project: Any, after: int) -> list[str]:
    return [event.type async for event in project.log.read(after=after)]


@pytest.fixture
async def two(project: Any, home: Path, tmp_path: Path) -> list[Any]:
    """Two snapshots with code, and files that they partly share."""
    made = []
    for number, name in enumerate(("first", "second")):
        (home / "train.py").write_text(f"print({number})\n")
        (tmp_path / "shared.bin").write_bytes(b"s" * LARGE)
        (tmp_path / f"{name}.bin").write_bytes(name.encode() * LARGE)
        (tmp_path / f"{name}.txt").write_text(name)
        paths = [tmp_path / each for each in ("shared.bin", f"{name}.bin", f"{name}.txt")]
        made.append(await project.snapshots.create(name, filepaths=paths))
    return made


async def test_without_garbage_nothing_happens(project: Any, two: list[Any]) -> None:
    head, _ = await project.log.head()
    done = await project.gc()
    assert done.empty
    assert await types(project, head) == []


async def test_what_only_a_deleted_snapshot_needed_goes(
    face: Face, project: Any, home: Path, git: Git, two: list[Any]
) -> None:
    first, second = two
    before = await contents(face, second)
    await project.snapshots.delete(first.id)
    head, _ = await project.log.head()
    disk = on_disk(home)

    planned = await project.gc(dry_run=True)
    assert (planned.dry_run, planned.snapshots, planned.files, planned.refs) == (True, 1, 1, 1)
    assert planned.size >= 5 * LARGE
    assert (await project.log.head())[0] == head
    assert on_disk(home) == disk

    done = await project.gc()
    assert done == planned._replace(dry_run=False)
    assert disk - on_disk(home) == done.size
    assert await types(project, head) == [
        "snapshot.collected",
        "code.collected",
        "files.collected",
        "objects.collected",
    ]
    assert await contents(face, second) == before
    assert (await project.snapshots.verify()).ok
    assert f"code/{first.code_id}" not in git("for-each-ref")
    assert f"code/{second.code_id}" in git("for-each-ref")
    assert (await project.log.verify()).ok
    assert (await project.log.replay()).different == ()
    assert (await project.gc()).empty


async def test_what_was_collected_can_be_neither_restored_nor_named(project: Any, two: list[Any]) -> None:
    first, second = two
    await project.snapshots.delete(first.id)
    await project.gc()
    with pytest.raises(EntityNotFound):
        await project.snapshots.undelete(first.id)
    assert await project.snapshots.ls(deleted=True) == []
    with pytest.raises(EntityNotFound, match="file collection"):
        await project.snapshots.create("x", file_collection_id=first.file_collection_id)
    await project.snapshots.create("x", file_collection_id=second.file_collection_id)


async def test_the_same_content_can_be_captured_again(project: Any, home: Path, tmp_path: Path, two: list[Any]) -> None:
    first, _ = two
    for each in two:
        await project.snapshots.delete(each.id)
    await project.gc()
    (home / "train.py").write_text("print(0)\n")
    paths = [tmp_path / each for each in ("shared.bin", "first.bin", "first.txt")]
    again = await project.snapshots.create("again", filepaths=paths)
    assert (again.code_id, again.file_collection_id) == (first.code_id, first.file_collection_id)
    assert (await project.snapshots.verify()).ok
    await project.snapshots.create("and by name", file_collection_id=first.file_collection_id)
    assert (await project.gc()).snapshots == 1  # the second, which the folder no longer is
    assert (await project.snapshots.verify()).ok


async def test_the_one_that_the_folder_is_and_the_way_back_stay(project: Any, home: Path, two: list[Any]) -> None:
    first, second = two
    await project.snapshots.checkout(first.id)
    third = await project.snapshots.create("third", label="third")
    for each in (*two, third):
        await project.snapshots.delete(each.id)
    assert (await project.gc()).snapshots == 1  # the first one: the second is the way back
    await project.snapshots.undelete(third.id)
    await project.snapshots.undelete(second.id)
    (home / "train.py").write_text("print('unsaved')\n")
    await project.snapshots.checkout(second.id)
    assert (home / "train.py").read_text() == "print(1)\n"
    assert (await project.snapshots.verify()).ok


async def test_a_deleted_snapshot_that_was_restored_in_time_stays(project: Any, two: list[Any]) -> None:
    await project.snapshots.delete(two[0].id)
    await project.snapshots.undelete(two[0].id)
    assert (await project.gc()).empty
    assert (await project.snapshots.verify()).snapshots == 2


async def test_tasks_of_a_deleted_session_lose_their_output(face: Face, project: Any) -> None:
    kept = await project.tasks.run(["python", "-c", "print('kept: 1')"])
    await project.sessions.create("sweep")
    gone = await project.tasks.run(["python", "-c", "print('gone: 1'); open('big.bin', 'wb').write(b'x' * 2_000_000)"])
    snapshot = await project.snapshots.create("of it", task_id=gone.id)
    await project.sessions.delete("sweep")
    done = await project.gc()
    assert (done.snapshots, done.tasks) == (1, 1)
    assert done.payloads > 0
    assert done.size > 1_900_000
    report = await project.log.verify()
    assert (report.ok, report.erased) == (True, done.payloads)
    assert await face.logs(await project.tasks.get(kept.id)) == "kept: 1\n"
    assert set(await contents(face, await project.tasks.get(kept.id))) == {"task.log"}
    for room, each in ((project.tasks, gone), (project.snapshots, snapshot)):
        with pytest.raises(EntityNotFound):
            await room.get(each.id)
    assert (await project.log.replay()).different == ()
    assert (await project.gc()).empty


async def test_a_snapshot_keeps_what_its_deleted_task_left(face: Face, project: Any) -> None:
    await project.sessions.create("sweep")
    task = await project.tasks.run(["python", "-c", "open('model.bin', 'w').write('m')"])
    await project.sessions.select("default")
    snapshot = await project.snapshots.create("best", task_id=task.id, session_id="default")
    await project.sessions.delete("sweep")
    assert (await project.gc()).tasks == 1
    assert (await contents(face, snapshot))["model.bin"] == b"m"
    assert (await project.snapshots.verify()).ok


async def test_where_it_is_not_known_what_is_needed_nothing_goes(project: Any, home: Path, two: list[Any]) -> None:
    await project.snapshots.delete(two[0].id)
    for pack in (home / ".datmo" / "objects" / "packs").iterdir():
        pack.chmod(0o644)
        pack.write_bytes(pack.read_bytes().replace(b"datmo files 1", b"datmo files 2"))
    disk = on_disk(home)
    with pytest.raises(Refused, match="cannot be read"):
        await project.gc()
    assert on_disk(home) == disk
    assert [each.id for each in await project.snapshots.ls(deleted=True)] == [two[0].id]


async def test_without_git_the_code_gives_its_room_back_too(face: Face, tmp_path: Path) -> None:
    home = tmp_path / "plain"
    home.mkdir()
    async with face.init(home) as project:
        made = []
        for number in range(3):
            (home / "train.py").write_text(f"{number}\n" * 200_000)
            (home / f"only{number}.py").write_bytes(bytes(number * 7 + each % 251 for each in range(200)) * 9)
            made.append(await project.snapshots.create(f"{number}"))
        for each in made[:2]:
            await project.snapshots.delete(each.id)
        disk = on_disk(home)
        done = await project.gc()
        assert done.refs == 2
        assert disk - on_disk(home) == done.size > 0
        assert (await project.snapshots.verify()).ok
        assert (await project.log.verify()).ok
        assert (await project.gc()).empty
        (home / "train.py").write_text("0\n" * 200_000)
        await project.snapshots.create("again")
        assert (await project.snapshots.verify()).ok


async def test_what_is_being_captured_is_waited_for(project: Any, two: list[Any]) -> None:
    from datmo.engine import collecting
    from datmo.objects.hold import Hold

    await project.snapshots.delete(two[0].id)
    hold = Hold(project.home / ".datmo" / "objects" / "hold.lock")
    hold.share()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collecting, "_PATIENCE", 0.2)
        with pytest.raises(DatmoError, match="being captured"):
            await project.gc()
    assert [each.id for each in await project.snapshots.ls(deleted=True)] == [two[0].id]
    hold.release()
    assert (await project.gc()).snapshots == 1


async def test_what_a_running_task_wants_to_be_kept_stays(project: Any) -> None:
    task_id = await unfinished_task(project)
    store = ObjectStore(project.home / ".datmo" / "objects")
    kept, _ = [await run_sync(store.put_bytes, bytes([number]) * LARGE) for number in range(2)]
    taken = outbox.Taken(
        outbox.Cursor(1), outbox.Cursor(1, 10), {}, {}, {}, [outbox.Artifact("model.pt", kept, LARGE, 0o644)]
    )
    await project.log.append(*outbox.take(task_id, taken))
    assert (await project.gc()).objects == 1
    assert len(await run_sync(store.read, kept)) == LARGE
    await run_sync(store.close)


async def test_what_only_a_deleted_environment_needed_goes(project: Any, home: Path) -> None:
    (home / "Dockerfile").write_text("FROM python:3.11-slim\n")
    made = await project.snapshots.create("with a Dockerfile")
    (home / "Dockerfile").unlink()
    await project.snapshots.create("without")
    await project.environments.delete(made.environment_id)
    assert (await project.gc()).objects == 0  # the snapshot needs it still
    assert (await project.snapshots.verify()).ok
    await project.snapshots.delete(made.id)
    assert (await project.gc()).snapshots == 1
    assert (await project.snapshots.verify()).ok
    (home / "Dockerfile").write_text("FROM python:3.11-slim\n")
    again = await project.snapshots.create("with it again")
    assert again.environment_id == made.environment_id
    assert (await project.snapshots.verify()).ok


def beside(home: Path) -> set[str]:
    return {path.name for path in (home / ".datmo" / "checkout").iterdir()} - {"lock", "stage"}


async def test_what_earlier_checkouts_have_put_beside_the_folder_goes(
    face: Face, project: Any, home: Path, two: list[Any]
) -> None:
    first, second = two
    await project.snapshots.checkout(first.id)
    await project.snapshots.checkout(second.id)
    assert beside(home) == {first.id, second.id}
    (home / "train.py").write_text("print(2)\n")
    newer = await project.snapshots.create("newer")
    planned = await project.gc(dry_run=True)
    assert (planned.checkouts, planned.size) == (1, sum(map(len, (await contents(face, first)).values())))
    assert beside(home) == {first.id, second.id}
    assert await project.gc() == planned._replace(dry_run=False)
    assert beside(home) == {second.id}  # its place was told, and nothing was checked out since
    assert (await project.gc()).empty
    done = await project.snapshots.checkout(first.id)
    assert (done.folder / "files" / "first.txt").read_text() == "first"
    await project.snapshots.checkout(newer.id)
    assert (await project.gc()).checkouts == 2
    assert beside(home) == set()


async def test_what_killed_checkouts_have_left_goes(project: Any, home: Path, two: list[Any]) -> None:
    first, second = two
    await project.snapshots.checkout(first.id)
    await project.snapshots.checkout(second.id)
    folder = home / ".datmo" / "checkout"
    (folder / f"{second.id}.0123456789abcdef" / "files").mkdir(parents=True)
    (folder / f"{second.id}.0123456789abcdef" / "files" / "half.bin").write_bytes(b"half")
    (folder / "stage" / "file").write_bytes(b"on its way")
    (folder / "pending.new").write_text("{")
    (folder / "notes.txt").write_text("somebody's own")
    assert (await project.gc()).checkouts == 4
    assert beside(home) == {second.id, "notes.txt"}
    assert list((folder / "stage").iterdir()) == []
    assert (await project.gc()).empty


async def test_a_checkout_that_is_not_finished_keeps_what_is_there(project: Any, home: Path, two: list[Any]) -> None:
    first, second = two
    await project.snapshots.checkout(first.id)
    await project.snapshots.checkout(second.id)
    (home / ".datmo" / "checkout" / "pending").write_text("{}")
    done = await project.gc()
    assert done.checkouts == 0
    assert "a checkout is not finished" in done.problems[0]
    assert beside(home) == {first.id, second.id, "pending"}


CHATTY = ["python", "-c", "import os\nfor _ in range(4000): print(os.urandom(1000).hex())"]


async def test_the_room_of_erased_output_is_given_back_while_others_have_the_log_open(
    face: Face, project: Any, home: Path
) -> None:
    file = home / ".datmo" / "log.db"
    kept = await project.tasks.run(["python", "-c", "print('kept: 1')"])
    await project.sessions.create("sweep")
    await project.tasks.run(CHATTY)
    await project.sessions.delete("sweep")
    async with face.open(home) as other:
        head = await other.log.head()
        planned = await project.gc(dry_run=True)
        assert planned.payload_size > 8_000_000
        assert await project.gc() == planned._replace(dry_run=False)
        assert (await other.log.stream("task")) == "task/*"
        await other.describe(name="renamed")
        await project.describe(description="by both")
        assert await types(other, head[0]) == await types(project, head[0])
        assert await face.logs(await other.tasks.get(kept.id)) == "kept: 1\n"
    assert file.stat().st_size < 2_000_000
    report = await project.log.verify()
    assert (report.ok, report.erased) == (True, planned.payloads)
    assert (await project.log.replay()).different == ()


async def test_a_log_with_little_room_in_it_is_left_as_it_is(project: Any, home: Path) -> None:
    with closing(sqlite3.connect(home / ".datmo" / "log.db")) as connection:
        (before,) = connection.execute("PRAGMA schema_version").fetchone()  # which counts up when it is written anew
        await project.tasks.run(["python", "-c", "print('gone: 1')"], session_id="default")
        await project.gc()
        assert connection.execute("PRAGMA schema_version").fetchone() == (before,)
