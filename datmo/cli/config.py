"""`datmo config`: settings, of the project and of the user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import asyncclick as click

from datmo.cli.base import Group, format_option, opened
from datmo.cli.table import Column, table
from datmo.cli.terminal import colourful, put, say, width
from datmo.core.settings import SETTINGS, SettingValue, setting
from datmo.errors import ProjectNotFound

if TYPE_CHECKING:
    from datmo.engine.config import ProjectConfig

__all__ = ["config"]

T = TypeVar("T")


@click.group(cls=Group)
async def config() -> None:
    """Settings: how tasks run where a command does not say, how much is recorded and said.

    What a command is given goes before everything; then an environment variable, the project's settings, the user's,
    the default.
    """


async def _with(work: Callable[[ProjectConfig], Awaitable[T]]) -> T:
    """Do something with the settings of the project here, or with the user's alone where there is none."""
    try:
        async with opened() as project:
            return await work(project.config)
    except ProjectNotFound:
        from datmo.engine.config import ProjectConfig

        return await work(ProjectConfig(None))


_key = click.argument("key", metavar="KEY")
_user = click.option("--user", is_flag=True, help="For you, in all projects that do not say otherwise.")


@config.command("get", examples=["datmo config get executor", "datmo config get output.limit --format json"])
@_key
@format_option("text")
async def get(key: str, form: str) -> None:
    """Show the value of a setting that is in force."""
    setting(key)
    (found,) = [each for each in await _with(lambda config: config.ls()) if each.key == key]
    if form == "json":
        from datmo.cli.documents import put_document

        await put_document(found._asdict())
    else:
        await put(f"{_text(found)}\n")


@config.command(
    "set",
    examples=[
        "datmo config set executor docker",
        "datmo config set output.limit 200m",
        "datmo config set jobs 2 --user",
    ],
)
@_key
@click.argument("value", metavar="VALUE")
@_user
async def set_(key: str, value: str, user: bool) -> None:
    """Give a setting a value, for this project or for you."""
    _say(await _with(lambda config: config.set(key, value, user=user)))


@config.command("unset", examples=["datmo config unset executor", "datmo config unset jobs --user"])
@_key
@_user
async def unset(key: str, user: bool) -> None:
    """Take back what this project, or you, have said of a setting."""
    _say(await _with(lambda config: config.unset(key, user=user)))


@config.command("ls", examples=["datmo config ls", "datmo config ls --format json"])
@format_option()
async def ls(form: str) -> None:
    """List all settings: the values in force, where they come from, what they do."""
    found = await _with(lambda config: config.ls())
    if form == "json":
        from datmo.cli.documents import put_list

        await put_list(each._asdict() for each in found)
        return
    columns = [
        Column("setting", styles={"": "cyan"}),
        Column("value", flexible=True),
        Column("from", styles={"default": "dim"}),
        Column("variable", spare=1),
        Column("what it does", flexible=True, whole=True),
    ]
    rows = [[each.key, _text(each), each.source, each.variable, each.help] for each in found]
    await put(table(columns, rows, width=width(), colour=colourful()))


def _text(found: SettingValue) -> str:
    return "auto" if found.value is None else SETTINGS[found.key].kind.show(found.value)


_FROM = {
    "environment": "as {variable} says",
    "project": "as this project says",
    "user": "as you say for all projects",
    "default": "the default",
}


def _say(found: SettingValue) -> None:
    say(f"{found.key} is {_text(found)}: {_FROM[found.source].format(variable=found.variable)}")
