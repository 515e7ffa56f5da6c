"""Running a task again: the same code, environment, parameters and data, and whether it came to the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datmo.aio import TaskOptions, TaskSpec
from datmo.errors import EntityNotFound, InvalidArgument, Refused
from tests.api.conftest import Said
from tests.api.face import Face, contents
from tests.api.tasks import unfinished_task

pytestmark = pytest.mark.anyio


async def test_the_same_is_run_whatever_has_changed_since(face: Face, project: Any, home: Path) -> None:
    (home / "train.py").write_text(
        "import json, os\nprint('lr:', os.environ['DATMO_PARAM_LR'], '\\nwords:', json.load(open('words.json')))\n"
        "open(os.environ['DATMO_TASK_DIR'] + '/model', 'w').write('m')\n"
    )
    (home / "words.json").write_text('"then"')
    (first,) = await project.tasks.map([TaskSpec("python train.py {lr}", parameters={"lr": 0.1}, name="one")])
    (home / "words.json").write_text('"now"')
    (home / "requirements.txt").write_text("# another environment\n")
    again, agreement = await project.tasks.rerun(first.id[:6])
    assert await face.value(again, "status") == "SUCCESS"
    for name in ("command", "name", "config", "results", "code_id", "environment_id", "executor"):
        assert await face.value(again, name) == await face.value(first, name)
    assert await face.value(again, "rerun_of") == first.id
    assert await face.value(first, "rerun_of") is None
    assert agreement.agrees
    assert (agreement.results, agreement.files) == ((), ())
    assert (home / "words.json").read_text() == '"now"'


async def test_where_results_differ_it_is_said_which(face: Face, project: Any, tmp_path: Path) -> None:
    script = f"echo x >> {tmp_path}/runs; echo runs: $(wc -l < {tmp_path}/runs); echo same: 1; cp {tmp_path}/runs ."
    first = await project.tasks.run(["sh", "-c", script])
    _, agreement = await project.tasks.rerun(first.id)
    assert not agreement.agrees
    assert [(change.key, change.before, change.after) for change in agreement.results] == [("runs", 1, 2)]
    assert [each.path for each in agreement.files] == ["runs"]


async def test_what_never_ran_can_be_run(face: Face, project: Any) -> None:
    tasks = await project.tasks.map(["false", "echo a: 1"], limit=1, max_failures=1)
    assert await face.value(tasks[1], "status") == "STOPPED"
    again, agreement = await project.tasks.rerun(tasks[1].id)
    assert await face.value(again, "results") == {"a": 1}
    assert not agreement.comparable
    assert not agreement.agrees


async def test_a_rerun_of_a_failure_agrees_where_it_fails_alike(face: Face, project: Any) -> None:
    first = await project.tasks.run("false")
    again, agreement = await project.tasks.rerun(first.id)
    assert await face.value(again, "status") == "FAILED"
    assert agreement.agrees


async def test_secrets_have_to_be_given_again(face: Face, project: Any) -> None:
    options = TaskOptions(variables={"API_KEY": "hush", "LR": "1"}, timeout=60)
    first = await project.tasks.run(["sh", "-c", "echo key: $API_KEY$LR"], options=options)
    with pytest.raises(InvalidArgument, match="API_KEY") as caught:
        await project.tasks.rerun(first.id)
    assert caught.value.hint == "give it again: --env API_KEY"
    again, _ = await project.tasks.rerun(first.id, variables={"API_KEY": "hush"})
    assert await face.value(again, "results") == {"key": "hush1"}
    recorded = (await project.tasks.inspect(again.id))["options"]
    assert (recorded["timeout"], recorded["variables"]) == (60, {"API_KEY": None, "LR": "1"})


async def test_data_is_that_of_the_first_and_what_changed_is_said(
    face: Face, project: Any, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "iris.csv").write_text("one\n")
    monkeypatch.chdir(tmp_path)
    first = await project.tasks.run(
        ["sh", "-c", "cat $DATMO_DATA_DIR/flowers $DATMO_DATA_DIR/train.py"],
        options=TaskOptions(data=["iris.csv>flowers", project.home / "train.py"]),
    )
    monkeypatch.chdir("/")
    again, _ = await project.tasks.rerun(first.id)
    assert await face.logs(again) == await face.logs(first) == "one\nprint('accuracy: 0.9')\n"
    assert "has changed" not in said.text
    (tmp_path / "iris.csv").write_text("other\n")
    again, _ = await project.tasks.rerun(first.id)
    assert "data 'flowers' has changed since" in said.text
    assert any("data 'flowers' has changed" in notice for notice in await face.value(again, "notices"))
    (tmp_path / "iris.csv").unlink()
    with pytest.raises(InvalidArgument, match=r"iris\.csv"):
        await project.tasks.rerun(first.id)


async def test_what_has_not_ended_or_is_not_there_is_refused(face: Face, project: Any) -> None:
    with pytest.raises(EntityNotFound):
        await project.tasks.rerun("zzzz")
    task_id = await unfinished_task(project)
    with pytest.raises(Refused):
        await project.tasks.rerun(task_id)


async def test_in_a_container_too(face: Face, home: Path, base_image: str) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\nCOPY train.py /copied.py\n")
    async with face.init(home, name="iris") as project:
        first = await project.tasks.run("python /copied.py", options=TaskOptions(user="root", network="none"))
        (home / "train.py").write_text("print('accuracy: 0.1')\n")
        (home / "Dockerfile").unlink()
        again, agreement = await project.tasks.rerun(first.id)
        assert await face.value(again, "results") == {"accuracy": 0.9}
        assert agreement.agrees
        assert set(await contents(face, again)) == {"task.log"}
        options = (await project.tasks.inspect(again.id))["options"]
        assert (options["user"], options["network"]) == ("root", "none")
    await face.cleanup(home)
