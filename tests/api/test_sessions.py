"""Sessions: groups of tasks and snapshots, one of them current."""

from __future__ import annotations

from typing import Any

import pytest

from datmo.core.ids import is_id
from datmo.errors import AmbiguousId, EntityNotFound, InvalidArgument, InvalidArgumentType, Refused
from tests.api.face import Face

pytestmark = pytest.mark.anyio


async def names(project: Any) -> list[str]:
    return [session.name for session in await project.sessions.ls()]


async def test_default_exists_from_the_start_and_is_current(project: Any) -> None:
    (session,) = await project.sessions.ls()
    assert (session.name, session.current, session.tasks, session.snapshots) == ("default", True, 0, 0)
    assert is_id(session.id)
    assert session.model_id == project.id


async def test_create_switches_to_the_new_one(project: Any) -> None:
    made = await project.sessions.create("sweep")
    assert made.current
    assert await project.sessions.current() == made
    assert [(each.name, each.current) for each in await project.sessions.ls()] == [("default", False), ("sweep", True)]


async def test_create_without_switching(project: Any) -> None:
    made = await project.sessions.create("later", current=False)
    assert not made.current
    assert (await project.sessions.current()).name == "default"


@pytest.mark.parametrize("name", ["", "   ", "\udcff"])
async def test_an_empty_or_invalid_name_is_refused(project: Any, name: str) -> None:
    with pytest.raises(InvalidArgument):
        await project.sessions.create(name)
    assert await names(project) == ["default"]


async def test_a_name_is_text(project: Any) -> None:
    with pytest.raises(InvalidArgumentType, match="int"):
        await project.sessions.create(5)


@pytest.mark.parametrize("name", ["default", "sweep", " sweep "])
async def test_an_existing_name_is_refused(project: Any, name: str) -> None:
    await project.sessions.create("sweep")
    with pytest.raises(Refused, match="exists already"):
        await project.sessions.create(name)
    await project.sessions.create("two words", current=False)
    with pytest.raises(Refused) as caught:
        await project.sessions.create("two words")
    assert str(caught.value.hint).startswith("`datmo session select 'two words'`")
    await project.sessions.delete("two words")
    assert await names(project) == ["default", "sweep"]


async def test_select_takes_a_name_an_id_or_a_prefix(project: Any) -> None:
    made = await project.sessions.create("sweep", current=False)
    for given in ("sweep", "default", made.id, "default", made.id[:6]):
        assert (await project.sessions.select(given)).current
    assert await project.sessions.current() == made
    assert [each.current for each in await project.sessions.ls()] == [False, True]


async def test_a_name_goes_before_an_id(project: Any) -> None:
    first = await project.sessions.create("first")
    named = await project.sessions.create(first.id)
    assert await project.sessions.get(first.id) == named


async def test_an_unknown_session_is_named(project: Any) -> None:
    for call in (project.sessions.select, project.sessions.delete, project.sessions.get):
        with pytest.raises(EntityNotFound, match="'zzzz'") as caught:
            await call("zzzz")
        assert "datmo session ls" in str(caught.value.hint)


async def test_a_prefix_of_several_is_ambiguous(project: Any) -> None:
    made = [await project.sessions.create(f"s{number}") for number in range(40)]
    firsts = [session.id[0] for session in made]
    shared = next(letter for letter in firsts if firsts.count(letter) > 1)
    with pytest.raises(AmbiguousId) as caught:
        await project.sessions.get(shared)
    assert caught.value.hint == "give more of the id"
    assert len(caught.value.candidates) > 1
    assert all(candidate.startswith(shared) for candidate in caught.value.candidates)


async def test_deleting_the_current_one_selects_default(project: Any) -> None:
    await project.sessions.create("sweep")
    assert (await project.sessions.delete("sweep")).name == "default"
    assert [(each.name, each.current) for each in await project.sessions.ls()] == [("default", True)]


async def test_deleting_another_keeps_the_current_one(project: Any) -> None:
    await project.sessions.create("old")
    await project.sessions.create("new")
    assert (await project.sessions.delete("old")).name == "new"


async def test_default_cannot_be_deleted(project: Any) -> None:
    with pytest.raises(Refused, match="'default'"):
        await project.sessions.delete("default")


async def test_the_name_of_a_deleted_session_is_free_again(project: Any) -> None:
    first = await project.sessions.create("sweep")
    await project.sessions.delete("sweep")
    assert await project.sessions.create("sweep") != first


async def test_one_in_which_a_task_runs_stays_until_that_has_ended(project: Any) -> None:
    await project.sessions.create("sweep")
    (task,) = await project.tasks.detach(["sleep 300"])
    try:
        with pytest.raises(Refused, match=f"the session 'sweep' has a running task: {task.id}"):
            await project.sessions.delete("sweep")
        assert await names(project) == ["default", "sweep"]
    finally:
        await project.tasks.stop(task.id)
    await project.sessions.delete("sweep")
    assert await names(project) == ["default"]


