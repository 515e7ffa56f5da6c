"""Snapshots: what they are made of, how they are listed and looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from datmo.core.ids import is_id
from datmo.errors import (
    AmbiguousId,
    CodeError,
    EntityNotFound,
    EnvironmentInvalid,
    FilesError,
    InvalidArgument,
    InvalidArgumentType,
    Refused,
)
from tests.api.conftest import Git, Said
from tests.api.face import Face, contents

pytestmark = pytest.mark.anyio


async def test_a_snapshot_has_all_that_the_seed_names(project: Any) -> None:
    made = await project.snapshots.create(
        "first model", label="best", config={"lr": 0.1, "name": "adam"}, stats={"accuracy": 0.94}
    )
    assert is_id(made.id)
    assert (made.model_id, made.message, made.label, made.task_id) == (project.id, "first model", "best", None)
    assert (made.config, made.stats) == ({"lr": 0.1, "name": "adam"}, {"accuracy": 0.94})
    assert len(made.code_id) == 40
    assert len(made.environment_id) == len(made.file_collection_id) == 64
    assert datetime.now(UTC) - made.created_at < timedelta(minutes=1)
    assert made.updated_at == made.created_at
    assert await project.snapshots.get(made.id) == made
    assert await project.snapshots.current() == made


async def test_what_is_not_given_is_none_or_empty(face: Face, project: Any) -> None:
    made = await project.snapshots.create("bare", label="")
    assert (made.label, made.task_id, made.config, made.stats) == (None, None, {}, {})
    assert await contents(face, made) == {}


async def test_equal_means_the_same_snapshot_and_str_shows_what_it_is(project: Any) -> None:
    one, other = [await project.snapshots.create("same words") for _ in range(2)]
    again = await project.snapshots.get(one.id)
    assert again == one != other
    assert len({one, again, other}) == 2
    assert one != one.id
    for shown in (one.id, one.session_id, "same words", one.code_id, one.environment_id, "config", "stats"):
        assert shown in str(one)


@pytest.mark.parametrize("message", ["", " \n", "\udcff"])
async def test_a_message_is_required(project: Any, message: str) -> None:
    with pytest.raises(InvalidArgument, match="message"):
        await project.snapshots.create(message)
    assert await project.snapshots.ls() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"message": None},
        {"message": b"bytes"},
        {"label": 3},
        {"config": "lr: 1"},
        {"stats": [1]},
        {"filepaths": "train.py"},
        {"filepaths": Path("train.py")},
        {"task_id": 7},
        {"session_id": 7},
        {"config": {1: "a key that is no text"}},
        {"stats": {"model": object()}},
    ],
    ids="-".join,
)
async def test_a_wrong_type_is_said(project: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentType):
        await project.snapshots.create(**{"message": "x", **wrong})
    assert await project.snapshots.ls() == []


# Code


async def test_the_code_of_a_clean_tree_is_heads_commit(project: Any, git: Git) -> None:
    assert (await project.snapshots.create("clean")).code_id == git("rev-parse", "HEAD")


async def test_an_unchanged_dirty_tree_keeps_its_code_id(project: Any, home: Path, git: Git) -> None:
    (home / "train.py").write_text("print('changed')\n")
    first, second = [await project.snapshots.create("dirty") for _ in range(2)]
    assert first.code_id == second.code_id != git("rev-parse", "HEAD")


async def test_a_commit_can_be_given(project: Any, home: Path, git: Git) -> None:
    first = git("rev-parse", "HEAD")
    (home / "train.py").write_text("print('second')\n")
    git("commit", "-q", "-a", "-m", "second")
    assert (await project.snapshots.create("old", commit_id=first)).code_id == first
    with pytest.raises(CodeError, match="feedfeed"):
        await project.snapshots.create("none", commit_id="feedfeed")


# Environment


async def test_the_environment_is_the_roots_definition_or_the_given_one(project: Any, home: Path) -> None:
    interpreter = await project.snapshots.create("no definition")
    (home / "Dockerfile").write_text("FROM python:3.11-slim\n")
    docker = await project.snapshots.create("a Dockerfile")
    (home / "other").mkdir()
    (home / "other" / "requirements.txt").write_text("six==1.16.0\n")
    given = await project.snapshots.create("given", environment_definition="other/requirements.txt")
    known = await project.snapshots.create("known", environment_id=interpreter.environment_id[:12])
    kinds = {each.id: each.kind for each in await project.environments.ls()}
    assert [kinds[made.environment_id] for made in (interpreter, docker, given, known)] == [
        "interpreter",
        "dockerfile",
        "requirements",
        "interpreter",
    ]
    assert (await project.environments.get(docker.environment_id[:10])).described == "Dockerfile"


async def test_an_unknown_environment_is_named(project: Any) -> None:
    with pytest.raises(EntityNotFound, match=r"environment .*'feed'"):
        await project.snapshots.create("x", environment_id="feed")
    with pytest.raises(EnvironmentInvalid, match="nowhere"):
        await project.snapshots.create("x", environment_definition="nowhere/Dockerfile")
    assert await project.snapshots.ls() == []


# Files


async def test_files_are_kept_by_their_paths(face: Face, project: Any, home: Path, tmp_path: Path) -> None:
    for path in ("model/weights.bin", "model/deep/weights.bin", "notes.txt"):
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(path)
    (tmp_path / "outside.csv").write_text("1,2")
    given = [home / "model", home / "notes.txt", tmp_path / "outside.csv"]
    made = await project.snapshots.create("with files", filepaths=given)
    assert await contents(face, made) == {
        "model/deep/weights.bin": b"model/deep/weights.bin",
        "model/weights.bin": b"model/weights.bin",
        "notes.txt": b"notes.txt",
        "outside.csv": b"1,2",
    }


async def test_files_stay_as_they_were(face: Face, project: Any, home: Path) -> None:
    (home / "model.bin").write_text("first")
    made = await project.snapshots.create("first", filepaths=[home / "model.bin"])
    (home / "model.bin").write_text("second")
    assert await contents(face, made) == {"model.bin": b"first"}


async def test_filepaths_are_taken_from_the_working_folder(
    face: Face, project: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "out").mkdir()
    (home / "out" / "model.bin").write_text("m")
    monkeypatch.chdir(home / "out")
    made = await project.snapshots.create("relative", filepaths=["model.bin"])
    assert await contents(face, made) == {"out/model.bin": b"m"}


async def test_files_are_opened_as_text_or_bytes_and_never_for_writing(face: Face, project: Any, home: Path) -> None:
    (home / "notes.txt").write_text("zwölf\n")
    made = await project.snapshots.create("text", filepaths=[home / "notes.txt"])
    for mode, expected in (("r", "zwölf\n"), ("rt", "zwölf\n"), ("rb", "zwölf\n".encode())):
        (file,) = await face.opened(made, mode)
        with file:
            assert file.read() == expected
            assert not file.writable()
            assert str(file.name).endswith("notes.txt")
    for mode in ("w", "a", "r+", "x", "rb+", "nonsense", ""):
        with pytest.raises(InvalidArgumentType, match="reading"):
            await face.opened(made, mode)


async def test_a_link_in_a_folder_opens_what_it_points_to_in_the_collection(
    face: Face, project: Any, home: Path
) -> None:
    (home / "runs").mkdir()
    (home / "runs" / "3.bin").write_text("three")
    (home / "runs" / "latest").symlink_to("3.bin")
    (home / "runs" / "dangling").symlink_to("../nowhere")
    made = await project.snapshots.create("links", filepaths=[home / "runs"])
    assert await contents(face, made) == {"runs/3.bin": b"three", "runs/latest": b"three"}


async def test_a_missing_file_is_named(project: Any, home: Path) -> None:
    with pytest.raises(FilesError, match=r"nowhere\.bin"):
        await project.snapshots.create("x", filepaths=[home / "nowhere.bin"])


async def test_known_files_can_be_given(project: Any, home: Path) -> None:
    (home / "model.bin").write_text("m")
    first = await project.snapshots.create("first", filepaths=[home / "model.bin"])
    (home / "model.bin").unlink()
    again = await project.snapshots.create("again", file_collection_id=first.file_collection_id[:16])
    assert again.file_collection_id == first.file_collection_id
    with pytest.raises(EntityNotFound, match="file collection"):
        await project.snapshots.create("x", file_collection_id="feed")


# The same twice


async def test_the_same_content_twice_is_two_snapshots_that_share_it(project: Any, home: Path, said: Said) -> None:
    (home / "model.bin").write_text("m")
    first = await project.snapshots.create("first", label="one", filepaths=[home / "model.bin"])
    assert "same content" not in said.text
    second = await project.snapshots.create("second", label="two", filepaths=[home / "model.bin"])
    assert f"same content as snapshot {first.id[:4]}" in said.text
    assert [each.message for each in await project.snapshots.ls()] == ["second", "first"]
    assert [each.label for each in (first, second)] == ["one", "two"]
    for shared in ("code_id", "environment_id", "file_collection_id"):
        assert getattr(first, shared) == getattr(second, shared)


async def test_other_values_are_other_content(project: Any, said: Said) -> None:
    await project.snapshots.create("first", stats={"accuracy": 1})
    await project.snapshots.create("second", stats={"accuracy": 2})
    assert "same content" not in said.text


# Pairs that exclude one another


@pytest.mark.parametrize(
    "pair",
    [
        {"environment_id": "feed", "environment_definition": "Dockerfile"},
        {"file_collection_id": "feed", "filepaths": ["train.py"]},
        {"config_filename": "c.json", "config_filepath": "c.json"},
        {"stats_filename": "s.json", "stats_filepath": "s.json"},
        {"config": {}, "config_filename": "c.json"},
        {"stats": {}, "stats_filepath": "s.json"},
    ],
    ids="-".join,
)
async def test_two_sources_of_one_thing_are_refused(project: Any, pair: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match="exclude one another"):
        await project.snapshots.create("x", **pair)
    assert await project.snapshots.ls() == []


# From a task


async def test_a_snapshot_of_a_task_is_what_it_ran_and_left(face: Face, project: Any, home: Path) -> None:
    (home / "config.json").write_text('{"from": "the root"}')
    (home / "train.py").write_text(
        "import os, pathlib\n"
        "task = pathlib.Path(os.environ['DATMO_TASK_DIR'])\n"
        "(task / 'stats.json').write_text('{\"f1\": 0.5}')\n"
        "(task / 'weights.bin').write_text('w')\n"
        "print('accuracy: 0.9')\n"
    )
    task = await project.tasks.run("python train.py")
    (home / "train.py").write_text("print('changed since')\n")
    made = await project.snapshots.create("of a task", task_id=task.id[:8], label="best")
    assert made.task_id == task.id
    assert (made.code_id, made.environment_id) == (task.code_id, task.environment_id)
    assert (made.config, made.stats) == ({}, {"accuracy": 0.9, "f1": 0.5})
    assert set(await contents(face, made)) == {"stats.json", "task.log", "weights.bin"}
    assert await project.snapshots.current() is None, "the tree is not at a snapshot of a task"


async def test_values_given_beside_a_task_take_the_place_of_its_own(project: Any, home: Path) -> None:
    task = await project.tasks.run(["sh", "-c", "echo 'loss: 1'; echo '{\"lr\": 1}' > config.json"])
    (home / "other.json").write_text('{"lr": 3}')
    own = await project.snapshots.create("own", task_id=task.id)
    given = await project.snapshots.create("given", task_id=task.id, config={"lr": 2}, stats={})
    found = await project.snapshots.create("found", task_id=task.id, config_filepath=home / "other.json")
    assert [(each.config, each.stats) for each in (own, given, found)] == [
        ({"lr": 1}, {"loss": 1}),
        ({"lr": 2}, {}),
        ({"lr": 3}, {"loss": 1}),
    ]


@pytest.mark.parametrize(
    "given",
    [
        {"commit_id": "HEAD"},
        {"environment_id": "feed"},
        {"environment_definition": "Dockerfile"},
        {"file_collection_id": "feed"},
        {"filepaths": ["train.py"]},
    ],
    ids="-".join,
)
async def test_what_the_task_decides_cannot_be_given_beside_it(project: Any, given: dict[str, Any]) -> None:
    task = await project.tasks.run("true")
    with pytest.raises(InvalidArgument, match=f"{next(iter(given))} cannot be given together with task_id"):
        await project.snapshots.create("x", task_id=task.id, **given)
    assert await project.snapshots.ls() == []


async def test_an_unknown_task_is_named(project: Any) -> None:
    with pytest.raises(EntityNotFound, match=r"task .*'zzzz'"):
        await project.snapshots.create("x", task_id="zzzz")


async def test_a_task_that_has_not_ended_is_refused(project: Any) -> None:
    from tests.api.tasks import unfinished_task

    task_id = await unfinished_task(project)
    with pytest.raises(Refused, match="has not ended"):
        await project.snapshots.create("x", task_id=task_id)


async def test_a_failed_task_can_be_kept_too(face: Face, project: Any) -> None:
    for command in ("no-such-program", "false"):
        task = await project.tasks.run(command)
        made = await project.snapshots.create("failed", task_id=task.id)
        assert (made.task_id, made.stats) == (task.id, {})


# Listing and finding


async def test_ls_is_newest_first_filtered_and_limited(project: Any) -> None:
    for message, label in (("first model", None), ("second Model", "best"), ("notes", "Best so far"), ("last", None)):
        await project.snapshots.create(message, label=label)

    async def found(**options: Any) -> list[str]:
        return [each.message for each in await project.snapshots.ls(**options)]

    assert await found() == ["last", "notes", "second Model", "first model"]
    assert await found(filter="model") == ["second Model", "first model"]
    assert await found(filter="best") == ["notes", "second Model"]
    assert await found(filter="100%") == []
    assert await found(limit=2) == ["last", "notes"]
    assert await found(filter="model", limit=1) == ["second Model"]


async def test_one_is_found_by_id_label_or_prefix(project: Any) -> None:
    made = [await project.snapshots.create("x", label=label) for label in ("best", "twice", "twice")]
    assert await project.snapshots.get(made[0].id) == made[0]
    assert await project.snapshots.get(made[0].id[:7].upper()) == made[0]
    assert await project.snapshots.get("best") == made[0]
    with pytest.raises(AmbiguousId, match="'twice'") as caught:
        await project.snapshots.get("twice")
    assert "give the id of one" in str(caught.value.hint)
    for unknown in ("zzzz", "", "bes", "\udcff", "%"):
        with pytest.raises(EntityNotFound, match="snapshot"):
            await project.snapshots.get(unknown)


async def test_inspect_says_what_the_ids_stand_for(project: Any, home: Path) -> None:
    (home / "model.bin").write_text("12345")
    (home / "model.bin").chmod(0o755)
    made = await project.snapshots.create("x", filepaths=[home / "model.bin"], config={"lr": 1})
    found = await project.snapshots.inspect(made.id[:6])
    assert (found["id"], found["message"], found["config"]) == (made.id, "x", {"lr": 1})
    assert found["code"]["id"] == made.code_id
    assert len(found["code"]["tree"]) == 40
    assert found["environment"]["kind"] == "interpreter"
    assert (found["file_collection"]["count"], found["file_collection"]["size"]) == (1, 5)
    (file,) = found["file_collection"]["files"]
    assert (file["path"], file["size"], file["mode"]) == ("model.bin", 5, "755")


async def test_the_log_tells_what_happened(project: Any) -> None:
    made = await project.snapshots.create("x")
    stream = await project.log.stream(f"snapshot/{made.id[:6]}")
    (event,) = [event async for event in project.log.read(stream=stream)]
    assert (event.type, event.data["message"]) == ("snapshot.created", "x")
    assert (await project.log.verify()).ok
    assert (await project.log.replay()).different == ()
