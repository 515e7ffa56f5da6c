"""Tasks in containers of a real engine: what they see, what they leave, and that nothing of them stays."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync

import datmo.aio
from datmo.errors import BuildFailed, EngineUnreachable, StartFailed
from datmo.runner.executors.docker import DockerExecutor
from tests.api.conftest import Said
from tests.api.face import AsyncFace, Face, contents
from tests.api.processes import script

pytestmark = pytest.mark.anyio
only_async = pytest.mark.parametrize("face", [AsyncFace()], ids=["async"])


@pytest.fixture
async def project(face: Face, home: Path, said: Said, base_image: str) -> AsyncIterator[Any]:
    """A project whose environment is a Dockerfile; its images are removed in the end."""
    (home / "Dockerfile").write_text(f"FROM {base_image}\nCOPY train.py /copied.py\n")
    async with face.init(home, name="iris", notice=said.append) as project:
        yield project
    if (home / ".datmo").exists():
        await face.cleanup(home)


async def test_a_dockerfile_means_a_container(face: Face, project: Any, home: Path, said: Said) -> None:
    (home / "run.py").write_text(
        "import os, pathlib, sys\n"
        "print('where', os.getcwd(), os.environ['DATMO_TASK_DIR'], os.environ['DATMO_DATA_DIR'])\n"
        "print('warning', file=sys.stderr)\n"
        "print('copied:', open('/copied.py').read().startswith('print'))\n"
        "pathlib.Path('/task/stats.json').write_text('{\"f1\": 0.5}')\n"
        "pathlib.Path('model.pkl').write_bytes(b'm')\n"
        "pathlib.Path('/data').iterdir()\n"
        "print('no newline', end='')\n"
    )
    task = await project.tasks.run("python run.py")
    assert (task.status, task.exit_code, task.executor) == ("SUCCESS", 0, "docker"), await face.logs(task)
    assert task.runs_on.startswith("a container of image")
    assert "the environment is a Dockerfile" in said.text
    assert task.results == {"copied": True, "f1": 0.5}
    logs = await face.logs(task)
    assert {"where /home /task /data", "warning", "copied: True", "no newline"} == set(logs.splitlines())
    assert set(await contents(face, task)) == {"model.pkl", "stats.json", "task.log"}
    made = await project.snapshots.create("in a container", task_id=task.id)
    assert made.stats == task.results
    assert [path.name for path in (home / ".datmo" / "tasks").iterdir()] == []


@only_async
async def test_what_the_image_does_otherwise_than_a_task_is_said(
    project: Any, home: Path, said: Said, base_image: str
) -> None:
    (home / "Dockerfile").write_text(
        f'FROM {base_image}\nWORKDIR /app\nUSER nobody\nENTRYPOINT ["python"]\nCMD ["x.py"]\n'
    )
    failed = await project.tasks.run("python train.py")
    assert failed.exit_code == 2
    assert any("ENTRYPOINT goes before the command: python; the command has it, too" in each for each in failed.notices)
    assert "starts in /home, where the code is, not in the image's WORKDIR /app" in said.text
    said.clear()
    await project.config.set("container.code", "/app")
    assert (await project.tasks.run("train.py")).status == "SUCCESS"
    assert "WORKDIR" not in said.text
    assert "the command has it, too" not in said.text


@only_async
async def test_an_images_own_user_can_write_and_what_it_wrote_is_ours(
    project: Any, home: Path, base_image: str
) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\nUSER nobody\n")
    (home / "lib").mkdir()
    (home / "lib" / "notes.txt").write_text("one\n")
    (home / "link").symlink_to("/etc/hostname")
    words = (
        "id -un; mkdir models; echo m > models/m; echo two >> lib/notes.txt; echo 3 > $DATMO_TASK_DIR/t; rm train.py"
    )
    task = await project.tasks.run(["sh", "-ec", words], options=datmo.aio.TaskOptions(user="image"))
    assert (task.status, await task.logs()) == ("SUCCESS", "nobody\n")
    found = await contents(AsyncFace(), task)
    assert found == {"models/m": b"m\n", "lib/notes.txt": b"one\ntwo\n", "t": b"3\n", "task.log": b"nobody\n"}
    assert [path.name for path in (home / ".datmo" / "tasks").iterdir()] == []


@only_async
async def test_an_images_own_user_is_no_stranger_where_files_are_made_for_their_owner_alone(
    project: Any, home: Path, base_image: str
) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\nUSER nobody\n")
    (home / "run.sh").write_text("#!/bin/sh\ncat $DATMO_CONFIG && python -c 'import datmo.task'\n")
    (home / "run.sh").chmod(0o700)
    before = os.umask(0o077)
    try:
        task = await project.tasks.run("./run.sh", options=datmo.aio.TaskOptions(user="image"))
    finally:
        os.umask(before)
    assert (task.status, await task.logs()) == ("SUCCESS", "{}")


@only_async
async def test_what_may_be_read_is_kept_where_nothing_can_be_handed_back(
    project: Any, home: Path, base_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def without_chown(*_: object) -> None:
        raise StartFailed("command not found: 'chown'", exit_code=127)

    monkeypatch.setattr(DockerExecutor, "hand_back", without_chown)
    (home / "Dockerfile").write_text(f"FROM {base_image}\nUSER nobody\n")
    words = ["sh", "-ec", "mkdir models; echo m > models/m"]
    task = await project.tasks.run(words, options=datmo.aio.TaskOptions(user="image"))
    assert await contents(AsyncFace(), task) == {"models/m": b"m\n", "task.log": b""}
    assert "its files could not be handed back: command not found: 'chown'" in task.notices


@only_async
async def test_what_only_buildkit_knows_is_refused_with_a_way_out(project: Any, home: Path, base_image: str) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\nRUN --mount=type=cache,target=/c true\n")
    with pytest.raises(BuildFailed) as caught:
        await project.tasks.run("true")
    assert "classic builder" in str(caught.value.hint)


@only_async
async def test_an_image_is_built_once_until_what_it_copies_changes(project: Any, home: Path) -> None:
    async def built() -> int:
        return len([event async for event in project.log.read(types=["environment.built"])])

    first = await project.tasks.run("true")
    (home / "notes.txt").write_text("nothing that the Dockerfile names")
    second = await project.tasks.run("true")
    assert (await built(), first.environment_id) == (1, second.environment_id)
    assert first.code_id != second.code_id
    (home / "train.py").write_text("print('changed')\n")
    third = await project.tasks.run(["cat", "/copied.py"])
    assert await built() == 2
    assert await third.logs() == "print('changed')\n"
    assert third.environment_id == first.environment_id
    (environment,) = await project.environments.ls()
    assert len(environment.builds) == 2
    assert all(build["image_id"].startswith("sha256:") for build in environment.builds.values())


@only_async
async def test_a_container_that_fails_keeps_its_log_and_code(project: Any) -> None:
    failed = await project.tasks.run(["sh", "-c", "echo said; exit 3"])
    missing = await project.tasks.run("no-such-program")
    assert [(each.status, each.exit_code) for each in (failed, missing)] == [("FAILED", 3), ("FAILED", 127)]
    assert await failed.logs() == "said\n"
    assert "no-such-program" in missing.reason


@only_async
async def test_a_failing_build_raises_and_is_recorded(project: Any, home: Path, base_image: str) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\nRUN echo about to fail && exit 9\n")
    with pytest.raises(BuildFailed) as caught:
        await project.tasks.run("true")
    assert "about to fail" in caught.value.output
    assert await project.tasks.ls() == []
    kinds = [event.type async for event in project.log.read(types=["environment.*"])]
    assert kinds == ["environment.created", "environment.build_started", "environment.build_failed"]


@only_async
async def test_edits_made_meanwhile_do_not_matter(project: Any, home: Path) -> None:
    (home / "slow.py").write_text("import sys\nprint('ready', flush=True)\nsys.stdout.write(open('train.py').read())\n")

    async def edit(stream: int, data: bytes) -> None:
        await run_sync((home / "train.py").write_text, "print('edited')\n")

    task = await project.tasks.run("python slow.py", live=edit)
    assert await task.logs() == "ready\nprint('accuracy: 0.9')\n"
    assert (home / "train.py").read_text() == "print('edited')\n"


@only_async
async def test_cancelling_ends_the_container(project: Any, engine: str) -> None:
    running = anyio.Event()

    async def live(stream: int, data: bytes) -> None:
        running.set()

    async def run() -> None:
        await project.tasks.run(["sh", "-c", "trap 'exit 0' TERM; echo running; sleep 600 & wait"], live=live)

    async with anyio.create_task_group() as workers:
        workers.start_soon(run)
        await running.wait()
        workers.cancel_scope.cancel()
    (task,) = await project.tasks.ls()
    assert (task.status, await task.logs()) == ("STOPPED", "running\n")
    async with DockerExecutor(engine) as docker:
        assert [each for each in await docker.containers() if each.task_id == task.id] == []


@only_async
async def test_a_project_without_a_dockerfile_runs_in_a_container_where_it_is_asked_for(
    project: Any, home: Path
) -> None:
    (home / "Dockerfile").unlink()
    (home / "requirements.txt").write_text("# nothing to install\n")
    task = await project.tasks.run(["python", "-c", "import os; print('home', os.getcwd())"], executor="docker")
    assert (task.status, task.executor, await task.logs()) == ("SUCCESS", "docker", "home /home\n")


@only_async
async def test_cleanup_removes_the_images(face: Face, project: Any, home: Path, engine: str) -> None:
    await project.tasks.run("true")
    plan = await project.cleanup_plan()
    assert any(line.startswith("1 image: datmo/") for line in plan)
    assert await face.cleanup(home) == plan
    async with DockerExecutor(engine) as docker:
        assert await docker.images.list(f"datmo.project={project.id}") == []


@only_async
async def test_where_no_engine_answers_it_says_so_before_anything_is_recorded(
    home: Path, face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nowhere.sock")
    (home / "Dockerfile").write_text("FROM python:3.11-slim\n")
    async with datmo.aio.init(home) as project:
        before = (await project.log.head())[0]
        with pytest.raises(EngineUnreachable, match=r"nowhere\.sock") as caught:
            await project.tasks.run("true")
        assert "--executor process" in str(caught.value.hint)
        assert (await project.log.head())[0] == before
        assert (await project.tasks.run("true", executor="process")).status == "SUCCESS"


@only_async
async def test_a_container_whose_supervisor_was_killed_is_finished_by_whoever_comes_next(
    project: Any, home: Path
) -> None:
    (home / "count.sh").write_text(
        "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo $i; echo e$i >&2; done; touch made\n"
    )
    source = "import datmo; datmo.task.run('sh count.sh')"
    supervisor = script(source, cwd=home)
    async for _ in project.log.follow(after=0, types=["task.output"]):
        break
    supervisor.kill()
    await run_sync(supervisor.communicate)
    async with datmo.aio.open(home) as other, anyio.create_task_group() as workers:
        workers.start_soon(other.tasks.recover)
        workers.start_soon(project.tasks.recover)
    (task,) = await project.tasks.ls()
    assert (task.status, task.exit_code) == ("SUCCESS", 0)
    lines = (await task.logs()).splitlines()
    assert [line for line in lines if not line.startswith("e")] == [str(number) for number in range(1, 2001)]
    assert [line for line in lines if line.startswith("e")] == [f"e{number}" for number in range(1, 2001)]
    assert set(await contents(AsyncFace(), task)) == {"made", "task.log"}
    async with DockerExecutor() as docker:
        assert await docker.containers(f"datmo.task={task.id}") == []


@only_async
async def test_an_image_without_datmo_says_what_it_does(project: Any, home: Path, base_image: str) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\nENV PYTHONPATH=/opt/own\nCOPY own.py /opt/own/own.py\n")
    (home / "own.py").write_text("name = 'own'\n")
    (home / "train.py").write_text(
        "import datmo, own\n"
        "task = datmo.task.current()\n"
        "for step in range(1000):\n"
        "    task.log(step=step, loss=step)\n"
        "task.log_results(accuracy=0.5)\n"
        "open('/tmp/model.pt', 'w').write('weights')\n"
        "task.log_artifact('/tmp/model.pt')\n"
        "print(own.name, datmo.__file__, task.id)\n"
    )
    task = await project.tasks.run("python train.py")
    logs = await task.logs()
    assert logs == f"own /datmo/python/datmo/__init__.py {task.id}\n"
    assert (task.status, task.results) == ("SUCCESS", {"accuracy": 0.5})
    known = await project.tasks.inspect(task.id)
    assert (known["metrics"]["loss"]["count"], known["metrics"]["loss"]["last"]) == (1000, 999)
    assert {file.name for file in await task.files()} == {"model.pt", "task.log"}
