"""`datmo snapshot`: code, environment, files, configuration and metrics, tied together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncclick as click

from datmo.cli import snapshot_checkout, snapshot_diff, snapshot_store, snapshot_words
from datmo.cli.bar import bar
from datmo.cli.base import (
    Group,
    effective_limit,
    exclusive,
    format_option,
    limit_option,
    opened,
    session_filter,
    session_names,
    sort_option,
    where_option,
)
from datmo.cli.table import Column, table
from datmo.cli.terminal import colourful, hint, put, say, width
from datmo.cli.value_columns import value_columns
from datmo.cli.words import Shortened, ago, clean
from datmo.core.inline import parse_pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from datmo.core.entity.session import Session
    from datmo.core.entity.snapshot import Snapshot

__all__ = ["snapshot", "snapshot_table"]

_CONTENT = 7
"""How many characters of the ids of code, environments and files are shown at least."""


@click.group(cls=Group)
async def snapshot() -> None:
    """Keep code, environment, files, configuration and metrics together, and find them again."""


@snapshot.command(
    "create",
    examples=[
        'datmo snapshot create -m "first model"',
        'datmo snapshot create -m "best of the sweep" --label best --task-id 7k2m',
        'datmo snapshot create -m "weights" --filepaths model.pt --filepaths plots/',
    ],
)
@click.option("--message", "-m", required=True, help="What it is, in your words.")
@click.option("--label", "-l", help="A short category, such as best.")
@click.option("--session-id", metavar="SESSION", help="The session that it belongs to.  [default: the current one]")
@click.option("--task-id", metavar="TASK", help="Take code, environment, files, config and results of this task.")
@click.option("--code-id", metavar="CODE", help="Take this code instead of that in the folder.")
@click.option("--commit-id", metavar="COMMIT", help="Take the code of this commit.")
@click.option("--environment-id", metavar="ENVIRONMENT", help="Take this environment.")
@click.option("--environment-def", metavar="FILE", help="Take the environment that this file defines.")
@click.option("--file-collection-id", metavar="FILES", help="Take the files of this collection.")
@click.option("--filepaths", metavar="PATH", multiple=True, help="Keep this file or folder; may be repeated.")
@click.option("--config", metavar="KEY:VALUE", multiple=True, help="A value of the configuration; may be repeated.")
@click.option("--config-filename", metavar="NAME", help="Look for the configuration under this name.  [config.json]")
@click.option("--config-filepath", metavar="FILE", help="Read the configuration from this JSON, YAML or TOML file.")
@click.option("--stats", metavar="KEY:VALUE", multiple=True, help="A metric; may be repeated.")
@click.option("--stats-filename", metavar="NAME", help="Look for the metrics under this name.  [stats.json]")
@click.option("--stats-filepath", metavar="FILE", help="Read the metrics from this JSON, YAML or TOML file.")
async def create(**given: Any) -> None:
    """Create a snapshot of the project as it is, or of what a task ran and left."""
    _refuse_together(given)
    code_id = given.pop("code_id")
    for name in ("config", "stats"):
        given[name] = parse_pairs(name, given[name]) if given[name] else None
    async with opened() as project:
        with bar("storing") as progress:
            made = await project.snapshots.create(
                given.pop("message"),
                commit_id=given.pop("commit_id") or code_id,
                environment_definition=given.pop("environment_def"),
                filepaths=given.pop("filepaths") or None,
                progress=progress,
                **given,
            )
    said = Shortened([made.id])(made.id)
    say(f"created snapshot {said}: {clean(made.message)}")
    await put(f"{made.id}\n")
    hint(f"`datmo snapshot inspect {said}` shows all of it")


def _refuse_together(given: Mapping[str, object]) -> None:
    """Refuse options of which only one can hold."""
    for pair in (
        ("code_id", "commit_id"),
        ("environment_id", "environment_def"),
        ("file_collection_id", "filepaths"),
        ("config", "config_filepath", "config_filename"),
        ("stats", "stats_filepath", "stats_filename"),
    ):
        exclusive(**{name: given[name] for name in pair})
    for name in ("code_id", "commit_id", "environment_id", "environment_def", "file_collection_id", "filepaths"):
        exclusive(task_id=given["task_id"], **{name: given[name]})


@snapshot.command(
    "ls",
    examples=[
        "datmo snapshot ls",
        "datmo snapshot ls -a --filter best",
        "datmo snapshot ls --where 'stats.accuracy > 0.9 and config.lr == 0.1' --sort stats.accuracy",
        'datmo snapshot ls --where \'not label == "best" and created_at > "2026-11-01"\' --format csv',
    ],
)
@session_filter()
@click.option("--all", "-a", "everything", is_flag=True, help="Show code, environment, file collection and task, too.")
@click.option("--filter", "text", metavar="TEXT", help="Only those with this in their message or label.")
@where_option("stats.accuracy > 0.9 and config.lr == 0.1")
@sort_option("stats.loss")
@click.option("--deleted", is_flag=True, help="Those that were deleted, instead of the others.")
@limit_option("snapshots")
@format_option(csv=True)
async def ls(
    session_id: str | None, everything: bool, text: str | None, limit: int | None, form: str, **selection: Any
) -> None:
    """List snapshots, newest first; the current one is marked with `*`."""
    async with opened() as project:
        current = await project.snapshots.current()
        found, total = await project.snapshots.page(
            session_id=session_id or None, filter=text, limit=effective_limit(limit, form), **selection
        )
        sessions = await project.sessions.ls()
    current_id = None if current is None else current.id
    if form == "table" and found:
        shown = snapshot_table(found, sessions, current_id=current_id, everything=everything, sort=selection["sort"])
        await put(shown)
    elif form != "table":
        await _put_documents(found, sessions, current_id, form)
    if len(found) < total:
        say(f"showing {len(found)} of {total}; --limit 0 shows all")
    if not total and form == "table":
        selected = bool(text or session_id or selection["where"] or selection["deleted"])
        say("no snapshots" + (" fit" if selected else " yet"))
        if not selected:
            hint('`datmo snapshot create -m "first model"` makes one')


async def _put_documents(
    found: Sequence[Snapshot], sessions: Iterable[Session], current_id: str | None, form: str
) -> None:
    from datmo.cli.documents import entity, put_list

    if form == "json":
        await put_list(entity(each, current=each.id == current_id) for each in found)
        return
    from datmo.cli.csv_list import SNAPSHOT_COLUMNS, put_csv

    names = {each.id: each.name for each in sessions}
    documents = (entity(each, current=each.id == current_id, session=names[each.session_id]) for each in found)
    await put_csv(documents, SNAPSHOT_COLUMNS, ("config", "stats"))


@snapshot.command("inspect", examples=["datmo snapshot inspect 91cd", "datmo snapshot inspect best --format json"])
@click.argument("given", metavar="ID")
@format_option("text")
async def inspect(given: str, form: str) -> None:
    """Show all that is known of a snapshot. ID is its id, a unique prefix of it, or its label."""
    async with opened() as project:
        found = await project.snapshots.inspect(given)
        sessions = {each.id: each.name for each in await project.sessions.ls()}
        current = await project.snapshots.current() if form == "json" else None
    if form == "json":
        from datmo.cli.documents import page, put_document

        await put_document(page(found) | {"current": current is not None and current.id == found["id"]})
    else:
        from datmo.cli.pages import snapshot_page

        await put(snapshot_page(found, sessions.get(found["session_id"])))


def snapshot_table(
    found: Sequence[Snapshot],
    sessions: Iterable[Session],
    *,
    current_id: str | None = None,
    everything: bool = False,
    sort: str | None = None,
) -> str:
    """Return snapshots as a table.

    Parameters:
        found: the snapshots.
        sessions: all sessions; shown where one is not of the current one.
        current_id: the one that is marked.
        everything: show the ids of code, environment, files and task, too.
        sort: what they are sorted by.
    """
    ids = Shortened(each.id for each in found)
    names = session_names(found, sessions)
    space = width()
    config = value_columns("config", [each.config for each in found], width=space, spare=5, sort=sort)
    stats = value_columns("stats", [each.stats for each in found], width=space, spare=3, sort=sort)
    columns = [
        Column("", optional=True, styles={"": "green"}),
        Column("id", styles={"": "cyan"}),
        Column("created", spare=4),
        Column("session", flexible=True, optional=True, spare=2),
        Column("label", flexible=True, optional=True, styles={"": "green"}),
        Column("message", flexible=True),
        *config.columns,
        *stats.columns,
    ]
    rows = [
        [
            "*" if each.id == current_id else "",
            ids(each.id),
            ago(each.created_at),
            names.get(each.session_id, ""),
            clean(each.label or ""),
            clean(each.message),
            *config.rows[i],
            *stats.rows[i],
        ]
        for i, each in enumerate(found)
    ]
    if everything:
        columns += [Column(name, spare=1, optional=True) for name in ("code", "environment", "files", "task")]
        _add_content(found, rows)
    return table(columns, rows, width=space, colour=colourful())


def _add_content(found: Sequence[Snapshot], rows: list[list[str]]) -> None:
    code = Shortened((each.code_id for each in found), _CONTENT)
    environments = Shortened((each.environment_id for each in found), _CONTENT)
    files = Shortened((each.file_collection_id for each in found), _CONTENT)
    tasks = Shortened(each.task_id for each in found)
    for each, row in zip(found, rows, strict=True):
        row += [
            code(each.code_id),
            environments(each.environment_id),
            files(each.file_collection_id),
            tasks(each.task_id),
        ]


for _command in (
    *snapshot_checkout.COMMANDS,
    *snapshot_diff.COMMANDS,
    *snapshot_words.COMMANDS,
    *snapshot_store.COMMANDS,
):
    snapshot.add_command(_command)
