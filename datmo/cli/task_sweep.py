"""The options of `datmo task run` that make many tasks of one command, and what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import asyncclick as click

if TYPE_CHECKING:
    from datmo.core.expression import Order
    from datmo.core.sweep import TaskSpec

__all__ = ["SweepOptions", "specs_of", "sweep_options"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--jobs",
        "-j",
        type=click.IntRange(min=1),
        metavar="N",
        help="How many at a time.  [default: what `datmo config get jobs` says]",
    ),
    click.option(
        "--grid",
        metavar="NAME=VALUES",
        multiple=True,
        help="Run for each value, such as lr=0.1,0.01 or seed=0..3; repeated: for each combination. {NAME} in a "
        "command stands for it.",
    ),
    click.option(
        "--from",
        "source",
        type=Path,
        metavar="FILE",
        help="Run for each entry of a file of parameters: .jsonl, .csv, .json, .yaml or .toml.",
    ),
    click.option("--repeat", type=click.IntRange(min=1), default=1, metavar="N", help="Run each so many times."),
    click.option(
        "--retries", type=click.IntRange(min=0), default=0, metavar="N", help="Run what fails again, so often."
    ),
    click.option("--max-failures", type=click.IntRange(min=1), metavar="N", help="Stop all after so many failed."),
    click.option("--fail-fast", is_flag=True, help="Stop all after one failed."),
    click.option("--detach", is_flag=True, help="Leave them to a process of their own, and say their ids."),
    click.option("--rank", metavar="KEY", help="Best first, such as results.accuracy, or 'results.loss asc'."),
)


class SweepOptions(NamedTuple):
    """What these options say."""

    jobs: int | None
    grid: tuple[str, ...]
    source: Path | None
    repeat: int
    retries: int
    max_failures: int | None
    rank: Order | None
    detach: bool

    @classmethod
    def taken(cls, values: dict[str, Any]) -> SweepOptions:
        """Take these options' values out of all of a command's.

        Raises:
            UsageError: two of them exclude one another.
            InvalidArgument: the ranking names nothing that tasks have.
        """
        fail_fast, max_failures, rank = (values.pop(name) for name in ("fail_fast", "max_failures", "rank"))
        if fail_fast and max_failures is not None:
            message = "--fail-fast and --max-failures exclude one another: give one of them"
            raise click.UsageError(message, click.get_current_context())
        if rank is not None:
            from datmo.core.ranking import rank_of

            rank = rank_of(rank)
        return cls(
            **{name: values.pop(name) for name in ("jobs", "grid", "source", "repeat", "retries", "detach")},
            max_failures=1 if fail_fast else max_failures,
            rank=rank,
        )

    @property
    def many(self) -> bool:
        """Whether one command may become several tasks."""
        return bool(self.grid or self.source or self.repeat > 1 or self.retries or self.detach)


def sweep_options(function: F) -> F:
    """Give a command these options."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


async def specs_of(commands: Sequence[str | list[str]], sweep: SweepOptions, name: str | None) -> list[TaskSpec]:
    """Return what a command line asks for: each command for each entry of the file and combination of the grid.

    Raises:
        InvalidArgument: an axis of the grid is not of the form `NAME=VALUES`, the file holds no parameters, or there
            are too many.
    """
    from anyio.to_thread import run_sync

    from datmo.core.sweep import TaskSpec, combinations, crossed, parse_axis

    points = combinations([parse_axis(text) for text in sweep.grid])
    if sweep.source is not None:
        from datmo.engine.parameter_files import read_parameters

        points = crossed(await run_sync(read_parameters, sweep.source), points)
    return [
        TaskSpec(command, parameters=point, name=name)
        for command in commands
        for point in points
        for _ in range(sweep.repeat)
    ]
