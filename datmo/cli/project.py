"""`datmo init`, `cleanup` and `version`."""

from __future__ import annotations

from pathlib import Path

import asyncclick as click

from datmo.cli import overview
from datmo.cli.bar import bar
from datmo.cli.base import Command, format_option, opened
from datmo.cli.terminal import ask, hint, interactive, notice, put, say
from datmo.cli.words import clean
from datmo.errors import ProjectNotFound, Refused

__all__ = ["cleanup", "init", "version"]


@click.command(cls=Command, examples=["datmo version", "datmo version --format json"])
@format_option("text")
async def version(form: str) -> None:
    """Show the version of Datmo."""
    if form == "json":
        from datmo.cli.documents import put_document

        await put_document(overview.version_document())
    else:
        await put(overview.version_line() + "\n")


@click.command(cls=Command, examples=['datmo init --name iris --description "first steps"', "datmo init"])
@click.option("--name", "-n", help="The project's name.  [default: the folder's]")
@click.option("--description", help="What it is for; may be empty.")
async def init(name: str | None, description: str | None) -> None:
    """Make this folder a project.

    In a folder that is one already, change its name and description: the id and everything recorded stay. On a terminal
    a name that is missing is asked for.
    """
    from anyio.to_thread import run_sync

    from datmo.engine.project import init as initialize

    here = await run_sync(Path.cwd)
    known = await _is_project(here)
    if name is None and not known and interactive():
        name = await ask(f"Name of the project [{here.name}]:") or None
    async with initialize(name=name, description=description, notice=notice) as project:
        found = await project.status(changes=False)
    done = "is" if known else "is now"
    say(f"{found.home} {done} the project {clean(found.name)}")
    await put(f"{found.id}\n")
    hint('`datmo task run "python train.py"` runs and records a command')


async def _is_project(folder: Path) -> bool:
    from datmo.engine.project import open_project

    try:
        async with open_project(folder):
            return True
    except ProjectNotFound:
        return False


@click.command(cls=Command, examples=["datmo cleanup", "datmo cleanup --yes"])
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
async def cleanup(yes: bool) -> int | None:
    """Remove the project: everything that Datmo has stored of it. Your own files stay.

    What goes is listed first. On a terminal you are asked, elsewhere nothing is removed without --yes.
    """
    from datmo.engine.project import cleanup as remove

    async with opened() as project:
        plan = await project.cleanup_plan()
        home = project.home
    await put("".join(f"{line}\n" for line in plan))
    if not yes:
        if not interactive():
            raise Refused("nothing was removed: nobody is here to be asked", hint="`datmo cleanup --yes` does not ask")
        if (await ask("Remove all this? [y/N]")).lower() not in ("y", "yes"):
            say("nothing was removed")
            return 1
    with bar("removing", "parts") as progress:
        await remove(home, notice=notice, progress=progress)
    say("removed")
    return None
