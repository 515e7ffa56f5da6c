"""Which Python packages an image has: asked once, when it was built, by a container that sees nothing of ours."""

from __future__ import annotations

import json
from typing import Any

import anyio

from datmo.runner.executors.docker_client import DockerContainer, DockerError, Engine, sheltered

__all__ = ["packages_of_image"]

_SECONDS = 30.0
_LIST = (
    "import json, re; from importlib import metadata; "
    "print(json.dumps(sorted({re.sub('[-_.]+', '-', each.metadata['Name']).lower() + '==' + each.version "
    "for each in metadata.distributions() if each.metadata['Name']})))"
)
_COMMAND = 'for python in python python3; do command -v $python >/dev/null && exec $python -c "$0"; done'


async def packages_of_image(engine: Engine, image: str, record: dict[str, Any]) -> tuple[str, ...]:
    """Return an image's Python packages, `name==version`, sorted; none where it has no Python that tells.

    Parameters:
        engine: the connection.
        image: its name or id.
        record: how the engine shall record what is printed.
    """
    config: dict[str, Any] = {
        "Image": image,
        "Entrypoint": ["sh", "-c", _COMMAND, _LIST],
        "Cmd": [],
        "HostConfig": {
            "LogConfig": record,
            "NetworkMode": "none",
            "SecurityOpt": ["no-new-privileges"],
            "CapDrop": ["ALL"],
            "Ulimits": [],
        },
    }
    docker = await engine.docker()
    created: list[DockerContainer] = []

    async def create() -> None:
        with engine.asking():
            created.append(await docker.containers.create(config))

    async def remove() -> None:
        with engine.asking():
            await created[0].delete(force=True, v=True)

    said = ""
    await sheltered(create)
    try:
        with engine.speaking(), anyio.move_on_after(_SECONDS):
            await created[0].start()
            await created[0].wait()
            said = "".join(await created[0].log(stdout=True))
    except DockerError:
        return ()  # an image without a shell
    finally:
        await sheltered(remove)
    try:
        found = json.loads(said)
    except ValueError:
        return ()
    return tuple(map(str, found)) if isinstance(found, list) else ()
