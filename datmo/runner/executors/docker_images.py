"""Images: looked up, built on the engine's classic builder, pulled when asked for, removed."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple

import anyio
from anyio import to_thread

from datmo.core.placement import CODE_AT
from datmo.errors import BuildFailed, EngineUnreachable, Refused
from datmo.runner.executors.docker_client import DockerError, Engine, sheltered
from datmo.runner.executors.docker_transcript import Transcript

__all__ = ["Built", "Context", "ImageInfo", "Images"]

Context = Path | Iterable[bytes] | AsyncIterable[bytes]
"""A build context: a tar file, or the bytes of one (plain iterables are read in a worker thread)."""

_PIECE = 256 * 1024
_NO_BUILDKIT = (
    "Datmo asks the engine's classic builder: leave that option out, or build the image with `docker build` and begin "
    "the Dockerfile with FROM and its name"
)


class ImageInfo(NamedTuple):
    """What an image says about itself."""

    image_id: str
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    size: int = 0
    working_dir: str = ""
    variables: Mapping[str, str] = {}
    entrypoint: tuple[str, ...] = ()
    user: str = ""

    def notices(self, code_at: str = CODE_AT) -> tuple[str, ...]:
        """Return a line for each thing of the image's own that is otherwise with the code mounted at `code_at`."""
        own = {"WORKDIR": self.working_dir, "HOME": self.variables.get("HOME", "")}
        own |= {"entrypoint": next((word for word in self.entrypoint if _lies_under(word, code_at)), "")}
        hidden = tuple(
            f"the image's {what} {path} is hidden by the code at {code_at}; mount that elsewhere if need be: "
            "`--workdir /code`, or for all tasks `datmo config set container.code /code`"
            for what, path in own.items()
            if _lies_under(path, code_at)
        )
        place = self.working_dir.rstrip("/")
        usual = code_at == CODE_AT and place != code_at
        if not usual or hidden or place.strip("/").partition("/")[0] in ("", "task", "data", "datmo"):
            return hidden
        said = f"starts in {code_at}, where the code is, not in the image's WORKDIR {place}"
        return (f"{said}: `datmo config set container.code {place}` puts the code there",)


class Built(NamedTuple):
    """An image that was built: its id, and that of the image its last stage stands on (None: scratch)."""

    image_id: str
    base_image_id: str | None


