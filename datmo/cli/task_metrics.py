"""`datmo task metrics`: what a task measured."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import asyncclick as click

from datmo.cli.base import Command, format_option, opened
from datmo.cli.table import Column, table
from datmo.cli.terminal import colourful, hint, put, put_json, say, width
from datmo.cli.words import ago, amount, clean, exact, metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from datmo.core.points import Series

__all__ = ["metrics"]

_SHOWN = 20
"""Points that a table has where it is not said how many; for programs it is all."""


@click.command(
    "metrics",
    cls=Command,
    examples=[
        "datmo task metrics 7k2m",
        "datmo task metrics 7k2m loss",
        "datmo task metrics 7k2m loss --start 100 --end 200 --format csv",
    ],
)
@click.argument("given", metavar="ID")
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--start", type=int, metavar="STEP", help="From this step on.")
@click.option("--end", type=int, metavar="STEP", help="Up to this step.")
@click.option(
    "--points",
    type=click.IntRange(min=0),
    metavar="N",
    help=f"At most so many, no peak lost; 0 for all.  [default: {_SHOWN} in a table, else all]",
)
@format_option(csv=True)
@click.pass_context
async def metrics(ctx: click.Context, /, given: str, name: str | None, form: str, **part: int | None) -> None:
    """Show a task's metrics, or the points of the one of that NAME; also while it runs."""
    if name is None and any(each is not None for each in part.values()):
        raise click.UsageError("--start, --end and --points go with the name of a metric", ctx)
    async with opened() as project:
        if name is None:
            await _all(cast("dict[str, Any]", await project.tasks.summaries(given)), form)
            return
        points = part["points"]
        if points is None and form == "table":
            points = _SHOWN
        found = await project.tasks.metrics(
            given, name, start=part["start"], end=part["end"], points=max(points, 2) if points else None
        )
        whole = (await project.tasks.summaries(given))[name]["count"]
    await _one(found, form)
    if form == "table" and len(found.steps) < whole:
        say(f"showing {len(found.steps)} of {amount(whole, 'point')}; --points 0 shows all")


async def _all(found: Mapping[str, Mapping[str, Any]], form: str) -> None:
    if form == "json":
        from datmo.cli.documents import put_document, summary

        await put_document({name: summary(each) for name, each in found.items()})
        return
    names = ("last", "min", "max", "last_step", "count")
    if form == "csv":
        rows = [[name, *(each[key] for key in names)] for name, each in found.items()]
        await put_json(_csv([("name", *names), *rows]))
    elif found:
        columns = [
            Column("metric", flexible=True, styles={"": "cyan"}),
            *(Column(name, right=True) for name in ("last", "min", "max", "step", "points")),
            Column("when"),
        ]
        shown = [
            [
                clean(name),
                *("" if each[key] is None else metric(name, each[key]) for key in ("last", "min", "max")),
                str(each["last_step"]),
                str(each["count"]),
                ago(_moment(each["last_time"])),
            ]
            for name, each in found.items()
        ]
        await put(table(columns, shown, width=width(), colour=colourful()))
    else:
        say("no metrics yet")
        hint("the task's code reports them: `datmo.task.current().log(step=3, loss=0.2)`")


async def _one(found: Series, form: str) -> None:
    if form == "json":
        from datmo.cli.documents import line

        times = [exact(_moment(at)) for at in found.times]
        document = {"steps": found.steps.tolist(), "times": times, "values": found.values.tolist()}
        await put_json(line({"name": found.name, **document}) + "\n")
    elif form == "csv":
        rows = ([step, exact(_moment(at)), each] for step, at, each in _points(found))
        await put_json(_csv([("step", "time", "value"), *rows]))
    elif found.steps:
        columns = [Column("step", right=True), Column("time, UTC"), Column("value", right=True)]
        rows_of_text = [
            [str(step), f"{_moment(at):%Y-%m-%d %H:%M:%S.%f}"[:-3], metric(found.name, each)]
            for step, at, each in _points(found)
        ]
        await put(table(columns, rows_of_text, width=width(), colour=colourful()))
    else:
        say("no points there")


def _points(found: Series) -> Iterator[tuple[int, float, float]]:
    return zip(found.steps, found.times, found.values, strict=True)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _csv(rows: list[Any]) -> str:
    import csv
    import io

    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
