"""The only doors to the terminal: data goes to standard output, words to standard error.

Data is written in a worker thread, so that a reader who takes their time (a pager) keeps neither the event loop nor
Ctrl-C waiting.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from typing import TextIO

__all__ = [
    "ReaderGone",
    "ask",
    "colourful",
    "hint",
    "interactive",
    "interactive_display",
    "notice",
    "paint",
    "put",
    "put_json",
    "quiet",
    "say",
    "set_verbosity",
    "verbose",
    "width",
]

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class ReaderGone(Exception):
    """Nobody reads standard output any more, as after `| head`."""


async def put(text: str) -> None:
    """Write text to standard output; what its encoding lacks becomes a question mark.

    Raises:
        ReaderGone: nobody reads it.
    """
    await put_bytes(text.encode(sys.stdout.encoding or "utf-8", "replace"))


async def put_json(text: str) -> None:
    """Write JSON to standard output: always UTF-8; half a surrogate pair becomes the escape that stands for it.

    Raises:
        ReaderGone: nobody reads it.
    """
    await put_bytes(text.encode("utf-8", "backslashreplace"))


async def put_bytes(data: bytes, stream: TextIO | None = None) -> None:
    """Write bytes as they are to standard output or another stream.

    Raises:
        ReaderGone: nobody reads it.
    """
    from anyio.to_thread import run_sync

    # Given up when cancelled: a reader that never reads must not keep us from ending.
    await run_sync(partial(_write, stream or sys.stdout, data), abandon_on_cancel=True)


def _write(stream: TextIO, data: bytes) -> None:
    try:
        stream.flush()
        left = memoryview(data)
        while left:  # an unbuffered stream (PYTHONUNBUFFERED) may take a part only
            left = left[stream.buffer.write(left) :]
        stream.buffer.flush()
    except BrokenPipeError as error:
        silence(stream)
        raise ReaderGone from error


def silence(stream: TextIO) -> None:
    """Let what is still written to a stream go nowhere, so that the interpreter's last flush does not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class _Verbosity:
    """How much is said: `quiet`, `normal` or `verbose`, and whether that was given with the command."""

    level = "normal"
    given = False
    began = 0.0


def set_verbosity(level: str | None, *, given: bool = False) -> None:
    """Decide how much is said on standard error; what is given with the command goes before settings.

    Parameters:
        level: `quiet` (errors only), `normal` or `verbose`; None begins anew.
        given: whether the command line itself says so.
    """
    if level is None:
        _Verbosity.level, _Verbosity.given, _Verbosity.began = "normal", False, time.monotonic()
    elif given or not _Verbosity.given:
        _Verbosity.level, _Verbosity.given = level, given


def verbose() -> bool:
    """Say whether more shall be said than usual."""
    return _Verbosity.level == "verbose"


def quiet() -> bool:
    """Say whether only errors shall be said."""
    return _Verbosity.level == "quiet"


def say(line: str, *, always: bool = False) -> None:
    """Say something on standard error.

    Parameters:
        line: what is said.
        always: whether it is an error, which is said where all else is not.
    """
    if quiet() and not always:
        return
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except BrokenPipeError:
        silence(sys.stderr)


def notice(line: str) -> None:
    """Say what happens on the way, as the engine reports it."""
    since = f"{time.monotonic() - _Verbosity.began:6.2f}s " if verbose() else ""
    space = width(sys.stderr)
    for part in line.splitlines() or [""]:
        shown = since + "".join(mark if mark.isprintable() or mark == "\t" else " " for mark in part)
        if space is not None and len(shown) + 2 > space:
            from datmo.cli.table import wrapped

            shown = "\n  ".join(wrapped(shown, max(space - 2, 1)))
        say(f"  {shown}")


def hint(text: str, *, always: bool = False) -> None:
    """Say what may be done next; `always` where it belongs to an error."""
    say(f"{paint('hint:', 'cyan', sys.stderr)} {text}", always=always)


async def ask(question: str) -> str:
    """Ask on the terminal and return the answer; nothing where the input has ended."""
    from anyio.to_thread import run_sync

    sys.stderr.write(f"{question} ")
    sys.stderr.flush()
    answer: str = await run_sync(sys.stdin.readline, abandon_on_cancel=True)
    return answer.strip()


def interactive() -> bool:
    """Say whether somebody is there who can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def interactive_display() -> bool:
    """Say whether standard error is a terminal that can be drawn on, and more than errors shall be said."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and _Verbosity.level != "quiet"


def width(stream: TextIO | None = None) -> int | None:
    """Return how many columns a stream has; None where nothing limits it, as in a file or a pipe."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    stream = stream or sys.stdout
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:
        return None


def colourful(stream: TextIO | None = None) -> bool:
    """Say whether colours may be used: on a terminal that has them, unless NO_COLOR is set."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not plain and (stream or sys.stdout).isatty()


def paint(text: str, style: str | None, stream: TextIO | None = None) -> str:
    """Return text in a style (`bold`, `dim`, `red`, `green`, `yellow`, `cyan`) where colours may be used."""
    return styled(text, style) if colourful(stream) else text


def styled(text: str, style: str | None) -> str:
    """Return text in a style, whatever the terminal."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if style and text else text
