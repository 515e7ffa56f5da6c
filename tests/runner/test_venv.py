"""Cached virtual environments: built once, whole or not at all, wherever the project lies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from datmo.capture.environment import EnvironmentCapture, capture_environment
from datmo.errors import BuildFailed, EnvironmentInvalid
from datmo.objects.store import ObjectStore
from datmo.runner.install import choose_installer
from datmo.runner.venv import VirtualEnvironment, ensure_venv, remove_venv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.anyio

REPOSITORY = Path(__file__).parents[2]
# A package that builds itself: it says that it began, and then goes on for as long as a file is there.
SLOW_BACKEND = """
import pathlib, time, zipfile
here = pathlib.Path({signals!r})

def build_wheel(folder, config_settings=None, metadata_directory=None):
    (here / "began").touch()
    while (here / "go-on").exists():
        time.sleep(0.01)
    with zipfile.ZipFile(pathlib.Path(folder, "slow-1-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("slow.py", "__version__ = '1'")
        wheel.writestr("slow-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: slow\\nVersion: 1\\n")
        wheel.writestr("slow-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("slow-1.dist-info/RECORD", "")
    return "slow-1-py3-none-any.whl"
"""
SLOW_PROJECT = """
[project]
name = "slow"
version = "1"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BUILDER = """
import sys
from pathlib import Path
import anyio
from datmo.capture.environment import capture_environment
from datmo.objects.store import ObjectStore
from datmo.runner.venv import ensure_venv
root = Path(sys.argv[1])
with ObjectStore(root / ".datmo" / "objects") as store:
    capture = capture_environment(store, root)
    files = {name: store.read(object_id) for name, object_id in capture.files.items()}
print(anyio.run(ensure_venv, root / ".datmo" / "environments", capture, files))
"""
PROJECT = """
[project]
name = "iris"
version = "1"
requires-python = ">=3.11"
dependencies = ["six"]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    folder.joinpath("requirements.txt").write_text("six==1.16.0\n")
    return folder


def capture(root: Path) -> tuple[EnvironmentCapture, dict[str, bytes]]:
    with ObjectStore(root / ".datmo" / "objects") as store:
        environment = capture_environment(store, root)
        return environment, {name: store.read(object_id) for name, object_id in environment.files.items()}


async def ensure(root: Path, report: Callable[[str], None] = lambda line: None) -> VirtualEnvironment:
    environment, files = await anyio.to_thread.run_sync(capture, root)
    return await ensure_venv(root / ".datmo" / "environments", environment, files, report=report)


def version_in(python: Path, module: str = "six") -> str:
    command = [str(python), "-c", f"import {module}; print({module}.__version__)"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def folders(root: Path) -> list[Path]:
    return list((root / ".datmo" / "environments").iterdir())


# --- built once


async def test_requirements_are_installed_once_and_found_again(root: Path) -> None:
    lines: list[str] = []
    first = await ensure(root, lines.append)
    assert first.built
    assert any("six" in line for line in lines)
    assert version_in(first.python) == "1.16.0"
    (folder,) = folders(root)
    marker = (folder / "complete").stat()  # by what says that it was written, not by when it was last read
    second = await ensure(root, pytest.fail)
    assert second[:3] == (first.python, first.bin, False)
    now = (folder / "complete").stat()
    assert (now.st_ino, now.st_mtime_ns) == (marker.st_ino, marker.st_mtime_ns)


async def test_a_change_of_the_definition_makes_another_beside_it(root: Path) -> None:
    old = await ensure(root)
    root.joinpath("requirements.txt").write_text("six==1.17.0\n")
    new = await ensure(root)
    assert (version_in(old.python), version_in(new.python)) == ("1.16.0", "1.17.0")


async def test_a_project_that_was_moved_gets_its_environment_anew(root: Path, tmp_path: Path) -> None:
    await ensure(root)
    moved = tmp_path / "moved"
    shutil.move(root, moved)
    environment = await ensure(moved)
    assert environment.built
    assert environment.python.is_relative_to(moved)
    assert len(folders(moved)) == 1


async def test_the_running_interpreter_is_used_as_it_is(root: Path) -> None:
    root.joinpath("requirements.txt").unlink()
    environment = await ensure(root)
    assert environment == (Path(sys.executable), Path(sys.executable).parent, False, 0.0)
    assert not root.joinpath(".datmo", "environments").exists()


async def test_of_many_in_one_process_one_builds(root: Path) -> None:
    environments: list[VirtualEnvironment] = []

    async def one() -> None:
        environments.append(await ensure(root))

    async with anyio.create_task_group() as workers:
        for _ in range(4):
            workers.start_soon(one)
    assert sorted(environment.built for environment in environments) == [False, False, False, True]


# --- every kind


async def test_pip_does_where_there_is_no_uv(root: Path) -> None:
    files = {"requirements.txt": b"six==1.16.0\n"}
    chosen = await anyio.to_thread.run_sync(choose_installer, "requirements", "requirements.txt", files)
    installer = chosen._replace(program=None)
    definition, venv = root / "definition", root / "venv"
    definition.mkdir()
    definition.joinpath("requirements.txt").write_bytes(files["requirements.txt"])
    with open(os.devnull) as lock:
        await installer.install(venv, definition, sys.executable, lock=lock.fileno(), report=lambda line: None)
    assert version_in(venv / "bin" / "python") == "1.16.0"


async def test_a_lock_gives_the_versions(root: Path) -> None:
    root.joinpath("requirements.txt").unlink()
    root.joinpath("pyproject.toml").write_text(PROJECT)
    root.joinpath("poetry.lock").write_text('[[package]]\nname = "six"\nversion = "1.15.0"\n')
    assert version_in((await ensure(root)).python) == "1.15.0"


def write_uv_lock(root: Path) -> None:
    """Write the lock as uv does; where there is no uv, the part of it that pip follows."""
    uv = choose_installer("requirements", "none.txt", {"none.txt": b""}).program
    if uv is None:
        root.joinpath("uv.lock").write_text('[[package]]\nname = "six"\nversion = "1.15.0"\n')
    else:
        subprocess.run([uv, "lock", "--quiet", "--python", sys.executable], cwd=root, check=True)


async def test_uvs_lock_is_followed(root: Path) -> None:
    root.joinpath("requirements.txt").unlink()
    project = root / "pyproject.toml"
    project.write_text(PROJECT.replace("six", "six==1.15.0"))
    await anyio.to_thread.run_sync(write_uv_lock, root)
    project.write_text(PROJECT)
    environment = await ensure(root)
    assert version_in(environment.python) == "1.15.0"
    assert not any(path.name == "iris" for path in environment.bin.parent.rglob("iris*"))


async def test_an_environment_yml_without_conda_is_installed_by_pip(root: Path) -> None:
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    root.joinpath("requirements.txt").unlink()
    text = f"dependencies:\n  - python={running}\n  - six=1.16\n"
    root.joinpath("environment.yml").write_text(text)
    assert version_in((await ensure(root)).python) == "1.16.0"


async def test_a_python_that_is_not_there_is_said_before_anything_is_made(root: Path) -> None:
    environment, files = await anyio.to_thread.run_sync(capture, root)
    with pytest.raises(EnvironmentInvalid, match=r"needs python2\.2"):
        await ensure_venv(root / "environments", environment, files, python="2.2")
    assert not root.joinpath("environments").exists()


# --- whole or not at all


async def test_what_cannot_be_installed_is_an_error_with_the_last_lines_and_leaves_nothing(
    root: Path,
) -> None:
    root.joinpath("requirements.txt").write_text("six==0.0.0.0.1\n")
    with pytest.raises(BuildFailed, match=r"could not be built from requirements\.txt") as raised:
        await ensure(root)
    assert "six==0.0.0.0.1" in raised.value.output
    assert raised.value.hint
    (folder,) = folders(root)
    assert [path.name for path in folder.iterdir()] == ["lock"]


@contextmanager
def slow_package(root: Path) -> Iterator[Path]:
    """Make the project need a package whose build waits; gives the folder of its signals."""
    signals, source = root / "signals", root / "slow-1"
    signals.mkdir()
    source.mkdir()
    (signals / "go-on").touch()
    source.joinpath("backend.py").write_text(SLOW_BACKEND.format(signals=str(signals)))
    source.joinpath("pyproject.toml").write_text(SLOW_PROJECT)
    shutil.make_archive(str(source), "gztar", root, "slow-1")
    root.joinpath("requirements.txt").write_text("./slow-1.tar.gz\n")
    try:
        yield signals
    finally:
        (signals / "go-on").unlink(missing_ok=True)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not condition():  # noqa: ASYNC110 - another process can set no event
            await anyio.sleep(0.01)


def running_in(folder: Path) -> list[int]:
    """Return the processes whose command line speaks of a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
    return found


async def test_a_builder_killed_in_the_middle_leaves_nothing_that_is_used(root: Path) -> None:
    with slow_package(root) as signals:
        command = [sys.executable, "-c", BUILDER, str(root)]
        builder = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)
        await until((signals / "began").exists)
        os.kill(builder.pid, signal.SIGKILL)
        builder.communicate()
        (folder,) = folders(root)
        assert not (folder / "complete").exists()
        lines: list[str] = []
        environments: list[VirtualEnvironment] = []

        async def again() -> None:
            environments.append(await ensure(root, lines.append))

        async with anyio.create_task_group() as workers:
            workers.start_soon(again)
            # The installer has outlived its builder: until it ends, nobody else writes there.
            await until(lambda: bool(lines))
            assert lines == ["another process is building this environment: waiting for it"]
            (signals / "go-on").unlink()
    (environment,) = environments
    assert environment.built
    assert version_in(environment.python, "slow") == "1"


async def test_cancelling_ends_the_installer_and_leaves_nothing(root: Path) -> None:
    with slow_package(root) as signals:
        async with anyio.create_task_group() as workers:
            workers.start_soon(ensure, root)
            await until((signals / "began").exists)
            workers.cancel_scope.cancel()
        (folder,) = folders(root)
        assert [path.name for path in folder.iterdir()] == ["lock"]
        await until(lambda: running_in(folder) == [])


async def test_of_many_processes_one_builds_and_the_others_wait(root: Path) -> None:
    with slow_package(root) as signals:
        command = [sys.executable, "-c", BUILDER, str(root)]
        builders = [subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        await until((signals / "began").exists)
        (signals / "go-on").unlink()
        outputs = [builder.communicate()[0] for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0, 0]
    assert sorted("built=True" in output for output in outputs) == [False, False, True]


async def test_a_python_that_went_away_means_building_anew(root: Path) -> None:
    environment = await ensure(root)
    environment.python.unlink()
    assert (await ensure(root)).built


# --- removed


async def test_one_that_several_remove_at_once_is_gone_and_no_error(root: Path) -> None:
    environment, files = await anyio.to_thread.run_sync(capture, root)
    environments = root / ".datmo" / "environments"
    await ensure(root)
    (folder,) = folders(root)
    for _ in range(30):
        (folder / "venv" / "lib").mkdir(parents=True, exist_ok=True)
        async with anyio.create_task_group() as workers:
            for _ in range(4):
                workers.start_soon(remove_venv, environments, environment, files)
        assert folders(root) == []