class Images:
    """The images of one engine.

    Parameters:
        engine: the connection.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def info(self, name: str) -> ImageInfo | None:
        """Return what the engine knows of an image, or None where it has none of that name or id."""
        docker = await self._engine.docker()
        try:
            with self._engine.asking(404):
                found = await docker.images.inspect(name)
        except DockerError:
            return None
        config = found.get("Config") or {}
        return ImageInfo(
            image_id=found["Id"],
            tags=tuple(found.get("RepoTags") or ()),
            labels=config.get("Labels") or {},
            size=found.get("Size", 0),
            working_dir=config.get("WorkingDir", ""),
            variables=dict(pair.partition("=")[::2] for pair in config.get("Env") or ()),
            entrypoint=tuple(config.get("Entrypoint") or ()),
            user=config.get("User", ""),
        )

    async def list(self, label: str) -> list[ImageInfo]:
        """Return the images that carry a label (`name` or `name=value`); only ids, tags, labels and sizes."""
        docker = await self._engine.docker()
        with self._engine.asking():
            found = await docker.images.list(filters={"label": [label]})
        return [
            ImageInfo(each["Id"], tuple(each["RepoTags"] or ()), each["Labels"] or {}, each["Size"]) for each in found
        ]

    async def packages(self, name: str) -> tuple[str, ...]:
        """Return the Python packages of an image, `name==version`, sorted; none where it has no Python that tells.

        A container of it lists them, which sees nothing of ours, and is removed.
        """
        from datmo.runner.executors.docker_config import RECORD
        from datmo.runner.executors.docker_packages import packages_of_image

        return await packages_of_image(self._engine, name, RECORD)

    async def remove(self, name: str) -> bool:
        """Remove an image's name, and the image with its last one; return whether there was one.

        Raises:
            Refused: a container still uses it.
        """
        docker = await self._engine.docker()
        try:
            with self._engine.asking(404, 409):
                await docker.images.delete(name)
        except DockerError as error:
            if error.status == 404:
                return False
            hint = "`docker ps --all` shows by which container; remove that first"
            raise Refused(f"the image {name} is in use: {error.message}", hint=hint) from error
        return True

    async def pull(self, name: str, *, line: Callable[[str], None]) -> None:
        """Fetch an image from its registry. Nothing else in Datmo does so on its own.

        Parameters:
            name: the image, `latest` where it has no tag.
            line: told about the progress.

        Raises:
            BuildFailed: the registry does not give it.
        """
        last = name.rpartition("/")[2]
        params = {"fromImage": name if {":", "@"} & set(last) else f"{name}:latest"}
        transcript = Transcript(line)
        try:
            async with self._engine.request("images/create", "POST", params=params) as body:
                await transcript.follow(body)
        except DockerError as error:
            transcript.failure = error.message
        if transcript.failure:
            raise BuildFailed(
                f"the image {name} could not be pulled: {transcript.failure}",
                hint="is the name right, and is the registry reached? (`docker login` where it asks for one)",
                output=transcript.tail,
            )

    async def build(
        self,
        context: Context,
        *,
        tag: str,
        line: Callable[[str], None],
        dockerfile: str = "Dockerfile",
        labels: Mapping[str, str] | None = None,
        build_args: Mapping[str, str] | None = None,
    ) -> Built:
        """Build an image. Cancelled or failed, it leaves no container behind.

        Parameters:
            context: the build context, as a tar.
            tag: the name that the image gets, `datmo/<...>:<key>`.
            line: told each line that the build prints.
            dockerfile: the Dockerfile's path within the context.
            labels: labels of the image.
            build_args: values of its ARGs.

        Raises:
            BuildFailed: with the last lines in `output`.
            EngineUnreachable: the engine went away meanwhile.
        """
        params: dict[str, Any] = {"t": tag, "dockerfile": dockerfile, "rm": True, "forcerm": True}
        params |= {"labels": json.dumps(dict(labels or {})), "buildargs": json.dumps(dict(build_args or {}))}
        upload = _Upload(context)
        transcript = Transcript(line)
        try:
            headers = {"Content-Type": "application/x-tar"}
            async with self._engine.request(
                "build", "POST", params=params, headers=headers, data=upload.pieces()
            ) as body:
                await transcript.follow(body)
        except DockerError as error:
            transcript.failure = error.message
        except BaseException as error:
            await sheltered(lambda: self._settle(transcript.container))
            if isinstance(error, EngineUnreachable) and upload.failure is not None:
                raise upload.failure from None  # the engine only saw the upload break off
            raise
        if transcript.failure or transcript.image is None:
            failure = transcript.failure or "the engine named no image"
            where = f" at `{transcript.step}`" if transcript.step else ""
            raise BuildFailed(
                f"the image could not be built{where}: {failure}",
                hint=_NO_BUILDKIT if "requires BuildKit" in failure else None,
                output=transcript.tail,
            )
        base = await self.info(transcript.base) if transcript.base else None
        return Built(transcript.image, base.image_id if base else None)

    async def _settle(self, container: str | None) -> None:
        """See to it that the container of a build that was broken off is gone."""
        if container is None:
            return
        docker = await self._engine.docker()
        broken_off = docker.containers.container(container)
        try:
            with self._engine.asking(404, 409):
                with anyio.move_on_after(5):
                    await broken_off.wait(condition="removed")  # the engine's own business, as a rule
                    return
                await broken_off.delete(force=True, v=True)
        except DockerError:
            return  # gone, or on its way


class _Upload:
    """The pieces of a context, and why they ended early, if they did."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.failure: Exception | None = None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(_pieces(self._context)) as pieces:
                async for piece in pieces:
                    yield piece
        except Exception as error:
            self.failure = error
            raise


async def _pieces(context: Context) -> AsyncGenerator[bytes, None]:
    if isinstance(context, Path):
        async with await anyio.open_file(context, "rb") as file:
            while piece := await file.read(_PIECE):
                yield piece
    elif isinstance(context, AsyncIterable):
        async for piece in context:
            yield piece
    else:
        source = iter(context)
        while piece := await to_thread.run_sync(next, source, b""):
            yield piece


def _lies_under(path: str, folder: str) -> bool:
    return path.rstrip("/").startswith(folder.rstrip("/") + "/")
