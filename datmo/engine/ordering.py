"""What somebody asks for when a task is to be run, checked as far as it alone tells."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from datmo.core.options import Limits
from datmo.core.placement import SHELL
from datmo.core.sweep import fill
from datmo.engine.workspace import checked_text
from datmo.errors import InvalidArgument, InvalidArgumentType
from datmo.runner.executors.base import PortMapping

__all__ = ["Order", "split_command"]


class Order(NamedTuple):
    """A task that somebody asks for; see `datmo.engine.tasks.Tasks.run`."""

    command: str
    argv: list[str]
    env: str | None
    gpu: bool
    ports: tuple[PortMapping, ...]
    session_id: str | None
    name: str | None
    executor: str | None
    parameters: Mapping[str, Any]
    limits: Limits

    @classmethod
    def of(
        cls,
        command: str | Sequence[str],
        *,
        env: str | os.PathLike[str] | None,
        gpu: bool,
        ports: Sequence[str],
        session_id: str | None,
        name: str | None,
        executor: str | None,
        limits: Limits,
        parameters: Mapping[str, Any] | None = None,
    ) -> Order:
        """Return an order whose values can be used, as far as they alone tell.

        Raises:
            InvalidArgument: one cannot.
        """
        given = dict(parameters or {})
        argv = list(SHELL) if limits.interactive and not command else fill(split_command(command), given)
        if isinstance(ports, str):
            raise InvalidArgumentType(f"ports is a list of port mappings, not the text {ports!r}")
        if gpu and limits.gpus is not None:
            raise InvalidArgument("gpu and gpus exclude one another", hint="gpus is strict; gpu takes what there is")
        text = command if isinstance(command, str) and command and not given else shlex.join(argv)
        return cls(
            # The words themselves are kept byte for byte; this is what people read.
            command=text.encode("utf-8", "backslashreplace").decode(),
            argv=argv,
            env=None if env is None else _path("env", env),
            gpu=gpu,
            ports=tuple(map(_port, ports)),
            session_id=session_id,
            name=None if name is None else checked_text("name", name),
            executor=executor,
            parameters=given,
            limits=limits,
        )


def split_command(command: str | Sequence[str]) -> list[str]:
    """Return the words of a command: text split as a shell splits it, or a list as it is.

    Raises:
        InvalidArgument: there are no words, one holds a NUL, or a quote is not closed.
        InvalidArgumentType: it is neither text nor a list of texts.
    """
    if isinstance(command, str):
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise InvalidArgument(f"the command {command!r} cannot be split into words: {error}") from error
    else:
        words = _words(command)
    if not words or not words[0]:
        raise InvalidArgument("there is no command to run", hint='give one, such as "python train.py"')
    if any("\0" in word for word in words):
        raise InvalidArgument(f"the command {command!r} holds a NUL, which no program can be given")
    return words


def _words(command: Any) -> list[str]:
    if isinstance(command, Sequence) and all(isinstance(word, str | os.PathLike) for word in command):
        return [os.fsdecode(word) for word in command]
    raise InvalidArgumentType(f"a command is text or a list of words, not {command!r}")


def _path(name: str, value: Any) -> str:
    if isinstance(value, str | os.PathLike):
        return os.fsdecode(value)
    raise InvalidArgumentType(f"{name} is a path, not {value!r}")


def _port(text: str) -> PortMapping:
    left, _, container = text.rpartition(":")
    address, _, host = left.rpartition(":")
    try:
        mapping = PortMapping(int(host or container), int(container), address or "127.0.0.1")
    except ValueError:
        mapping = PortMapping(0, 0)
    if not (0 < mapping.host < 65536 and 0 < mapping.container < 65536):
        raise InvalidArgument(f"{text!r} is no port mapping", hint="give HOST:CONTAINER, such as 8888:8888")
    return mapping
