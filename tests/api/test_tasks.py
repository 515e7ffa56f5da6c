"""Tasks by the process executor: what runs where, on which code, and what is recorded of it."""

from __future__ import annotations

import os
import stat
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from datmo.core.ids import is_id
from datmo.errors import (
    AmbiguousId,
    BuildFailed,
    EntityNotFound,
    EnvironmentInvalid,
    InvalidArgument,
    InvalidArgumentType,
)
from tests.api.conftest import Git, Said
from tests.api.face import Face, contents
from tests.api.tasks import unfinished_task

pytestmark = pytest.mark.anyio


async def test_a_task_has_all_that_the_seed_names(face: Face, project: Any) -> None:
    task = await project.tasks.run("python train.py", name="first")
    assert is_id(task.id)
    assert (task.model_id, task.command, task.status, task.name) == (project.id, "python train.py", "SUCCESS", "first")
    assert (task.results, task.config, task.exit_code, task.reason) == ({"accuracy": 0.9}, {}, 0, None)
    assert task.created_at <= task.start_time <= task.end_time
    assert task.duration == (task.end_time - task.start_time) / timedelta(seconds=1)
    assert isinstance(task.duration, float)
    assert task.ended
    assert await face.logs(task) == "accuracy: 0.9\n"
    assert await project.tasks.get(task.id) == task
    assert await face.now(task) == task


async def test_equal_means_the_same_task_and_str_shows_what_it_is(project: Any) -> None:
    one, other = [await project.tasks.run("true") for _ in range(2)]
    again = await project.tasks.get(one.id)
    assert again == one != other
    assert len({one, again, other}) == 2
    for shown in (one.id, one.session_id, "true"):
        assert shown in str(one)


# The command


async def test_a_string_is_split_as_a_shell_splits_and_a_list_is_taken_as_it_is(face: Face, project: Any) -> None:
    split = await project.tasks.run("printf '%s|' a 'b c' \"$HOME\" *.py")
    listed = await project.tasks.run(["printf", "%s|", "a", "b c", "$HOME", "*.py"])
    assert await face.logs(split) == await face.logs(listed) == "a|b c|$HOME|*.py|"
    assert listed.command == "printf '%s|' a 'b c' '$HOME' '*.py'"


async def test_a_word_that_only_a_shell_understands_is_passed_on_with_a_notice(face: Face, project: Any) -> None:
    task = await project.tasks.run("echo a | tee b")
    assert await face.logs(task) == "a | tee b\n"
    assert any("no shell runs this, so the program is given '|' as it is" in notice for notice in task.notices)


@pytest.mark.parametrize("command", ["", "  ", [], [""], "echo 'unclosed", "echo \0"])
async def test_no_command_is_an_error_before_anything_runs(project: Any, command: Any) -> None:
    with pytest.raises(InvalidArgument):
        await project.tasks.run(command)
    assert await project.tasks.ls() == []


@pytest.mark.parametrize("command", [None, 3, [1, 2], b"true", {"a": 1}], ids=repr)
async def test_a_command_is_text_or_words(project: Any, command: Any) -> None:
    with pytest.raises(InvalidArgumentType, match="list of words"):
        await project.tasks.run(command)


async def test_an_environment_is_named_by_a_path(project: Any) -> None:
    with pytest.raises(InvalidArgumentType, match="env is a path, not 3"):
        await project.tasks.run("true", env=3)


async def test_words_may_hold_bytes_that_are_not_utf8(face: Face, project: Any) -> None:
    task = await project.tasks.run(["printf", "%s", os.fsdecode(b"caf\xe9")])
    assert task.status == "SUCCESS"
    assert await face.logs(task) == "caf�"
    assert task.command == "printf %s 'caf\\udce9'"


# Where it runs, on what


async def test_it_runs_on_a_checkout_of_its_own(face: Face, project: Any, home: Path) -> None:
    (home / "data").mkdir()
    (home / "data" / "untracked.csv").write_text("1,2")
    task = await project.tasks.run(["sh", "-c", "pwd; cat data/untracked.csv; echo changed > train.py; rm -r data"])
    where, _, rest = (await face.logs(task)).partition("\n")
    assert where == str(home / ".datmo" / "tasks" / task.id / "code")
    assert rest == "1,2"
    assert (home / "train.py").read_text() == "print('accuracy: 0.9')\n"
    assert (home / "data" / "untracked.csv").exists()


