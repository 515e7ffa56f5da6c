"""The process that runs detached tasks; see `datmo.engine.detaching`."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import anyio

from datmo.core.options import TaskOptions
from datmo.core.sweep import TaskSpec
from datmo.errors import DatmoError

__all__ = ["main"]


def main() -> None:
    """Read what shall be run, go on as nobody's child, and run it."""
    request = json.loads(sys.stdin.buffer.read())
    if os.fork():
        os._exit(0)
    anyio.run(_run, request)
    os._exit(0)


def _tell(message: dict[str, Any]) -> None:
    try:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # whoever asked has gone; the tasks shall run all the same
        _let_go()


def _let_go() -> None:
    """Let go of the pipes: from now on nobody listens."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


async def _run(request: dict[str, Any]) -> None:
    from datmo.engine.project import open_project

    listening = True

    def notice(line: str) -> None:
        if listening:
            _tell({"notice": line})

    specs = [TaskSpec(each["command"], parameters=each["parameters"], name=each["name"]) for each in request["specs"]]
    options = TaskOptions(**request["options"])
    try:
        async with (
            open_project(request["home"], notice=notice) as project,
            project.tasks.start(specs, options=options, **request["how"]) as running,
        ):
            _tell({"ids": running.ids})
            listening = False
            _let_go()
            async for _ in running.finished():
                pass
    except DatmoError as error:
        _tell({"error": type(error).__name__, "values": vars(error)})
