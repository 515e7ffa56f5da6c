"""What every test stands on: the event loop, the rule that nothing blocks it, and a real Docker engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from blockbuster import BlockBuster
from hypothesis import HealthCheck, settings

from _engine import default_host, image_exists, ping

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE_IMAGE = "python:3.11-slim"

# How long an example takes says what else the machine does, and on a new one tables of letters are made first.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The only one: aiodocker and aiosqlite need asyncio."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def settings_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the settings of whoever runs the tests out of them, and theirs out of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> Iterator[None]:
    """Fail a test in which code of Datmo, or what it calls, blocks a thread that runs an event loop.

    Only calls with a module of `datmo` on the stack count: pytest and the test itself are free to block.
    """
    detector = BlockBuster(scanned_modules="datmo")
    # What a task says of itself is kept when the call returns: one write of one line, on the loop as anywhere.
    detector.functions["os.write"].can_block_in("datmo/inside/outbox.py", "write")
    for look in ("os.stat", "os.path.abspath", "os.getcwd"):
        detector.functions[look].can_block_in("datmo/engine/tracking.py", "log_artifact")
    detector.activate()
    try:
        yield
    finally:
        detector.deactivate()


@pytest.fixture(scope="session")
def engine() -> str:
    """The address of the Docker engine, as `DOCKER_HOST` spells it."""
    host = default_host()
    if problem := ping(host):
        pytest.fail(
            f"no Docker engine answers at {host} ({problem}); `python3 tools/check.py` brings one up",
            pytrace=False,
        )
    return host


@pytest.fixture(scope="session")
def base_image(engine: str) -> str:
    """The name of an image on the engine that has Python 3.11 and pip."""
    if not image_exists(engine, BASE_IMAGE):
        pytest.fail(f"the engine at {engine} has no {BASE_IMAGE}; `python3 tools/check.py` makes it", pytrace=False)
    return BASE_IMAGE
