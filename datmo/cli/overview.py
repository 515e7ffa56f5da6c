"""The tree of commands by name, and the page that `datmo --help` shows; known without importing any command."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping
from typing import NamedTuple

import datmo
from datmo.cli.terminal import paint

__all__ = ["GROUPS", "Entry", "answer", "entries", "page", "version_line"]


class Entry(NamedTuple):
    """A command or group at the top.

    Parameters:
        place: `module:attribute`, imported when it is used.
        help: what it does, in a few words.
    """

    place: str
    help: str


GROUPS: Mapping[str, Mapping[str, Entry]] = {
    "A project": {
        "init": Entry("datmo.cli.project:init", "make this folder a project, or change its name and description"),
        "status": Entry("datmo.cli.status:status", "session, snapshot, what has changed since, what runs and ran last"),
        "gc": Entry("datmo.cli.gc:gc", "remove what only deleted snapshots and tasks needed"),
        "cleanup": Entry("datmo.cli.project:cleanup", "remove the project; your own files stay"),
        "session": Entry("datmo.cli.session:session", "group tasks and snapshots: create, select, ls, delete"),
    },
    "Work that is recorded": {
        "task": Entry("datmo.cli.task:task", "run commands in the project's environment: run, ls, logs, stop"),
        "environment": Entry(
            "datmo.cli.environment:environment", "what tasks run in: setup, create, ls, inspect, diff, delete"
        ),
        "snapshot": Entry("datmo.cli.snapshot:snapshot", "keep code, environment, files, config and stats together"),
    },
    "What happened": {
        "log": Entry("datmo.cli.log:log", "the event log: ls, show, follow, verify, replay"),
    },
    "Datmo itself": {
        "config": Entry("datmo.cli.config:config", "settings of the project and your own: get, set, unset, ls"),
        "docs": Entry("datmo.cli.docs:docs", "a guide, and references of commands, SDK, settings, events, files"),
        "completion": Entry(
            "datmo.cli.completion:completion", "let bash, zsh or fish complete commands, ids and labels"
        ),
        "version": Entry("datmo.cli.project:version", "show the version"),
    },
}
"""A new command or group is one line here."""

_EXAMPLES = (
    ('datmo init --name iris --description "first steps"', ""),
    ('datmo task run "python train.py"', "run, record output, results and files"),
    ('datmo snapshot create -m "baseline" --task-id 7k2m', "keep what the task ran and left"),
    ("datmo snapshot ls", ""),
)
_WIDEST = 100


def entries() -> dict[str, Entry]:
    """Return all commands and groups by name."""
    return {name: entry for group in GROUPS.values() for name, entry in group.items()}


def version_line() -> str:
    """Return what `datmo version` shows."""
    return f"datmo {datmo.__version__}"


def version_document() -> dict[str, str]:
    """Return what `datmo version --format json` shows."""
    return {"version": datmo.__version__, "python": ".".join(map(str, sys.version_info[:3]))}


def page(width: int) -> str:
    """Return what `datmo --help` shows.

    Parameters:
        width: of the terminal; lines are no longer than it, nor than is pleasant to read.
    """
    width = min(width, _WIDEST)
    lines = [f"{paint('Usage:', 'bold')} datmo COMMAND ...", ""]
    lines += textwrap.wrap(
        "Record tasks, and keep snapshots of code, environment, files, configuration and results. Works in any "
        "folder of a project, with git or without.",
        width,
        initial_indent="  ",
        subsequent_indent="  ",
    )
    for title, group in GROUPS.items():
        lines += ["", paint(f"{title}:", "bold")]
        lines += [line for name, entry in group.items() for line in _pair(name, entry.help, 12, width)]
    lines += [
        "",
        paint("Examples:", "bold"),
        *(line for text, what in _EXAMPLES for line in _example(text, what, width)),
    ]
    lines += [
        "",
        paint("Options:", "bold"),
        *_pair("-h, --help", "show this page; `datmo COMMAND --help` shows more", 12, width),
    ]
    return "\n".join(lines)


def _pair(name: str, text: str, column: int, width: int) -> list[str]:
    indent = " " * (column + 4)
    return textwrap.wrap(text, width, initial_indent=f"  {name:{column}}  ", subsequent_indent=indent)


def _example(text: str, what: str, width: int) -> list[str]:
    line = f"  $ {text}"
    return [f"{line:56}# {what}"] if what and 58 + len(what) <= width else [line]


def answer(arguments: list[str]) -> str | None:
    """Return what the two quickest questions are answered, without an event loop; None for all others."""
    if arguments in (["version"], ["--version"]):
        return version_line()
    if arguments in (["-h"], ["--help"]):
        from shutil import get_terminal_size

        return page(get_terminal_size().columns)
    return None