async def test_deleting_hides_what_is_in_it(project: Any) -> None:
    await project.sessions.create("sweep")
    task = await project.tasks.run("true")
    hidden = await project.snapshots.create("hidden")
    await project.sessions.select("default")
    kept = await project.snapshots.create("kept")
    assert [(each.tasks, each.snapshots) for each in await project.sessions.ls()] == [(0, 1), (1, 1)]
    await project.sessions.delete("sweep")
    assert await project.tasks.ls() == []
    assert await project.snapshots.ls() == [kept]
    for call, entity in (
        (project.tasks.get, task),
        (project.snapshots.get, hidden),
        (project.snapshots.inspect, hidden),
    ):
        with pytest.raises(EntityNotFound):
            await call(entity.id)
    with pytest.raises(EntityNotFound):
        await project.snapshots.create("from a hidden task", task_id=task.id)
    status = await project.status()
    assert (status.tasks, status.snapshots) == (0, 1)


async def test_the_current_snapshot_may_be_hidden_with_its_session(project: Any) -> None:
    await project.sessions.create("sweep")
    made = await project.snapshots.create("hidden soon")
    assert (await project.status()).snapshot == made
    await project.sessions.delete("sweep")
    assert (await project.status()).snapshot is None


async def test_what_is_made_belongs_to_the_current_session(project: Any) -> None:
    sweep = await project.sessions.create("sweep")
    task = await project.tasks.run("true")
    made = await project.snapshots.create("here")
    assert (task.session_id, made.session_id) == (sweep.id, sweep.id)


async def test_a_snapshot_of_a_task_belongs_to_the_tasks_session(project: Any) -> None:
    sweep = await project.sessions.create("sweep")
    task = await project.tasks.run("true")
    default = await project.sessions.select("default")
    assert (await project.snapshots.create("as the task", task_id=task.id)).session_id == sweep.id
    given = await project.snapshots.create("as given", task_id=task.id, session_id="default")
    assert given.session_id == default.id


async def test_a_session_can_be_given_by_name_id_or_prefix(face: Face, project: Any) -> None:
    sweep = await project.sessions.create("sweep", current=False)
    for given in ("sweep", sweep.id, sweep.id[:8]):
        assert (await project.snapshots.create("there", session_id=given)).session_id == sweep.id
        assert (await project.tasks.run("true", session_id=given)).session_id == sweep.id
    for call in (project.snapshots.ls, project.tasks.ls):
        assert len(await call(session_id=sweep.id[:8])) == 3
        assert await call(session_id="default") == []
        assert len(await call()) == 3
        with pytest.raises(EntityNotFound, match="nowhere"):
            await call(session_id="nowhere")
    with pytest.raises(EntityNotFound, match="nowhere"):
        await project.tasks.run("true", session_id="nowhere")
    with pytest.raises(EntityNotFound, match="nowhere"):
        await project.snapshots.create("x", session_id="nowhere")
    assert len(await project.tasks.ls()) == 3


async def test_a_deleted_session_can_be_brought_back_with_what_is_in_it(project: Any) -> None:
    session = await project.sessions.create("sweep")
    task = await project.tasks.run("true")
    snapshot = await project.snapshots.create("hidden")
    await project.sessions.delete("sweep")
    with pytest.raises(EntityNotFound):
        await project.sessions.undelete("default")
    restored = await project.sessions.undelete("sweep")
    assert (restored.id, restored.current, restored.tasks, restored.snapshots) == (session.id, False, 1, 1)
    assert [each.id for each in await project.tasks.ls()] == [task.id]
    assert [each.id for each in await project.snapshots.ls(session_id="sweep")] == [snapshot.id]
    assert (await project.log.replay()).different == ()


async def test_a_session_does_not_come_back_under_a_name_that_is_taken(project: Any) -> None:
    first = await project.sessions.create("sweep")
    await project.sessions.delete("sweep")
    await project.sessions.create("sweep")
    with pytest.raises(Refused, match="another session named 'sweep'"):
        await project.sessions.undelete("sweep")
    await project.sessions.delete("sweep")
    with pytest.raises(AmbiguousId):
        await project.sessions.undelete("sweep")
    assert (await project.sessions.undelete(first.id[:8])).id == first.id


async def test_what_was_collected_of_a_deleted_session_stays_away(project: Any) -> None:
    await project.sessions.create("sweep")
    await project.tasks.run("true")
    await project.sessions.delete("sweep")
    assert (await project.gc()).tasks == 1
    restored = await project.sessions.undelete("sweep")
    assert await project.tasks.ls(session_id=restored.id) == []
    assert (await project.log.replay()).different == ()
