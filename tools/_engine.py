"""The few questions that the tools ask a Docker engine, over plain HTTP: standard library only."""

from __future__ import annotations

import http.client
import json
import os
import socket
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 1024 * 1024


class EngineError(Exception):
    """An engine cannot be reached, or refused something; one line for people."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def default_host() -> str:
    """The address that Docker's own programs would use."""
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def ping(host: str) -> str | None:
    """None where an engine answers at an address, else what is wrong."""
    try:
        _request(host, "GET", "/_ping", timeout=15)
    except EngineError as error:
        return str(error)
    return None


def image_exists(host: str, name: str) -> bool:
    """Whether the engine has an image of that name."""
    path = f"/images/json?filters={quote(json.dumps({'reference': [name]}))}"
    return bool(json.loads(_request(host, "GET", path, timeout=30)))


def pull(host: str, name: str, *, timeout: float) -> str | None:
    """Have the engine fetch an image; None where that worked, else what is wrong."""
    repository, _, tag = name.rpartition(":")
    try:
        answer = _request(
            host, "POST", f"/images/create?fromImage={quote(repository)}&tag={quote(tag)}", timeout=timeout
        )
    except EngineError as error:
        return str(error)
    return _error_in(answer)


def tag_image(host: str, name: str, tagged: str) -> None:
    """Give an image another name and tag."""
    repository, _, tag = tagged.rpartition(":")
    _request(host, "POST", f"/images/{quote(name)}/tag?repo={quote(repository)}&tag={quote(tag)}", timeout=30)


def import_image(host: str, tar: Path, name: str, changes: list[str]) -> None:
    """Make an image of one layer from a tar of a root file system.

    Parameters:
        host: the engine's address.
        tar: the root file system.
        name: the name and tag that the image gets.
        changes: lines of a Dockerfile that describe it (`CMD`, `ENV`).
    """
    repository, _, tag = name.rpartition(":")
    path = f"/images/create?fromSrc=-&repo={quote(repository)}&tag={quote(tag)}"
    path += "".join(f"&changes={quote(change)}" for change in changes)
    with tar.open("rb") as body:
        answer = _request(host, "POST", path, body=body, size=tar.stat().st_size, timeout=300)
    if problem := _error_in(answer):
        raise EngineError(f"importing {tar} as {name}: {problem}")


def _error_in(progress: bytes) -> str | None:
    """The error in a stream of progress messages, which begins with status 200 whatever happens later."""
    for line in progress.splitlines():
        if line.strip() and "error" in (message := json.loads(line)):
            return str(message["error"])
    return None


def _request(host: str, method: str, path: str, *, timeout: float, body: object = None, size: int = 0) -> bytes:
    connection = _connection(host, timeout)
    try:
        headers = {"Content-Type": "application/x-tar", "Content-Length": str(size)} if body else {}
        connection.request(method, path, body=body, headers=headers)  # type: ignore[arg-type]
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise EngineError(str(error) or type(error).__name__) from error
    finally:
        connection.close()
    if response.status >= 400:
        raise EngineError(f"{response.status} {answer.decode(errors='replace').strip()}")
    return answer


def _connection(host: str, timeout: float) -> http.client.HTTPConnection:
    address = urlsplit(host)
    if address.scheme == "unix":
        return _UnixConnection(address.path, timeout)
    if address.scheme in {"tcp", "http"} and not os.environ.get("DOCKER_TLS_VERIFY"):
        return http.client.HTTPConnection(address.hostname or "localhost", address.port or 2375, timeout=timeout)
    raise EngineError("only unix:// and plain tcp:// addresses can be asked")
