"""`datmo task plot`: a metric of some tasks as curves in the terminal."""

from __future__ import annotations

import shutil

import asyncclick as click

from datmo.cli.base import Command, opened
from datmo.cli.terminal import colourful, put, say, width
from datmo.cli.words import Shortened, clean, values

__all__ = ["plot"]

_COLUMNS, _LINES, _FEWEST = 80, 16, 4


@click.command(
    "plot",
    cls=Command,
    examples=["datmo task plot 7k2m loss", "datmo task plot 7k2m 91cd loss --start 100"],
)
@click.argument("tasks", metavar="ID...", nargs=-1, required=True)
@click.argument("name", metavar="METRIC")
@click.option("--start", type=int, metavar="STEP", help="From this step on.")
@click.option("--end", type=int, metavar="STEP", help="Up to this step.")
@click.option("--height", type=click.IntRange(min=_FEWEST), metavar="LINES", help="How high.  [default: half a screen]")
async def plot(tasks: tuple[str, ...], name: str, start: int | None, end: int | None, height: int | None) -> None:
    """Draw a metric of one task or several over its steps; also while they run.

    No peak is lost where there are more points than places. With colours all are in one chart, without in one each.
    """
    from datmo.cli.chart import Curve, draw

    columns = width() or _COLUMNS
    async with opened() as project:
        found = [await project.tasks.get(task) for task in dict.fromkeys(tasks)]
        # Two dots side by side in a character, and a least and a greatest value in each.
        series = [
            await project.tasks.metrics(each.id, name, start=start, end=end, points=4 * columns) for each in found
        ]
    short = Shortened(each.id for each in found)
    curves = [
        Curve(
            " ".join(filter(None, [short(task.id), clean(task.name or ""), values(task.config)])), one.steps, one.values
        )
        for task, one in zip(found, series, strict=True)
    ]
    lines = height or max(_FEWEST, min(_LINES, shutil.get_terminal_size().lines // 2))
    drawn = draw(curves, width=columns, height=lines, colour=colourful())
    if drawn:
        await put("\n".join([clean(name), *drawn]) + "\n")
    else:
        say("no points there")
