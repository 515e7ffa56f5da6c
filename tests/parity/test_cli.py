"""The seed's command line against ours: the real tree of commands, row by row."""

from __future__ import annotations

import asyncclick as click
import pytest

from datmo.cli.edge import root
from tests.cli.test_tree import commands
from tests.parity import seed_cli
from tests.parity.nodes import problem_of
from tests.parity.seed_cli import Argument, Command, Option

pytestmark = pytest.mark.anyio


def label(row: Option | Argument) -> str:
    """What a row is called in the tests' names."""
    return " ".join(row[:2])


def above() -> click.Context:
    """The context of the program, in which `-h` asks for help: a command remembers how it was first asked."""
    return click.Context(root, info_name="datmo", **root.context_settings)


async def found(path: str) -> click.Command:
    return (await commands())[path]


@pytest.mark.parametrize(("path", "names"), seed_cli.GROUPS.items(), ids=lambda value: value or "datmo")
async def test_a_group_has_the_seeds_commands(path: str, names: str) -> None:
    group: click.Group = root
    context = above()
    if path:
        below = root.get_command(context, path)
        assert isinstance(below, click.Group)
        group = below
    assert set(names.split()) <= set(group.list_commands(context))


@pytest.mark.parametrize("row", seed_cli.COMMANDS, ids=lambda row: row.path)
async def test_a_command_is_there_and_says_what_it_does(row: Command) -> None:
    command = await found(row.path)
    assert command.help
    context = click.Context(command, info_name=row.path, parent=above())
    assert set(command.get_help_option_names(context)) == {"-h", "--help"}
    assert problem_of(row.shown) is None


@pytest.mark.parametrize("row", seed_cli.OPTIONS, ids=label)
async def test_an_option_is_there_by_all_its_names_and_takes_what_the_seeds_takes(row: Option) -> None:
    command = await found(row.path)
    names = set(row.names.split())
    (option,) = [each for each in command.params if isinstance(each, click.Option) and names <= set(each.opts)]
    assert kind_of(option) == row.takes
    assert option.name
    context = await command.make_context(row.path, [], parent=above(), resilient_parsing=True)
    assert context.params[option.name] == row.default
    assert problem_of(row.shown) is None


@pytest.mark.parametrize("row", seed_cli.ARGUMENTS, ids=label)
async def test_a_positional_is_there_in_its_place(row: Argument) -> None:
    command = await found(row.path)
    (argument,) = [
        each
        for each in command.params
        if isinstance(each, click.Argument) and (each.metavar or "").strip("[]") == row.metavar
    ]
    assert argument.required is row.required
    assert problem_of(row.shown) is None


async def test_positionals_stand_in_the_seeds_order() -> None:
    arguments = [each for each in (await found("snapshot diff")).params if isinstance(each, click.Argument)]
    assert [(each.metavar or "").strip("[]") for each in arguments] == ["ID_1", "ID_2"]


def test_no_row_is_there_twice() -> None:
    rows = [row[:2] for table in (seed_cli.OPTIONS, seed_cli.ARGUMENTS) for row in table]
    assert len(set(rows)) == len(rows)


def kind_of(option: click.Option) -> str:
    if option.is_flag:
        return "nothing"
    if option.multiple:
        return "values"
    return "maybe" if option._flag_needs_value else "value"
