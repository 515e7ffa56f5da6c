"""What was perhaps meant, where something is named that is not there."""

from __future__ import annotations

from typing import Any

import pytest

from datmo.errors import EntityNotFound

pytestmark = pytest.mark.anyio


async def hint_of(call: Any) -> str | None:
    with pytest.raises(EntityNotFound) as caught:
        await call
    return caught.value.hint


async def test_a_label_that_is_near(project: Any) -> None:
    await project.snapshots.create("x", label="baseline")
    assert await hint_of(project.snapshots.get("basline")) == "did you mean `baseline`?"
    assert await hint_of(project.snapshots.get("other")) == "`datmo snapshot ls` shows the ids"


async def test_a_session_whose_name_is_near(project: Any) -> None:
    await project.sessions.create("sweeps")
    assert await hint_of(project.sessions.select("sweep")) == "did you mean `sweeps`?"
    await project.sessions.delete("sweeps")  # what is not there any more is not meant
    assert await hint_of(project.sessions.select("sweep")) == "`datmo session ls` shows the ids"


async def test_an_id_that_is_near(project: Any) -> None:
    task = await project.tasks.run("true")
    wrong = task.id[:4] + ("0" if task.id[4] != "0" else "1") + task.id[5:8]
    assert await hint_of(project.tasks.get(wrong)) == f"did you mean `{task.id[:8]}`?"
    assert await hint_of(project.tasks.get("zz")) == "`datmo task ls` shows the ids"
