"""The connection to a Docker engine: the only module that knows aiodocker."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import anyio
from aiodocker import Docker, DockerError
from aiodocker.containers import DockerContainer
from aiodocker.stream import Stream
from anyio import to_thread

from datmo.errors import EngineUnreachable, RunnerError

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = [
    "DEFAULT_URL",
    "DockerContainer",
    "DockerError",
    "Engine",
    "Outages",
    "Patience",
    "Stream",
    "engine_url",
    "sheltered",
    "until_gone",
]

DEFAULT_URL = "unix:///var/run/docker.sock"

_CONNECTION_LOST = 900
"""The status that aiodocker gives to an error without an answer."""

_PING_SECONDS = 15.0
_REMOVAL_SECONDS = 15.0
_WORTH_A_LINE = 4  # tries, 0.7 s: a break that is shorter is nobody's business


def engine_url(url: str | None = None) -> str:
    """Return the address of the engine: the given one, else DOCKER_HOST, else the default socket."""
    return url or os.environ.get("DOCKER_HOST") or DEFAULT_URL


class Engine:
    """One client of one engine, as an async context manager. Nothing is asked before the first use.

    Parameters:
        url: `unix://...` or `tcp://...`; None for `DOCKER_HOST`, else the default socket.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url: str = engine_url(url)
        self._client: Docker | None = None
        self._session: aiohttp.ClientSession | None = None
        self._answered = False

    async def __aenter__(self) -> Self:
        base, connector = await self._connector()
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout())
        # The first ping settles the version; aiodocker's own way asks for all there are, ten times as slow.
        self._client = Docker(url=base, connector=connector, session=self._session, api_version="v1.41")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async def close() -> None:
            if self._client is not None:
                await self._client.close()
            if self._session is not None:
                await self._session.close()

        await sheltered(close)

    async def _connector(self) -> tuple[str, aiohttp.BaseConnector]:
        # Each task holds two connections for as long as it runs: aiohttp's limit of 100 would hang the 51st.
        scheme, _, rest = self.url.partition("://")
        if scheme == "unix":
            return "unix://localhost", aiohttp.UnixConnector(rest, limit=0)
        if scheme in {"tcp", "http", "https"}:
            if scheme == "https" or os.environ.get("DOCKER_TLS_VERIFY"):
                context = await to_thread.run_sync(_tls_context)
                return f"https://{rest}", aiohttp.TCPConnector(limit=0, ssl=context)
            return f"http://{rest}", aiohttp.TCPConnector(limit=0)
        raise EngineUnreachable(
            f"a Docker engine at {self.url} cannot be used: only unix:// and tcp:// addresses are known",
            hint="forward its socket to this machine and point DOCKER_HOST there",
        )

    async def docker(self) -> Docker:
        """Return the client, once an engine has answered.

        Raises:
            EngineUnreachable: none does.
        """
        assert self._client is not None, "the engine is used outside its `async with`"
        if not self._answered:
            try:
                with anyio.fail_after(_PING_SECONDS):
                    async with self._request(self._client, "_ping", "GET", versioned_api=False) as answer:
                        version = answer.headers.get("Api-Version")
            except TimeoutError as error:
                raise self._unreachable(f"no answer in {_PING_SECONDS:.0f} s") from error
            if version is not None:
                self._client.api_version = f"v{version}"
            self._answered = True
        return self._client

    @asynccontextmanager
    async def request(
        self,
        path: str,
        method: str = "GET",
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        data: Any = None,
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Send a request and give the body of its answer as raw bytes; the connection is closed at the end.

        Raises:
            EngineUnreachable: the connection could not be made, or broke.
            DockerError: the engine refused.
        """
        docker = await self.docker()
        async with self._request(docker, path, method, params=params, headers=headers, data=data) as answer:
            yield answer.content

    @asynccontextmanager
    async def _request(
        self, docker: Docker, path: str, method: str, **how: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        # The private call of aiodocker: its public ones drop the tags of the streams, take a broken
        # connection for a normal end, and leave the answer open when they are cancelled.
        with self.speaking():
            answer = await docker._do_query(path, method, timeout=None, **how)
            try:
                yield answer
            finally:
                answer.close()

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Turn a connection that cannot be made or breaks into `EngineUnreachable`; other errors pass."""
        try:
            yield
        except DockerError as error:
            if error.status != _CONNECTION_LOST:
                raise
            raise self._unreachable(_reason(error.__context__ or error)) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise self._unreachable(_reason(error)) from error

    @contextmanager
    def asking(self, *expected: int) -> Iterator[None]:
        """As `speaking`; besides, refusals of other than the expected statuses become `RunnerError`."""
        try:
            with self.speaking():
                yield
        except DockerError as error:
            if error.status in expected:
                raise
            raise RunnerError(f"the Docker engine refused: {error.message}") from error

    def _unreachable(self, reason: str) -> EngineUnreachable:
        first = "start it, point DOCKER_HOST at another"
        if reason == os.strerror(errno.EACCES):
            first = "join its group (usually `docker`) and log in again"
        hint = f"{first}, or run without containers: --executor process"
        return EngineUnreachable(f"no Docker engine answers at {self.url} ({reason})", hint=hint)


class Outages:
    """Tells of an engine that went away, once, however many wait for it.

    Parameters:
        notice: told in one line that there is something to wait for, and that it is over.
    """

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._told = False

    def begins(self, why: Exception) -> None:
        """Say that the engine is waited for."""
        if not self._told:
            self._told = True
            self._notice(f"{why}; trying again until it does")

    def ends(self) -> None:
        """Say that it is back."""
        if self._told:
            self._told = False
            self._notice("the Docker engine answers again")


class Patience:
    """Waits, longer each time, for an engine that does not answer.

    Parameters:
        outages: told of waits that are worth a line.
    """

    def __init__(self, outages: Outages) -> None:
        self._outages = outages
        self._tries = 0

    async def wait(self, why: Exception) -> None:
        """Wait a while: 0.1 s at first, 5 s at most."""
        self._tries += 1
        if self._tries == _WORTH_A_LINE:
            self._outages.begins(why)
        await anyio.sleep(min(0.05 * 2 ** min(self._tries, 7), 5.0))

    def over(self) -> None:
        """The engine has answered."""
        if self._tries >= _WORTH_A_LINE:
            self._outages.ends()
        self._tries = 0


async def until_gone(engine: Engine, container: DockerContainer) -> None:
    """Return when a container is gone whose removal is under way already; or, should that get stuck, a while later."""
    with suppress(DockerError), anyio.move_on_after(_REMOVAL_SECONDS), engine.speaking():
        await container.wait(condition="removed")


async def sheltered(work: Callable[[], Awaitable[object]], *, seconds: float = 30.0) -> None:
    """Do something to its end, or for `seconds`, whatever is cancelled meanwhile.

    In a worker of its own, because Ctrl-C breaks a shield in the main one.
    """
    errors: list[Exception] = []

    async def run() -> None:
        try:
            with anyio.fail_after(seconds, shield=True):
                await work()
        except Exception as error:  # noqa: BLE001 - handed on below, out of the group that would wrap it
            errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(run, name="sheltered")
    if errors:
        raise errors[0]


def _reason(error: BaseException) -> str:
    """Return what the system says about a failed connection, without aiohttp's words around it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _tls_context() -> SSLContext:
    """Return the context that DOCKER_CERT_PATH describes."""
    import ssl

    folder = Path(os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    try:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(certfile=str(folder / "cert.pem"), keyfile=str(folder / "key.pem"))
    except OSError as error:
        raise EngineUnreachable(
            f"the engine's certificates in {folder} cannot be read ({error.strerror or error})",
            hint="DOCKER_CERT_PATH names the folder of ca.pem, cert.pem and key.pem",
        ) from error
    return context
