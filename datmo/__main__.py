"""`datmo` and `python -m datmo`: the command line."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

__all__ = ["main"]


def main() -> int:
    """Run the command line and return its exit code, or leave with it."""
    if shell := os.environ.get("_DATMO_COMPLETE"):
        from datmo.cli import completion

        completion.answer(shell, sys.argv[1:])
        return 0
    from datmo.cli import overview

    text = overview.answer(sys.argv[1:])
    if text is not None:
        try:
            print(text, flush=True)  # noqa: T201
        except BrokenPipeError:  # as after `| head`
            os._exit(128 + 13)
        return 0
    if sys.argv[1:3] == ["task", "run"]:
        from datmo.capture import ahead

        ahead.begin()
    # What is imported stays: looking for garbage among it takes a tenth of a short command's time.
    gc.disable()
    try:
        from datmo.cli.edge import run
    except KeyboardInterrupt:
        return 130
    return _leave(run(sys.argv[1:]))


def _leave(code: int) -> NoReturn:
    """End the process at once: all is closed by now, and taking down an interpreter that knows aiohttp takes 90 ms."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # whoever read it is gone, or it was closed from the start
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
