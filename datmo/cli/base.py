"""What all commands are made of: groups that import late, help with examples, options that several share."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import asyncclick as click

from datmo.cli import overview, terminal
from datmo.cli.formatting import Context
from datmo.errors import InvalidArgument

if TYPE_CHECKING:
    from datetime import datetime

    from datmo.core.entity.session import Session
    from datmo.engine.project import Project

__all__ = [
    "Command",
    "Group",
    "Root",
    "exclusive",
    "format_option",
    "limit_option",
    "named_session",
    "one_name",
    "opened",
    "session_filter",
    "session_names",
    "sort_option",
    "time_of",
    "where_option",
]

F = TypeVar("F", bound=Callable[..., Any])

NEWEST = 50
"""How many entries a table shows unless it is told otherwise."""
_RANGE = re.compile(r"\s*\[x>=\d+\]")
"""What click says of a number that has a least one; it goes without saying."""
_ALL = 2**31
"""More entries than any list has; SQLite takes no number of any size."""


def _spoken(level: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def callback(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            terminal.set_verbosity(level, given=True)

    return callback


_SAYING = (
    click.Option(
        ["--quiet", "-q"], is_flag=True, expose_value=False, callback=_spoken("quiet"), help="Say only errors."
    ),
    click.Option(["--verbose"], is_flag=True, expose_value=False, callback=_spoken("verbose"), help="Say more."),
)
"""What every command takes, before its name and behind it."""


def _with_common(own: list[click.Parameter]) -> list[click.Parameter]:
    return [*own[:-1], *_SAYING, *own[-1:]]  # `--help` stays the last


class Command(click.Command):
    """A command whose help ends in examples.

    Parameters:
        examples: command lines, shown as they are.
    """

    context_class: type[click.Context] = Context

    def __init__(self, *args: Any, examples: Sequence[str] = (), **more: Any) -> None:
        super().__init__(*args, **more)
        self.examples: tuple[str, ...] = tuple(examples)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return its parameters, and those that all commands have."""
        return _with_common(super().get_params(ctx))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options: in sections where the command has many, and apart what every command takes."""
        from datmo.cli.sections import SECTIONS

        title_of = {
            name: title for title, names in SECTIONS.get(ctx.command_path, {}).items() for name in names.split()
        }
        titles = [*title_of.values(), "Options", "Everywhere"]
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in titles}
        common = {id(each) for each in _SAYING}
        for each in self.get_params(ctx):
            record = each.get_help_record(ctx)
            if record is not None:
                record = record[0], _RANGE.sub("", record[1])
                everywhere = id(each) in common or each.name == "help"
                title = "Everywhere" if everywhere else next(filter(None, map(title_of.get, each.opts)), "Options")
                sections[title].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self.examples:
            from datmo.cli.sections import continued

            with formatter.section("Examples"):
                indent = formatter.current_indent
                for example in self.examples:
                    formatter.write("".join(f"{line}\n" for line in continued(example, formatter.width, indent)))


class Group(click.Group):
    """A group that lists its commands in the order in which they are written."""

    command_class: type[click.Command] | None = Command
    context_class: type[click.Context] = Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of its commands."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what each command does: the whole first sentence."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(_ALL)) for name, command in self.commands.items()])


class Root(click.Group):
    """`datmo` itself: each command or group is imported when it is used."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return what may stand before a command."""
        return _with_common(super().get_params(ctx))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands and groups."""
        return list(overview.entries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command or group by its name."""
        entry = overview.entries().get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.place.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    async def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant.

        Raises:
            NoSuchCommand: there is none of that name.
        """
        if args[0] not in overview.entries() and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=overview.entries(), ctx=ctx)
        return await super().resolve_command(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        """Return the page that `datmo --help` shows."""
        return overview.page(ctx.make_formatter().width)


@asynccontextmanager
async def opened() -> AsyncIterator[Project]:
    """Open the project at or above the working folder; what it has to say goes to standard error."""
    from datmo.engine.project import open_project, settings_of

    async with open_project(notice=terminal.notice) as project:
        with suppress(InvalidArgument):  # `datmo config ls` names what is wrong
            terminal.set_verbosity(settings_of(project)["verbosity"])
        yield project


async def named_session(project: Project, options: dict[str, Any]) -> None:
    """Put the session that `--session` names in the place of `--session-id`; where there is none of that name, make it.

    Parameters:
        project: the project.
        options: a command's, of which `session` is taken.
    """
    name = options.pop("session")
    if name is None:
        return
    from datmo.errors import Refused

    with suppress(Refused):  # somebody was quicker, or it is there
        await project.sessions.create(name, current=False)
    options["session_id"] = next(each.id for each in await project.sessions.ls() if each.name == name)


def format_option(people: str = "table", *, csv: bool = False, lines: bool = False) -> Callable[[F], F]:
    """Return the option `--format`: for people, or JSON.

    Parameters:
        people: what the form for people is called.
        csv: whether there is CSV, too.
        lines: whether JSON is a document a line, as things happen.
    """
    documents = ("" if csv else "or ") + ("as JSON, one document a line" if lines else "as one JSON document")
    return click.option(
        "--format",
        "form",
        type=click.Choice([people, "json", *(["csv"] if csv else [])]),
        default=people,
        show_default=True,
        help=f"For people, {documents}" + (", or as CSV with a column for each value." if csv else "."),
    )


def where_option(example: str) -> Callable[[F], F]:
    """Return the option `--where`."""
    return click.option(
        "--where",
        metavar="EXPRESSION",
        help=f"Only those for which it holds, such as '{example}'; and, or, not, == != < <= > >=, contains.",
    )


def sort_option(example: str) -> Callable[[F], F]:
    """Return the option `--sort`."""
    return click.option(
        "--sort",
        metavar="KEY",
        help=f"The largest first; '{example} asc' for the smallest. Those without it come last.",
    )


def limit_option(what: str) -> Callable[[F], F]:
    """Return the option `--limit`."""
    return click.option(
        "--limit",
        type=click.IntRange(min=0),
        metavar="N",
        help=f"At most N {what}; 0 for all. [default: {NEWEST} in a table, else all]",
    )


def effective_limit(limit: int | None, form: str) -> int | None:
    """Return how many entries are wanted; None for all."""
    if limit is None:
        return NEWEST if form == "table" else None
    return min(limit, _ALL) or None


def session_filter() -> Callable[[F], F]:
    """Return the option `--session-id` of lists; without a value it is empty."""
    return click.option(
        "--session-id",
        is_flag=False,
        flag_value="",
        metavar="[SESSION]",
        help="Only those of one session, by name or id; without a value those of all.",
    )


def session_names(found: Iterable[Any], sessions: Iterable[Session]) -> dict[str, str]:
    """Return what sessions are called in a list of theirs: names by ids; none where all is of the current one."""
    from datmo.cli.words import clean

    sessions = list(sessions)
    current = {each.id for each in sessions if each.current}
    elsewhere = any(each.session_id not in current for each in found)
    return {each.id: clean(each.name) for each in sessions} if elsewhere else {}


def exclusive(**given: object) -> None:
    """Refuse options that exclude one another.

    Raises:
        UsageError: more than one of them was given.
    """
    names = [f"--{name.replace('_', '-')}" for name, value in given.items() if value not in (None, ())]
    if len(names) > 1:
        raise click.UsageError(
            f"{' and '.join(names)} exclude one another: give one of them", click.get_current_context()
        )


def one_name(positional: str | None, option: str | None) -> str:
    """Return a name that may be given as `NAME` or as `--name NAME`.

    Raises:
        UsageError: it is given in neither way, or in both.
    """
    names = [name for name in (positional, option) if name is not None]
    if len(names) != 1:
        problem = "give the name once" if names else "give the session's name"
        raise click.UsageError(f"{problem}: as NAME or as --name NAME", click.get_current_context())
    return names[0]


def time_of(text: str) -> datetime:
    """Return the time that an option names; see `datmo.cli.words.moment_of`.

    Raises:
        BadParameter: it is none.
    """
    from datmo.cli.words import moment_of

    try:
        return moment_of(text)
    except (ValueError, OverflowError) as error:
        message = f"{text!r} is no time: give one like 2026-01-31T12:00, or 2h or 3d for so long ago"
        raise click.BadParameter(message) from error
