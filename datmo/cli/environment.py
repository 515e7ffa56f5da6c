"""`datmo environment`: what tasks run in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncclick as click

from datmo.cli.base import Group, format_option, opened
from datmo.cli.table import Column, table
from datmo.cli.terminal import colourful, hint, notice, put, say, width
from datmo.cli.words import Shortened, ago, clean
from datmo.errors import EnvironmentInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datmo.core.entity.environment import Environment
    from datmo.core.environment import EnvironmentDifference, EnvironmentInUse
    from datmo.engine.project import Project

__all__ = ["environment"]

_ID = 7


@click.group(cls=Group)
async def environment() -> None:
    """What tasks run in: propose one, build it ahead of time, see which is in use and why.

    An environment is defined by a Dockerfile, requirements.txt, pyproject.toml or environment.yml, the first that is
    there, or by the file that the setting `environment` names; without any, it is the Python that runs Datmo.
    """


@environment.command("setup", examples=["datmo environment setup", "datmo environment setup --dockerfile --write"])
@click.option(
    "--dockerfile", is_flag=True, help="Propose a Dockerfile; it installs the requirements.txt that is there."
)
@click.option("--write", is_flag=True, help="Write the file; else it is only shown.")
@format_option("text")
async def setup(dockerfile: bool, write: bool, form: str) -> None:
    """Propose a definition for a project that has none: a guess, from what its code imports."""
    async with opened() as project:
        found = await project.environments.setup(dockerfile=dockerfile, write=write)
    say(f"{found.name}: {found.reason}")
    for line in found.notices:
        notice(line)
    if form == "json":
        from datmo.cli.documents import put_document

        await put_document(found._asdict())
    else:
        await put(found.text)
    if found.written:
        say(f"wrote {found.name}")
        hint("`datmo environment create` builds it ahead of time")
    else:
        hint(
            f"`datmo environment setup{' --dockerfile' if dockerfile else ''} --write` writes it; look through it first"
        )


@environment.command(
    "create", examples=["datmo environment create", "datmo environment create --environment-def gpu.Dockerfile"]
)
@click.option("--environment-def", "definition", metavar="FILE", help="Its definition.  [default: the one in use]")
@click.option("--executor", type=click.Choice(["docker", "process"]), help="For which.  [default: as a task would]")
@click.option("--no-build", is_flag=True, help="Record it, and build it when the first task needs it.")
async def create(definition: str | None, executor: str | None, no_build: bool) -> None:
    """Record an environment and build it ahead of time, so that the first task does not wait for it."""
    async with opened() as project:
        made = await project.environments.create(definition, build=not no_build, executor=executor)
    say(f"environment {made.id[:_ID]}: {clean(made.described)}")
    await put(f"{made.id}\n")
    in_it = f" -e {definition}" if definition else ""
    hint(f'`datmo task run{in_it} "python train.py"` runs a command in it')


@environment.command("ls", examples=["datmo environment ls", "datmo environment ls --format json"])
@format_option()
async def ls(form: str) -> None:
    """List the environments; the one in use is marked with `*`, and it is said why."""
    in_use: EnvironmentInUse | EnvironmentInvalid
    async with opened() as project:
        found = await project.environments.ls()
        try:
            in_use = await project.environments.current()
        except EnvironmentInvalid as error:
            in_use = error
    current_id = None if isinstance(in_use, EnvironmentInvalid) else in_use.environment.id
    if form == "json":
        from datmo.cli.documents import entity, put_list

        await put_list(entity(each, current=each.id == current_id) for each in found)
    elif found:
        await put(environment_table(found, current_id))
    _say_in_use(in_use)


async def _current_id(project: Project) -> str | None:
    try:
        return (await project.environments.current()).environment.id
    except EnvironmentInvalid:
        return None


def _say_in_use(in_use: EnvironmentInUse | EnvironmentInvalid) -> None:
    if isinstance(in_use, Exception):
        say(f"in use: none, as {in_use}")
        return
    new = "" if in_use.recorded else ", not recorded yet"
    say(f"in use: {in_use.environment.id[:_ID]}{new}: {clean(in_use.reason)}")
    say(f"a task runs in {_PLACES[in_use.executor]}: {in_use.executor_reason}")
    for line in in_use.notices:
        notice(line)
    if in_use.environment.kind == "interpreter":
        hint("`datmo environment setup` proposes a definition")


_PLACES = {"docker": "a container", "process": "a process"}


def environment_table(found: Sequence[Environment], current_id: str | None) -> str:
    """Return environments as a table."""
    ids = Shortened((each.id for each in found), _ID)
    columns = [
        Column("", optional=True),
        Column("id", styles={"": "cyan"}),
        Column("kind"),
        Column("definition", flexible=True),
        Column("packages", right=True, spare=1),
        Column("built", spare=2),
        Column("created", spare=3),
    ]
    rows = [
        [
            "*" if each.id == current_id else "",
            ids(each.id),
            each.kind,
            clean(each.described),
            str(len(each.packages)) if each.packages else "?",
            "-" if each.kind == "interpreter" else "yes" if each.builds else "no",
            ago(each.created_at),
        ]
        for each in found
    ]
    return table(columns, rows, width=width(), colour=colourful())


@environment.command("inspect", examples=["datmo environment inspect 9be01d2"])
@click.argument("given", metavar="ID")
@format_option("text")
async def inspect(given: str, form: str) -> None:
    """Show all that is known of an environment: definition, packages, builds, what uses it."""
    async with opened() as project:
        found = await project.environments.inspect(given)
        current_id = await _current_id(project) if form == "json" else None
    if form == "json":
        from datmo.cli.documents import put_document

        await put_document({**found, "current": found["id"] == current_id})
    else:
        from datmo.cli.pages import environment_page

        await put(environment_page(found))


@environment.command("diff", examples=["datmo environment diff 9be01d2 4c1f"])
@click.argument("first", metavar="ID_1")
@click.argument("second", metavar="ID_2")
@format_option("text")
async def diff(first: str, second: str, form: str) -> None:
    """Show what differs between two environments: definition, packages as far as they are known, platform."""
    async with opened() as project:
        found = await project.environments.diff(first, second)
    if form == "json":
        from datmo.cli.documents import put_document

        await put_document(_document(found))
        return
    from datmo.cli.snapshot_diff import patch_lines, section, value_lines

    lines = section("definition", [line for each in found.definitions for line in patch_lines(each)])
    lines += section("packages", value_lines(found.packages))
    lines += section("platform", value_lines(found.platform))
    await put("".join(f"{line}\n" for line in lines))
    if found.same:
        say("nothing differs")


def _document(found: EnvironmentDifference) -> dict[str, Any]:
    from datmo.cli.documents import value_change

    document: dict[str, Any] = {"first": found.first, "second": found.second, "same": found.same}
    document["definitions"] = [each._asdict() for each in found.definitions]
    for name in ("packages", "platform"):
        document[name] = [value_change(each) for each in getattr(found, name)]
    return document


@environment.command("delete", examples=["datmo environment delete 9be01d2"])
@click.argument("given", metavar="ID")
async def delete(given: str) -> None:
    """Hide an environment and remove what was built of it; it is built again should it be needed.

    Snapshots and tasks that were made in it keep its definition.
    """
    async with opened() as project:
        gone = await project.environments.delete(given)
    say(f"deleted environment {gone.id[:_ID]}: {clean(gone.described)}")
