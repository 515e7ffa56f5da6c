"""How errors are shown: one line that says what is wrong, one that says what to do, and the exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator

import asyncclick as click

from datmo.cli.terminal import hint, paint, quiet, say, verbose
from datmo.errors import (
    ArchiveError,
    BuildFailed,
    CaptureError,
    CodeError,
    DatmoError,
    EnvironmentInvalid,
    FilesError,
    InvalidArgument,
    LogError,
    ObjectError,
    RunnerError,
)

__all__ = ["INTERRUPTED", "report", "report_bug", "report_usage"]

INTERRUPTED = 130


_NEXT: tuple[tuple[type[DatmoError], str], ...] = (
    (EnvironmentInvalid, "`datmo environment ls` says which environment is in use, and why"),
    (BuildFailed, "what was printed is above; mend the definition that `datmo environment ls` names"),
    (ObjectError, "`datmo snapshot verify --all` names all that is missing or damaged"),
    (LogError, "`datmo log verify` checks the whole log"),
    (ArchiveError, "`datmo snapshot export` writes one anew, in the project that it came from"),
    (FilesError, "give another file or folder, or mend that one; `{command} --help` shows how it is used"),
    (CodeError, "`datmo snapshot verify --all` names code that is missing or damaged"),
    (CaptureError, "give another folder, or mend that one; `{command} --help` shows how it is used"),
    (RunnerError, "`datmo task ls` shows what was recorded; with --verbose it is said what this came from"),
    (InvalidArgument, "`{command} --help` shows how it is used"),
)
"""What to do next where an error itself does not say it."""


def report(error: DatmoError, command: str | None = None) -> int:
    """Show an error of ours and return its exit code.

    Parameters:
        error: the error.
        command: the command that it came from; where that still runs it is known.
    """
    context = click.get_current_context(silent=True)
    command = context.command_path if context is not None else command or "datmo"
    if isinstance(error, BuildFailed) and quiet():
        for line in error.output.splitlines():  # of which nothing was shown
            say(f"  {line}", always=True)
    advice = error.hint or next((text for kind, text in _NEXT if isinstance(error, kind)), None)
    _show(error.message, advice and (advice if error.hint else advice.format(command=command)))
    if verbose():
        _show_causes(error)
    return error.exit_code


def _show_causes(error: BaseException) -> None:
    """Say what an error came from, one line each."""
    while (cause := error.__cause__) is not None:
        said = " ".join(f"{type(cause).__name__}: {cause}".split())
        say(f"  because of {said}")
        error = cause


def report_usage(error: click.ClickException) -> int:
    """Show a mistake in the command line and return its exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        say(error.format_message(), always=True)
        return error.exit_code
    message, advice = error.format_message(), None
    if isinstance(error, click.exceptions.NoSuchCommand | click.exceptions.NoSuchOption):
        message = error.message
        if error.possibilities:
            advice = f"did you mean `{error.possibilities[0]}`?"
    if advice is None and isinstance(error, click.UsageError) and error.ctx is not None:
        advice = f"`{error.ctx.command_path} --help` shows how it is used"
    _show(message[:1].lower() + message[1:].removesuffix("."), advice)
    return error.exit_code


_OF_THE_MACHINE = frozenset([errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EMFILE])
"""No room, no permission: nothing that we did wrong."""


def report_bug(error: BaseException) -> int:
    """Show an error that should not have come so far and return its exit code."""
    if os.environ.get("DATMO_DEBUG"):
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    cause = next(_leaves(error))
    if isinstance(cause, OSError) and cause.errno in _OF_THE_MACHINE:
        where = f"{os.fsdecode(cause.filename)}: " if isinstance(cause.filename, str | bytes) else ""
        _show(f"{where}{str(cause.strerror).lower()}", None)
        return 1
    said = " ".join(f"{type(cause).__name__}: {cause}".split())
    _show(f"this is a bug in datmo: {said}", "run it again with DATMO_DEBUG=1 to see where it happened")
    return 1


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def report_group(group: BaseExceptionGroup[BaseException], command: str | None = None) -> int:
    """Show several errors that came at once and return the exit code of the first of ours."""
    ours = [error for error in _leaves(group) if isinstance(error, DatmoError)]
    if len(ours) < len(list(_leaves(group))):
        return report_bug(group)
    return next(report(error, command) for error in ours)


def _show(message: str, advice: str | None) -> None:
    say(f"{paint('error:', 'red', sys.stderr)} {message}", always=True)
    if advice:
        hint(advice, always=True)
