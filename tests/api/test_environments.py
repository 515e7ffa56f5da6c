"""Environments as things of their own: which is in use, built ahead of time, compared, deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datmo.errors import BuildFailed, EngineUnreachable, EntityNotFound, EnvironmentInvalid, Refused
from tests.api.conftest import Said
from tests.api.face import Face
from tests.api.tasks import unfinished_task

pytestmark = pytest.mark.anyio


async def events(project: Any) -> list[str]:
    return [event.type async for event in project.log.read(types=["environment.*"])]


async def test_which_is_in_use_and_why_and_nothing_is_recorded(project: Any, home: Path) -> None:
    before = await project.log.head()
    found = await project.environments.current()
    assert (found.environment.kind, found.executor, found.recorded) == ("interpreter", "process", False)
    assert "the project has no definition" in found.reason
    (home / "requirements.txt").write_text("six==1.16.0\n")
    (home / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    found = await project.environments.current()
    assert (found.environment.kind, found.reason) == ("requirements", "requirements.txt in the project's root")
    assert found.executor_reason == "the environment needs no container"
    assert found.notices == ("requirements.txt is the environment; not used: pyproject.toml",)
    (home / "Dockerfile").write_text("FROM scratch\n")
    assert (await project.environments.current()).executor == "docker"
    assert (await project.environments.current("requirements.txt")).executor == "process"
    await project.config.set("executor", "process")
    found = await project.environments.current()
    assert (found.environment.kind, found.executor) == ("dockerfile", "process")
    assert await project.environments.ls() == []
    assert await events(project) == []
    assert await project.log.head() != before  # the setting, and only it
    with pytest.raises(EnvironmentInvalid):
        await project.environments.current("nowhere/Dockerfile")


async def test_one_is_built_ahead_of_time_with_its_packages(project: Any, home: Path, said: Said) -> None:
    (home / "requirements.txt").write_text("six==1.16.0\n")
    made = await project.environments.create()
    assert made.kind == "requirements"
    assert "six==1.16.0" in made.packages
    assert (await project.environments.current()).recorded
    assert "ready: a virtual environment (built)" in said.text
    assert await events(project) == ["environment.created", "environment.built"]
    task = await project.tasks.run(["python", "-c", "import six; print('six:', six.__version__)"])
    assert (task.environment_id, task.runs_on) == (made.id, "a virtual environment (cached)")
    again = await project.environments.create()
    assert again == made
    assert await events(project) == ["environment.created", "environment.built"]
    known = await project.environments.inspect(made.id[:8])
    assert (known["id"], known["definition"], known["tasks"], known["snapshots"]) == (made.id, "requirements.txt", 1, 0)
    assert known["packages"] == list(made.packages)


async def test_one_may_be_recorded_without_building_it(project: Any, home: Path) -> None:
    (home / "requirements.txt").write_text("six==99\n")
    made = await project.environments.create(build=False)
    assert (made.builds, made.packages) == ({}, ())
    with pytest.raises(BuildFailed):
        await project.environments.create()
    assert await project.environments.ls() == [made]


async def test_an_image_is_built_ahead_of_time(face: Face, project: Any, home: Path, base_image: str) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\nCOPY train.py /\n")
    try:
        made = await project.environments.create()
        (build,) = made.builds.values()
        assert build["image_id"].startswith("sha256:")
        assert any(package.startswith("pip==") for package in made.packages)
        task = await project.tasks.run("true")
        assert task.environment_id == made.id
        assert task.runs_on.endswith("(cached)")
        await project.environments.delete(made.id)
        again = await project.environments.create()
        assert (await events(project)).count("environment.built") == 2
        assert again == made
    finally:
        await face.cleanup(home)


async def test_where_no_engine_answers_nothing_is_recorded(
    project: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    (home / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(EngineUnreachable):
        await project.environments.create()
    assert await project.environments.ls() == []


async def test_two_are_compared(project: Any, home: Path) -> None:
    (home / "requirements.txt").write_text("six==1.16.0\n")
    one = await project.environments.create()
    (home / "requirements.txt").write_text("six==1.15.0\n")
    other = await project.environments.create()
    found = await project.environments.diff(one.id, other.id[:10])
    assert [(each.key, each.before, each.after) for each in found.packages] == [("six", "1.16.0", "1.15.0")]
    (definition,) = found.definitions
    assert (definition.path, definition.kind) == ("requirements.txt", "changed")
    assert "-six==1.16.0\n+six==1.15.0\n" in definition.patch
    assert (found.platform, found.same) == ((), False)
    assert (await project.environments.diff(one.id, one.id)).same


async def test_a_deleted_one_is_hidden_and_built_again_where_it_is_needed(project: Any, home: Path) -> None:
    (home / "requirements.txt").write_text("six==1.16.0\n")
    made = await project.environments.create()
    snapshot = await project.snapshots.create("kept")
    folder = home / ".datmo" / "environments"
    assert list(folder.iterdir()) != []
    assert await project.environments.delete(made.id[:8]) == made
    assert list(folder.iterdir()) == []
    assert await project.environments.ls() == []
    with pytest.raises(EntityNotFound, match="environment"):
        await project.environments.get(made.id)
    assert (await project.snapshots.inspect(snapshot.id))["environment"]["described"] == "requirements.txt"
    task = await project.tasks.run(["python", "-c", "import six"])
    assert (task.status, task.environment_id) == ("SUCCESS", made.id)
    assert await project.environments.ls() == [made]
    assert (await project.log.replay()).different == ()


async def test_one_in_which_a_task_runs_stays(project: Any) -> None:
    made = await project.environments.create(build=False)
    task = await unfinished_task(project, made.id)
    with pytest.raises(Refused, match=f"task {task} runs in the environment"):
        await project.environments.delete(made.id)
    assert await project.environments.ls() == [made]


async def test_an_unknown_one_is_named(project: Any) -> None:
    for call in (project.environments.get, project.environments.inspect, project.environments.delete):
        with pytest.raises(EntityNotFound, match="'feed'") as caught:
            await call("feed")
        assert caught.value.hint == "`datmo environment ls` shows the ids"


# A proposal


async def test_a_proposal_is_made_of_what_the_code_imports(project: Any, home: Path) -> None:
    (home / "model").mkdir()
    (home / "model" / "__init__.py").write_text("")
    (home / "train.py").write_text(
        "import os, json.decoder\nimport anyio.abc\nfrom sklearn import datasets\nimport model\nfrom . import other\n"
        "import helper\nfrom yaml import safe_load\n"
    )
    (home / "helper.py").write_text("import pytest\n")
    (home / "broken.py").write_text("import (\n")
    (home / "look.ipynb").write_text(
        '{"cells": [{"cell_type": "code", "source": ["%matplotlib inline\\n", "import hypothesis\\n"]},'
        ' {"cell_type": "markdown", "source": "import nothing"}]}'
    )
    (home / ".venv").mkdir()
    (home / ".venv" / "elsewhere.py").write_text("import flask\n")
    found = await project.environments.setup()
    assert (found.name, found.written) == ("requirements.txt", False)
    lines = found.text.splitlines()
    assert [line.partition("==")[0] for line in lines] == ["anyio", "hypothesis", "pytest", "pyyaml", "scikit-learn"]
    assert "==" in lines[0]
    assert "a guess, from what 4 files of the project import" in found.reason
    assert found.notices[-1] == "not read, as no valid Python: broken.py"
    assert not (home / "requirements.txt").exists()


async def test_a_proposal_is_written_where_it_is_asked_for(project: Any, home: Path) -> None:
    found = await project.environments.setup(write=True)
    assert found.written
    assert (home / "requirements.txt").read_text() == found.text == ""
    with pytest.raises(Refused, match=r"environment already: requirements\.txt"):
        await project.environments.setup(write=True)
    found = await project.environments.setup(dockerfile=True, write=True)
    assert (home / "Dockerfile").read_text() == found.text
    assert "COPY requirements.txt" in found.text
    assert (await project.environments.current()).environment.kind == "dockerfile"
    with pytest.raises(Refused, match="environment already: Dockerfile"):
        await project.environments.setup(dockerfile=True)


async def test_a_setting_says_which_definition_it_is(project: Any, home: Path) -> None:
    (home / "docker").mkdir()
    (home / "docker" / "Dockerfile").write_text("FROM scratch\n")
    (home / "requirements.txt").write_text("")
    await project.config.set("environment", "docker/Dockerfile")
    found = await project.environments.current()
    assert (found.environment.described, found.executor) == ("docker/Dockerfile", "docker")
    assert found.reason == "docker/Dockerfile as the setting `environment` says"
    kept = await project.snapshots.create("of the folder")
    assert (kept.environment_id, (await project.status()).changes.same) == (found.environment.id, True)
    (home / "docker" / "Dockerfile").write_text("FROM scratch\nENV CHANGED=yes\n")
    assert (await project.status()).changes.environment[0] == found.environment.id
    given = await project.environments.current("requirements.txt")
    assert given.environment.kind == "requirements"
    (home / "docker" / "Dockerfile").unlink()
    with pytest.raises(EnvironmentInvalid) as caught:
        await project.environments.current()
    assert "datmo config get environment" in str(caught.value.hint)
    await project.config.unset("environment")
    assert (await project.environments.current()).environment.kind == "requirements"


@pytest.mark.parametrize("setting", ["docker/Dockerfile", "docker"])
async def test_what_has_changed_is_told_by_the_setting(project: Any, home: Path, setting: str) -> None:
    (home / "requirements.txt").write_text("")
    kept = await project.snapshots.create("with packages")
    (home / "docker").mkdir()
    (home / "docker" / "Dockerfile").write_text("FROM scratch\n")
    await project.config.set("environment", setting)
    found = await project.environments.current()
    assert (await project.status()).changes.environment == (kept.environment_id, found.environment.id)
