"""Images, built on the real engine."""

from __future__ import annotations

import io
import re
import tarfile
import uuid
from typing import TYPE_CHECKING

import anyio
import pytest
from aiodocker import Docker, DockerError

from datmo.errors import BuildFailed
from datmo.runner.executors.docker_transcript import Transcript
from tests.runner.conftest import read, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from datmo.runner.executors.docker import DockerExecutor
    from tests.runner.conftest import Tasks

pytestmark = pytest.mark.anyio


def context(**files: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content.encode())
            tar.addfile(entry, io.BytesIO(content.encode()))
    return packed.getvalue()


@pytest.fixture
async def tag(executor: DockerExecutor) -> AsyncIterator[str]:
    tag = f"datmo/tests:{uuid.uuid4().hex}"
    yield tag
    await executor.images.remove(tag)


async def running_in(lines: list[str]) -> str:
    """Return the container of the last step that ran in one."""
    return [found[1] for line in lines if (found := re.match(r" ---> Running in (\w+)", line))][-1]


async def is_gone(engine: str, container: str) -> bool:
    async with Docker(engine) as docker:
        try:
            await docker.containers.get(container)
        except DockerError as error:
            return error.status == 404
    return False


async def test_an_image_is_built_from_its_context_once(tasks: Tasks, tag: str, tmp_path: Path) -> None:
    images = tasks.executor.images
    salt = uuid.uuid4().hex
    packed = context(
        Dockerfile=f"FROM {tasks.image} AS base\nFROM base\nCOPY note.txt /\nRUN echo {salt}; echo no >&2\n",
        **{"note.txt": f"in the image {salt}"},
    )
    lines: list[str] = []
    built = await images.build([packed[:700], packed[700:]], tag=tag, line=lines.append, labels={"datmo.key": salt})
    assert lines[0] == f"Step 1/5 : FROM {tasks.image} AS base"
    assert {salt, "no"} < set(lines)
    base = await images.info(tasks.image)
    info = await images.info(tag)
    assert base is not None
    assert info is not None
    assert built == (info.image_id, base.image_id)
    assert info.labels == {"datmo.key": salt}

    again: list[str] = []
    (tmp_path / "context.tar").write_bytes(packed)
    assert built == await images.build(tmp_path / "context.tar", tag=tag, line=again.append, labels={"datmo.key": salt})
    assert not any("Running in" in line for line in again)

    handle = await tasks.start("cat", "/note.txt", image=tag)
    await tasks.executor.wait(handle)
    assert text(await read(tasks.executor, handle)).decode() == f"in the image {salt}"
    await tasks.executor.remove(handle)

    assert [image.tags for image in await images.list(f"datmo.key={salt}") if image.tags] == [(tag,)]
    assert await images.remove(tag)
    assert not await images.remove(tag)
    assert await images.info(tag) is None


async def test_a_failing_step_is_told_with_the_last_lines(
    executor: DockerExecutor, base_image: str, engine: str, tag: str
) -> None:
    packed = context(Dockerfile=f"FROM {base_image}\nRUN echo nearly {tag}; exit 7\n")
    lines: list[str] = []
    with pytest.raises(BuildFailed, match="returned a non-zero code: 7") as failure:
        await executor.images.build([packed], tag=tag, line=lines.append)
    assert f"nearly {tag}" in failure.value.output.splitlines()
    assert await is_gone(engine, await running_in(lines))
    assert await executor.images.info(tag) is None


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        ("FROM", "FROM requires"),
        ("FRUM x", "unknown instruction: FRUM"),
        ("FROM localhost:1/none\n", "at `FROM localhost:1/none`: "),
    ],
)
async def test_a_dockerfile_that_cannot_be_used_is_told(
    executor: DockerExecutor, tag: str, dockerfile: str, words: str
) -> None:
    with pytest.raises(BuildFailed, match=words):
        await executor.images.build([context(Dockerfile=dockerfile)], tag=tag, line=lambda _: None)


async def test_a_context_that_breaks_off_is_not_blamed_on_the_engine(executor: DockerExecutor, tag: str) -> None:
    def breaks_off() -> Iterator[bytes]:
        yield b"\0" * 512
        raise FileNotFoundError("weights.bin")

    with pytest.raises(FileNotFoundError, match=r"weights\.bin"):
        await executor.images.build(breaks_off(), tag=tag, line=lambda _: None)


async def test_a_cancelled_build_leaves_no_container(
    executor: DockerExecutor, base_image: str, engine: str, tag: str
) -> None:
    packed = context(Dockerfile=f"FROM {base_image}\nRUN echo {tag}; sleep 600\n")
    lines: list[str] = []
    with anyio.fail_after(120), anyio.CancelScope() as scope:

        def line(text: str) -> None:
            lines.append(text)
            if text == tag:
                scope.cancel()

        await executor.images.build([packed], tag=tag, line=line)
    assert scope.cancelled_caught
    assert await is_gone(engine, await running_in(lines))
    assert await executor.images.info(tag) is None


async def test_an_image_that_cannot_be_pulled_is_told(executor: DockerExecutor) -> None:
    with pytest.raises(BuildFailed, match="the image localhost:1/none could not be pulled"):
        await executor.images.pull("localhost:1/none", line=lambda _: None)


def understood(*lines: str) -> Transcript:
    transcript = Transcript(lambda _: None)
    for line in lines:
        transcript.take({"stream": line})
    return transcript


def test_the_base_is_that_of_the_last_stage_through_the_stages_it_stands_on() -> None:
    one, two, three = "1" * 12, "2" * 12, "3" * 12
    transcript = understood(
        "Step 1/5 : FROM a AS First\n", f" ---> {one}\n", "Step 2/5 : RUN x\n", f" ---> {two}\n",
        "Step 3/5 : FROM b AS other\n", f" ---> {two}\n",
        "Step 4/5 : FROM first AS second\n", f" ---> {three}\n",
        "Step 5/5 : FROM second\n", f" ---> {three}\n",
    )  # fmt: skip
    assert transcript.base == one
    assert understood("Step 1/1 : FROM scratch\n", " ---> \n").base is None


def test_what_a_step_prints_is_not_taken_for_the_builders_words() -> None:
    transcript = understood("Step 2/2 : RUN x\n", f" ---> Running in {'a' * 12}\n", f" ---> Running in {'b' * 12}\n")
    assert transcript.container == "a" * 12


async def test_an_images_python_packages_are_listed_and_nothing_stays(tasks: Tasks, tag: str, engine: str) -> None:
    images = tasks.executor.images
    await images.build([context(Dockerfile=f"FROM {tasks.image}\nENTRYPOINT ['false']\n")], tag=tag, line=print)
    found = await images.packages(tag)
    assert any(package.startswith("pip==") for package in found)
    assert list(found) == sorted(found)
    async with Docker(engine) as docker:
        left = await docker.containers.list(all=True, filters={"ancestor": [tag]})
    assert left == []


async def test_an_image_without_a_shell_has_none_that_are_known(tasks: Tasks, tag: str) -> None:
    images = tasks.executor.images
    await images.build([context(Dockerfile="FROM scratch\nCOPY Dockerfile /\n")], tag=tag, line=print)
    assert await images.packages(tag) == ()
