"""Making an environment ready to run in: an image, built once for its key, or a cached virtual environment."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from datmo.core.content import EnvironmentBuilt
from datmo.core.event import NewEvent
from datmo.core.ids import short
from datmo.core.placement import CODE_AT
from datmo.engine.workspace import Workspace
from datmo.errors import BuildFailed, RunnerError
from datmo.projections.projection import Row

if TYPE_CHECKING:
    from datmo.capture.environment import EnvironmentCapture
    from datmo.capture.image import BuildContext, CodeFile
    from datmo.runner.executors.docker import DockerExecutor, ImageInfo

__all__ = ["Place", "image_for", "image_tag", "interpreter_for", "remove_interpreter"]


class Place(NamedTuple):
    """What a task runs on: an image with what it has for PYTHONPATH, or an interpreter whose folder goes into PATH."""

    described: str
    image: str | None = None
    binaries: tuple[Path, ...] = ()
    python_path: str = ""
    entrypoint: tuple[str, ...] = ()


class _Plan(NamedTuple):
    """An image that may have to be built: its key, and how."""

    key: str
    context: BuildContext


async def image_for(
    workspace: Workspace, docker: DockerExecutor, environment: Row, code_id: str, code_at: str = CODE_AT
) -> Place:
    """Return the image of an environment for some captured code, built if the engine does not have it.

    Parameters:
        workspace: the project.
        docker: the executor.
        environment: its row.
        code_id: the captured code.
        code_at: where the code will be in the container; what it hides of the image is said.

    Events: `environment.build_started`, then `.built` or `.build_failed`.

    Raises:
        BuildFailed: the engine could not build it; the last lines of its output are in `output`.
    """
    plan = await workspace.in_thread(lambda: _plan(workspace, environment, code_id))
    tag = image_tag(workspace, plan.key)
    known = await docker.images.info(tag)
    if known is not None:
        for notice in known.notices(code_at):
            workspace.notice(notice)
        return _in_container(plan, "cached", tag, known)
    workspace.notice(f"building the image for {environment['described']}")
    stream = f"environment/{environment['id']}"
    await workspace.log.append(NewEvent(stream, "environment.build_started", {"key": plan.key}))
    began = time.monotonic()
    labels = {"datmo.project": workspace.project_id, "datmo.environment": environment["id"]}
    try:
        built = await docker.images.build(
            plan.context.chunks, tag=tag, dockerfile=plan.context.dockerfile, labels=labels, line=workspace.notice
        )
    except BuildFailed as error:
        data = _build(plan.key, None, None, began, str(error))
        await workspace.log.append(NewEvent(stream, "environment.build_failed", data))
        raise
    data = _build(plan.key, built.image_id, built.base_image_id, began, None)
    data["packages"] = await _packages(workspace, docker, tag)
    await workspace.log.append(NewEvent(stream, "environment.built", data))
    info = await docker.images.info(tag)
    for notice in info.notices(code_at) if info else ():
        workspace.notice(notice)
    return _in_container(plan, "built", tag, info)


async def _packages(workspace: Workspace, docker: DockerExecutor, tag: str) -> list[str]:
    """Return the Python packages of an image that was just built: a record for people, so that it never fails."""
    try:
        return list(await docker.images.packages(tag))
    except RunnerError as error:
        workspace.notice(f"the packages of the image are not known: {error}")
        return []


def _in_container(plan: _Plan, state: str, tag: str, info: ImageInfo | None) -> Place:
    from datmo.runner.executors.docker_images import ImageInfo

    info = info or ImageInfo("")
    return Place(
        f"a container of image {short(plan.key, 7)} ({state})",
        image=tag,
        python_path=info.variables.get("PYTHONPATH", ""),
        entrypoint=info.entrypoint,
    )


def image_tag(workspace: Workspace, key: str) -> str:
    """Return the name of the image that was built for a key."""
    return f"datmo/{workspace.project_id}:{key[:32]}"


async def interpreter_for(workspace: Workspace, environment: Row) -> Place:
    """Return the interpreter of an environment: a cached virtual environment, or the running Python itself.

    Raises:
        BuildFailed: it could not be installed.
        EnvironmentInvalid: it cannot be had without a container.
    """
    if environment["kind"] in ("interpreter", "dockerfile"):
        return Place(f"this Python {sys.version.split()[0]}", binaries=(Path(sys.executable).parent,))
    from datmo.capture.machine import packages_of
    from datmo.runner.venv import ensure_venv

    definition = await workspace.in_thread(lambda: _definition(workspace, environment))
    began = time.monotonic()
    stream = f"environment/{environment['id']}"
    try:
        found = await ensure_venv(
            workspace.folder / "environments", _capture(environment), definition, report=workspace.notice
        )
    except BuildFailed as error:
        await workspace.log.append(
            NewEvent(stream, "environment.build_failed", _build("venv", None, None, began, str(error)))
        )
        raise
    if found.built:
        built = _build("venv", None, None, began, None)
        built["packages"] = await workspace.in_thread(lambda: list(packages_of(found.python)))
        await workspace.log.append(NewEvent(stream, "environment.built", built))
    state = "built" if found.built else "cached"
    return Place(f"a virtual environment ({state})", binaries=(found.bin,))


async def remove_interpreter(workspace: Workspace, environment: Row) -> None:
    """Remove the virtual environment of an environment, where there is one."""
    if environment["kind"] in ("interpreter", "dockerfile"):
        return
    from datmo.runner.venv import remove_venv

    definition = await workspace.in_thread(lambda: _definition(workspace, environment))
    await remove_venv(workspace.folder / "environments", _capture(environment), definition)


def _build(key: str, image_id: str | None, base_id: str | None, began: float, reason: str | None) -> EnvironmentBuilt:
    seconds = round(time.monotonic() - began, 3)
    return EnvironmentBuilt(key=key, image_id=image_id, base_image_id=base_id, seconds=seconds, reason=reason)


def _definition(workspace: Workspace, environment: Row) -> dict[str, bytes]:
    return {name: workspace.store.read(object_id) for name, object_id in environment["files"].items()}


def _capture(environment: Row) -> EnvironmentCapture:
    from datmo.capture.environment import EnvironmentCapture

    names = ("kind", "files", "platform", "hardware", "described", "definition", "dockerignore")
    return EnvironmentCapture(
        environment_id=environment["id"],
        packages=tuple(environment["packages"]),
        **{name: environment[name] for name in names},
    )


def _plan(workspace: Workspace, environment: Row, code_id: str) -> _Plan:
    from datmo.capture.image import build_context, image_key

    definition = _definition(workspace, environment)
    if environment["kind"] != "dockerfile":
        return _plan_on_base(environment, definition)
    dockerfile = definition[environment["definition"]]
    ignore = None if environment["dockerignore"] is None else definition[environment["dockerignore"]]
    files = list(workspace.code.files(code_id))
    large = {path: content.hex() for path, _, content in files if len(content) == 32}

    def open_file(path: str) -> BinaryIO:
        if path in large:
            return workspace.store.open(large[path])
        return io.BytesIO(workspace.code.read_file(code_id, path, workspace.store) or b"")

    return _Plan(
        image_key(environment["id"], dockerfile, ignore, files),
        build_context(environment["definition"], dockerfile, ignore, files, open_file),
    )


def _plan_on_base(environment: Row, definition: Mapping[str, bytes]) -> _Plan:
    """Plan an image for an environment without a Dockerfile: its packages, on the base image of its Python."""
    from datmo.capture.image import build_context, image_key
    from datmo.capture.installation import installation

    plan = installation(environment["kind"], environment["definition"], definition)
    python = plan.python or environment["platform"]["python"]
    constraints = f" -c {plan.constraints}" if plan.constraints else ""
    lines = (
        f"FROM python:{python}-slim",
        "COPY . /tmp/environment",
        "WORKDIR /tmp/environment",
        f"RUN pip install --no-cache-dir -r {plan.requirements}{constraints}",
        "WORKDIR /",
    )
    files = plan.files
    dockerfile = "\n".join([*lines, ""]).encode()
    listed = [(name, 0o100644, content) for name, content in sorted(files.items())]
    return _Plan(
        image_key(environment["id"], dockerfile, None, _hashed(listed)),
        build_context("Dockerfile", dockerfile, None, listed, lambda path: io.BytesIO(files[path])),
    )


def _hashed(files: Iterable[CodeFile]) -> list[CodeFile]:
    from hashlib import sha256

    return [(path, mode, sha256(content).digest()) for path, mode, content in files]
