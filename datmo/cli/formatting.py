"""How help is written."""

from __future__ import annotations

import asyncclick as click

from datmo.cli.terminal import paint

__all__ = ["Context", "Formatter"]


class Formatter(click.HelpFormatter):
    """Writes headings bold, where standard output is a terminal."""

    def write_heading(self, heading: str) -> None:
        """Write the title of a section."""
        super().write_heading(paint(heading, "bold"))

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write how it is called."""
        super().write_usage(prog, args, paint("Usage:", "bold") + " " if prefix is None else prefix)


class Context(click.Context):
    """Where a command is parsed, its help written so."""

    formatter_class: type[click.HelpFormatter] = Formatter