async def test_the_code_of_the_task_is_that_of_the_tree(project: Any, home: Path, git: Git) -> None:
    clean = await project.tasks.run("true")
    (home / "train.py").write_text("print('accuracy: 1')\n")
    dirty = await project.tasks.run("true")
    assert clean.code_id == git("rev-parse", "HEAD") != dirty.code_id
    assert (await project.snapshots.create("same tree")).code_id == dirty.code_id


async def test_what_it_is_told(face: Face, project: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNING_RATE", "0.1")
    names = ("DATMO_TASK_ID", "DATMO_TASK_DIR", "DATMO_DATA_DIR", "LEARNING_RATE")
    task = await project.tasks.run(["sh", "-c", "; ".join(f'echo "${name}"' for name in names)])
    folder = home / ".datmo" / "tasks" / task.id
    assert (await face.logs(task)).split() == [task.id, str(folder / "files"), str(folder / "data"), "0.1"]


async def test_python_is_the_one_that_runs_datmo_where_no_definition_says_otherwise(face: Face, project: Any) -> None:
    task = await project.tasks.run(["python", "-c", "import sys; print(sys.executable, file=sys.stderr)"])
    assert Path((await face.logs(task)).strip()).parent == Path(sys.executable).parent
    assert (task.executor, task.runs_on) == ("process", f"this Python {sys.version.split()[0]}")


async def test_where_it_runs_and_why_is_said_and_recorded(project: Any, said: Said) -> None:
    task = await project.tasks.run("true")
    assert list(task.notices) == list(said)
    assert f"captured code {task.code_id[:7]} · environment {task.environment_id[:7]}" in said.text
    assert "the environment needs no container" in said.text


async def test_an_executor_can_be_asked_for(project: Any, home: Path, said: Said) -> None:
    (home / "Dockerfile").write_text("FROM no/such:image\n")
    task = await project.tasks.run("true", executor="process")
    assert (task.executor, task.status) == ("process", "SUCCESS")
    assert "the Dockerfile is not used" in said.text
    with pytest.raises(InvalidArgument, match="no executor 'slurm'"):
        await project.tasks.run("true", executor="slurm")


async def test_requirements_are_installed_once_and_in_force(face: Face, project: Any, home: Path) -> None:
    (home / "requirements.txt").write_text("six==1.16.0\n")
    first = await project.tasks.run(["python", "-c", "import six; print('six:', six.__version__)"])
    second = await project.tasks.run(["python", "-c", "import sys; print('prefix', sys.prefix)"])
    assert first.status == "SUCCESS", await face.logs(first)
    assert first.results == {"six": "1.16.0"}
    assert (first.runs_on, second.runs_on) == ("a virtual environment (built)", "a virtual environment (cached)")
    assert str(home / ".datmo" / "environments") in await face.logs(second)
    built = [event.type async for event in project.log.read(types=["environment.*"])]
    assert built == ["environment.created", "environment.built"]


async def test_an_environment_that_cannot_be_built_raises_and_is_recorded(project: Any, home: Path) -> None:
    (home / "requirements.txt").write_text("six==99.0\n")
    with pytest.raises(BuildFailed, match=r"requirements\.txt"):
        await project.tasks.run("true")
    assert await project.tasks.ls() == []
    kinds = [event.type async for event in project.log.read(types=["environment.*"])]
    assert kinds == ["environment.created", "environment.build_failed"]


async def test_a_definition_that_is_not_there_raises(project: Any) -> None:
    with pytest.raises(EnvironmentInvalid, match="nowhere"):
        await project.tasks.run("true", env="nowhere/Dockerfile")


async def test_a_process_cannot_be_given_another_port_than_the_hosts(project: Any) -> None:
    for wrong in ("8888:80", "127.0.0.1:8888:80"):
        with pytest.raises(InvalidArgument, match="8888:80"):
            await project.tasks.run("true", ports=[wrong])
    for wrong in ("", "a:b", "0:0", "70000:70000", "1:2:3:4:"):
        with pytest.raises(InvalidArgument, match="port mapping"):
            await project.tasks.run("true", ports=[wrong])
    with pytest.raises(InvalidArgumentType, match="list"):
        await project.tasks.run("true", ports="8888:8888")
    assert await project.tasks.ls() == []
    assert (await project.tasks.run("true", ports=["8888", "8889:8889"])).status == "SUCCESS"


async def test_gpu_is_a_wish(project: Any, said: Said) -> None:
    task = await project.tasks.run("true", gpu=True)
    assert task.status == "SUCCESS"
    (environment,) = await project.environments.ls()
    assert environment.hardware["gpus"] or "no GPU found here: it runs without" in task.notices


# Output and results


async def test_both_streams_are_recorded_and_no_line_breaks_another(face: Face, project: Any) -> None:
    script = (
        "import os\n"
        "os.write(1, b'half of ')\n"
        "os.write(2, b'a warning\\n')\n"
        "os.write(1, b'a line\\n')\n"
        "os.write(2, b'no end')\n"
    )
    task = await project.tasks.run(["python", "-c", script])
    assert sorted((await face.logs(task)).splitlines()) == ["a warning", "half of a line", "no end"]


async def test_results_are_numbers_where_they_are_numbers(project: Any) -> None:
    lines = ["loss: 0.25", " epochs :  12 ", "rate: 1e-4", "name: adam", "done: True", "time: 12:30", "loss: 0.125"]
    task = await project.tasks.run(["printf", "%s\\n", *lines])
    assert task.results == {"loss": 0.125, "epochs": 12, "rate": 1e-4, "name": "adam", "done": True}


async def test_stats_json_is_merged_into_the_results(project: Any) -> None:
    stats = '{"accuracy": 0.9, "deep": [1, {}]}'
    script = f"echo 'accuracy: 0.5'; echo 'loss: 1'; echo '{stats}' > $DATMO_TASK_DIR/stats.json"
    task = await project.tasks.run(["sh", "-c", script])
    assert task.results == {"accuracy": 0.9, "loss": 1, "deep": [1, {}]}


async def test_config_json_becomes_the_config(project: Any) -> None:
    task = await project.tasks.run(["sh", "-c", "echo '{\"lr\": 0.1}' > config.json"])
    assert task.config == {"lr": 0.1}


async def test_the_projects_own_config_json_is_not_the_tasks(project: Any, home: Path) -> None:
    (home / "config.json").write_text('{"of": "the project"}')
    assert (await project.tasks.run("true")).config == {}


@pytest.mark.parametrize(
    "written",
    ["{", "[1]", "[" * 100_000, '{"\\ud800": 1}', '{"big": 1' + "0" * 400 + "}", '{"nan": NaN, "s": "\\udfff"}'],
)
async def test_whatever_a_task_writes_it_ends_as_it_ended(project: Any, home: Path, written: str) -> None:
    (home / "written.json").write_text(written)
    task = await project.tasks.run(["sh", "-c", "cp written.json $DATMO_TASK_DIR/stats.json; echo 'loss: 1'"])
    assert task.status == "SUCCESS"
    assert task.results["loss"] == 1
    assert (await project.log.replay()).different == ()


# Files


async def test_its_files_are_what_it_wrote_and_its_log(face: Face, project: Any, home: Path) -> None:
    (home / "kept.txt").write_text("as it was")
    (home / "helper.py").write_text("value = 1\n")
    script = (
        "import os, pathlib, helper\n"
        "task = pathlib.Path(os.environ['DATMO_TASK_DIR'])\n"
        "(task / 'sub').mkdir()\n"
        "(task / 'sub' / 'weights.bin').write_bytes(b'w')\n"
        "pathlib.Path('out').mkdir()\n"
        "pathlib.Path('out/model.pkl').write_bytes(b'm')\n"
        "pathlib.Path('train.py').write_text('changed')\n"
        "print('hello')\n"
    )
    (home / "run.py").write_text(script)
    task = await project.tasks.run("python run.py")
    assert await contents(face, task) == {
        "out/model.pkl": b"m",
        "sub/weights.bin": b"w",
        "task.log": b"hello\n",
        "train.py": b"changed",
    }
    assert [path.name for path in (home / ".datmo" / "tasks").iterdir()] == []
    with pytest.raises(InvalidArgumentType):
        await face.opened(task, "w")


async def test_what_cannot_be_kept_is_said(face: Face, project: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the host's")
    script = f"cd $DATMO_TASK_DIR; ln -s {tmp_path}/secret link; mkfifo pipe; echo kept > kept.txt"
    task = await project.tasks.run(["sh", "-c", script])
    assert set(await contents(face, task)) == {"kept.txt", "task.log"}
    assert any("link" in notice for notice in task.notices)
    assert any("pipe" in notice for notice in task.notices)


async def test_folders_that_it_made_read_only_are_removed_too(project: Any, home: Path) -> None:
    task = await project.tasks.run(["sh", "-c", "mkdir -p deep/er; touch deep/er/file; chmod -R a-w deep"])
    assert task.status == "SUCCESS"
    assert list((home / ".datmo" / "tasks").iterdir()) == []


async def test_a_task_that_has_not_ended_has_no_files(face: Face, project: Any) -> None:
    task = await project.tasks.get(await unfinished_task(project))
    values = [await face.value(task, name) for name in ("status", "start_time", "duration", "exit_code")]
    assert values == ["CREATED", None, None, None]
    assert await contents(face, task) == {}
    assert await face.logs(task) == ""


async def test_files_that_cannot_be_collected_are_said_and_do_not_change_how_it_ended(face: Face, project: Any) -> None:
    task = await project.tasks.run(["sh", "-c", "echo 'loss: 1'; rmdir $DATMO_TASK_DIR"])
    assert (task.status, task.results, await face.logs(task)) == ("SUCCESS", {"loss": 1}, "loss: 1\n")
    assert any("could not be collected" in notice for notice in task.notices)
    made = await project.snapshots.create("of what there is", task_id=task.id)
    assert await contents(face, made) == {}


# Failing


async def test_a_failing_command_is_a_failed_task_with_its_log_and_code(face: Face, project: Any) -> None:
    task = await project.tasks.run(["sh", "-c", "echo said; echo worse >&2; exit 7"])
    assert (task.status, task.exit_code) == ("FAILED", 7)
    assert sorted((await face.logs(task)).split()) == ["said", "worse"]
    assert set(await contents(face, task)) == {"task.log"}


async def test_a_command_that_a_signal_ended_says_so(project: Any) -> None:
    task = await project.tasks.run(["sh", "-c", "kill -SEGV $$"])
    assert (task.status, task.exit_code) == ("FAILED", 128 + 11)
    assert "SIGSEGV" in task.reason


async def test_a_command_that_is_not_there_failed_with_127(project: Any, home: Path) -> None:
    task = await project.tasks.run("no-such-program --fast")
    assert (task.status, task.exit_code, task.start_time) == ("FAILED", 127, None)
    assert "no-such-program" in task.reason
    assert list((home / ".datmo" / "tasks").iterdir()) == []


async def test_a_file_that_cannot_be_executed_failed_with_126(project: Any, home: Path) -> None:
    assert not (home / "train.py").stat().st_mode & stat.S_IXUSR
    task = await project.tasks.run("./train.py")
    assert (task.status, task.exit_code) == ("FAILED", 126)


# Listing and finding


async def test_ls_is_newest_first_filtered_and_limited(project: Any) -> None:
    for command, name in (("echo one", None), ("echo two", "Best"), ("true", "best")):
        await project.tasks.run(command, name=name)

    async def found(**options: Any) -> list[str]:
        return [each.command for each in await project.tasks.ls(**options)]

    assert await found() == ["true", "echo two", "echo one"]
    assert await found(filter="echo") == ["echo two", "echo one"]
    assert await found(filter="BEST") == ["true", "echo two"]
    assert await found(limit=1) == ["true"]


async def test_one_is_found_by_id_or_prefix(project: Any) -> None:
    made = [await unfinished_task(project) for _ in range(40)]
    assert (await project.tasks.get(made[0])).id == made[0]
    assert (await project.tasks.get(made[1][:12])).id == made[1]
    firsts = [each[0] for each in made]
    with pytest.raises(AmbiguousId):
        await project.tasks.get(next(letter for letter in firsts if firsts.count(letter) > 1))
    for unknown in ("zzzz", "", "%"):
        with pytest.raises(EntityNotFound, match="task"):
            await project.tasks.get(unknown)
