"""Tasks that nobody waits for: run by a process of their own, which outlives whoever asked for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process

import datmo.errors
from datmo.core.options import TaskOptions
from datmo.core.sweep import TaskSpec
from datmo.errors import DatmoError, RunnerError

__all__ = ["detach", "request_of"]

_ROOT = Path(datmo.errors.__file__).parent.parent
_SOURCE = f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from datmo.engine.detached import main; main()"


def request_of(
    home: Path,
    specs: Iterable[TaskSpec],
    numbers: tuple[int | None, int, int | None],
    how: Mapping[str, Any],
    options: TaskOptions,
) -> dict[str, Any]:
    """Return what `Tasks.start` takes, as JSON has it."""
    limit, retries, max_failures = numbers
    env = how["env"]
    plain = {each.name: getattr(options, each.name) for each in fields(options)}
    data = options.data
    named = data.items() if isinstance(data, Mapping) else ()
    return {
        "home": os.fspath(home),
        "specs": [
            {
                "command": each.command if isinstance(each.command, str) else list(map(os.fsdecode, each.command)),
                "parameters": dict(each.parameters),
                "name": each.name,
            }
            for each in specs
        ],
        "options": plain
        | {
            "data": {name: os.fsdecode(path) for name, path in named} or [_text(path) for path in data],
            "variables": dict(options.variables),
        },
        "how": {
            **how,
            "env": None if env is None else os.fsdecode(env),
            "ports": list(how["ports"]),
            "limit": limit,
            "retries": retries,
            "max_failures": max_failures,
        },
    }


def _text(path: str | os.PathLike[str]) -> str:
    # A path that is no text has no name behind a `>`.
    return path if isinstance(path, str) else f"{os.fsdecode(path)}>{Path(os.fsdecode(path)).name}"


async def detach(request: Mapping[str, Any], notice: Callable[[str], None]) -> list[str]:
    """Start a process that runs tasks, and return their ids once all of them are recorded.

    Parameters:
        request: what `request_of` gives; the process reads it from its standard input, so that no secret is among its
            arguments.
        notice: told what the process says up to then.

    Raises:
        DatmoError: what it raised before the tasks were recorded.
        RunnerError: it could not be started.
    """
    # -P: the working folder is the user's, and no place to import from.
    process = await anyio.open_process(
        [sys.executable, "-P", "-c", _SOURCE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    async with process:
        assert process.stdin is not None
        with suppress(anyio.BrokenResourceError):  # it has ended already, and has said why
            await process.stdin.send(json.dumps(request).encode())
        await process.stdin.aclose()
        ids = await _listen(process, notice)
        await process.wait()  # it has forked: what goes on is no child of ours
    return ids


async def _listen(process: Process, notice: Callable[[str], None]) -> list[str]:
    said: list[str] = []
    async for line in _lines(process):
        try:
            message = json.loads(line)
        except ValueError:
            said.append(line)
            continue
        match message:
            case {"notice": words}:
                notice(words)
            case {"ids": ids}:
                return list(ids)
            case {"error": kind, "values": values}:
                raise _error(kind, values)
    raise RunnerError(f"the tasks' own supervisor could not be started: {said[-1] if said else 'it was killed'}")


async def _lines(process: Process) -> Any:
    pending = b""
    assert process.stdout is not None
    async for data in process.stdout:
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")


def _error(kind: str, values: Mapping[str, Any]) -> DatmoError:
    """Return the error that the other process met, as if it had been met here."""
    found = getattr(datmo.errors, kind, RunnerError)
    error: DatmoError = found.__new__(found)
    DatmoError.__init__(error, values["message"], hint=values["hint"])
    vars(error).update({name: value for name, value in values.items() if name not in ("message", "hint", "__notes__")})
    return error
