"""What a task may use and is given: the same by both APIs, recorded but for secrets, refused before anything runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import datmo.aio
from datmo.aio import TaskOptions, TaskSpec
from datmo.errors import InvalidArgument
from tests.api.conftest import Said
from tests.api.face import Face, contents

pytestmark = pytest.mark.anyio


async def options_of(project: Any, task: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await project.tasks.inspect(task.id))["options"]
    return found


async def test_data_is_read_where_it_lies_and_recorded(face: Face, project: Any, home: Path, tmp_path: Path) -> None:
    (tmp_path / "flowers").mkdir()
    (tmp_path / "flowers" / "iris.csv").write_text("setosa\n")
    options = TaskOptions(data=[f"{tmp_path}/flowers>plants", home / "train.py"])
    task = await project.tasks.run(["sh", "-c", "cd $DATMO_DATA_DIR; ls; cat plants/iris.csv"], options=options)
    assert await face.logs(task) == "plants\ntrain.py\nsetosa\n"
    recorded = (await options_of(project, task))["data"]
    assert {name: each["path"] for name, each in recorded.items()} == {
        "plants": f"{tmp_path}/flowers",
        "train.py": "train.py",
    }
    assert (recorded["plants"]["files"], recorded["plants"]["size"]) == (1, 7)
    assert (tmp_path / "flowers" / "iris.csv").exists()


READS_IN_PLACE = (
    "import pathlib\n"
    "print('rows:', len(pathlib.Path('data/train.csv').read_text().splitlines()))\n"
    "pathlib.Path('model.txt').write_text('m')\n"
)


@pytest.mark.parametrize("where", ["process", "docker"])
async def test_data_of_the_project_is_where_the_code_looks_for_it(
    face: Face, home: Path, said: Said, base_image: str, where: str
) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\n")
    (home / ".gitignore").write_text("data/\n")
    (home / "data").mkdir()
    (home / "data" / "train.csv").write_text("1\n2\n3\n")
    (home / "read.py").write_text(READS_IN_PLACE)
    async with face.init(home, notice=said.append) as project:
        failed = await project.tasks.run("python read.py", executor=where)
        assert await face.value(failed, "status") == "FAILED"
        assert "data/train.csv is ignored, so that it is no part of the code: `--data data` lets" in said.text
        await project.tasks.run("python read.py", executor=where)
        assert said.text.count("is ignored") == 1
        options = TaskOptions(data={"data": home / "data", "rows": home / "data" / "train.csv"})
        task = await project.tasks.run("python read.py", executor=where, options=options)
        again, agreement = await project.tasks.rerun(task.id)
        assert agreement.agrees
        for each in (task, again):
            assert await face.value(each, "results") == {"rows": 3}, await face.logs(each)
            assert set(await contents(face, each)) == {"model.txt", "task.log"}
            assert not any("left out" in notice for notice in await face.value(each, "notices"))
    assert (home / "data" / "train.csv").read_text() == "1\n2\n3\n"
    await face.cleanup(home)


async def test_what_a_task_did_not_find_and_is_nowhere_is_not_spoken_of(
    face: Face, project: Any, home: Path, said: Said
) -> None:
    (home / ".gitignore").write_text("data/\nbad\n")
    (home / "data").mkdir()
    (home / "bad").write_text("")
    for command in ("cat gone.csv data/gone.csv", "cat train.py/x", "sh -c 'echo bad data; exit 1'", "sh -c 'exit 3'"):
        await project.tasks.run(command)
    assert "is ignored" not in said.text


async def test_a_module_that_the_environment_lacks_is_spoken_of(
    face: Face, project: Any, home: Path, said: Said
) -> None:
    (home / "needs.py").write_text("import no_such_module.deep\n")
    await project.tasks.map(["python needs.py"] * 2)
    assert said.text.count("no_such_module is not in the Python that runs datmo") == 1
    assert "`datmo environment setup --write`" in said.text
    (home / "requirements.txt").write_text("six==1.16.0\n")
    await project.tasks.run("python needs.py")
    assert "no_such_module is not in the environment: does requirements.txt name" in said.text


async def test_variables_reach_the_task_and_secrets_no_record(face: Face, project: Any, home: Path) -> None:
    options = TaskOptions(variables={"API_KEY": "hush-hush", "WORDS": "two words"})
    task = await project.tasks.run(["sh", "-c", 'echo "length: ${#API_KEY}"; echo "words: $WORDS"'], options=options)
    assert await face.value(task, "results") == {"length": 9, "words": "two words"}
    assert (await options_of(project, task))["variables"] == {"API_KEY": None, "WORDS": "two words"}
    for path in (home / ".datmo").rglob("*"):
        assert not path.is_file() or b"hush-hush" not in path.read_bytes(), path


async def test_parameters_are_in_a_file_too(face: Face, project: Any) -> None:
    parameters = {"lr": 0.1, "layers": [1, 2], "name": "ü"}
    spec = TaskSpec(["sh", "-c", "cat $DATMO_CONFIG; echo; echo config: $DATMO_PARAM_LR"], parameters=parameters)
    (task,) = await project.tasks.map([spec])
    first, second = (await face.logs(task)).splitlines()
    assert (json.loads(first), second) == (parameters, "config: 0.1")
    assert await face.value(task, "config") == parameters


async def test_it_starts_in_a_folder_of_the_code(face: Face, project: Any, home: Path) -> None:
    (home / "sub").mkdir()
    (home / "sub" / "here").write_text("")
    task = await project.tasks.run("ls", options=TaskOptions(workdir="sub"))
    assert await face.logs(task) == "here\n"
    missing = await project.tasks.run("ls", options=TaskOptions(workdir="nowhere"))
    assert await face.value(missing, "status") == "FAILED"
    assert "'nowhere'" in await face.value(missing, "reason")


@pytest.mark.parametrize("command", ["sleep 600", "trap 'exit 0' TERM; echo up; sleep 600 & wait"])
async def test_what_takes_too_long_has_failed_whatever_it_says(face: Face, project: Any, command: str) -> None:
    task = await project.tasks.run(["sh", "-c", command], options=TaskOptions(timeout="0.5s"))
    assert await face.value(task, "status") == "FAILED"
    assert await face.value(task, "reason") == "it ran longer than its time limit of 0.5 s"
    in_time = await project.tasks.run("true", options=TaskOptions(timeout=600))
    assert await face.value(in_time, "status") == "SUCCESS"


@pytest.mark.parametrize(
    "options",
    [
        TaskOptions(data=["no-such-file"]),
        TaskOptions(mem_limit="1g"),
        TaskOptions(cpus=1),
        TaskOptions(network="none"),
        TaskOptions(user="root"),
        TaskOptions(workdir="/code"),
        TaskOptions(gpus=1),
        TaskOptions(timeout="soon"),
    ],
    ids=repr,
)
async def test_what_a_process_cannot_be_given_is_refused_first(
    face: Face, project: Any, options: TaskOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datmo.capture.machine._gpus", lambda folder: iter(()))
    before = await project.log.head()
    with pytest.raises(InvalidArgument):
        await project.tasks.run("true", options=options)
    assert await project.log.head() == before
    with pytest.raises(InvalidArgument):
        await project.tasks.map(["true"], options=options)


@pytest.fixture
def dockerfile(home: Path, base_image: str) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\n")
    (home / "sub").mkdir()
    (home / "sub" / "here").write_text("")


async def test_a_container_is_given_all_of_them(dockerfile: None, face: Face, home: Path, tmp_path: Path) -> None:
    (tmp_path / "iris.csv").write_text("setosa\n")
    script = (
        "pwd; cat /data/iris.csv; echo x 2>/dev/null > /data/iris.csv || echo read-only; id -u; cat $DATMO_CONFIG\n"
        "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; ls /sys/class/net\n"
        "echo $SECRET"
    )
    options = TaskOptions(
        data=[tmp_path / "iris.csv"],
        mem_limit="64m",
        cpus=0.5,
        network="none",
        user="root",
        workdir="/code",
        variables={"SECRET": "hush"},
    )
    async with face.init(home, name="iris") as project:
        task = await project.tasks.run(["sh", "-c", script], options=options)
        wanted = ["/code", "setosa", "read-only", "0", "{}" + str(64 << 20), "lo", "hush"]
        assert (await face.logs(task)).splitlines() == wanted, await face.value(task, "reason")
        inside = await project.tasks.run("ls", options=TaskOptions(workdir="sub"))
        assert await face.logs(inside) == "here\n"
        recorded = await options_of(project, task)
        assert recorded["variables"] == {"SECRET": None}
        assert (recorded["user"], recorded["code_at"], recorded["memory"]) == ("root", "/code", 64 << 20)
    await face.cleanup(home)


async def test_what_a_container_cannot_be_given_is_refused_first(dockerfile: None, face: Face, home: Path) -> None:
    async with face.init(home, name="iris") as project:
        before = await project.log.head()
        with pytest.raises(InvalidArgument, match="none"):
            await project.tasks.run("true", ports=["8080:80"], options=TaskOptions(network="none"))
        assert await project.log.head() == before
        task = await project.tasks.run("true", options=TaskOptions(gpus=1))
        if not os.path.exists("/proc/driver/nvidia"):
            assert (await face.value(task, "status"), await face.value(task, "exit_code")) == ("FAILED", 125)
            assert "no GPU can be given" in await face.value(task, "reason")
    await face.cleanup(home)


async def test_options_are_options(project: datmo.aio.Project) -> None:
    with pytest.raises(InvalidArgument):
        await project.tasks.run("true", options={"cpus": 1})  # type: ignore[arg-type]
