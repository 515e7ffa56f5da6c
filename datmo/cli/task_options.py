"""The options of `datmo task run` that say what a task may use and what it is given."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import asyncclick as click

if TYPE_CHECKING:
    from datmo.core.options import TaskOptions

__all__ = ["run_options", "taken_options", "variables_of"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--gpus", metavar="N|device=…", help="Run on so many GPUs, or on these, or not at all."),
    click.option(
        "--data",
        metavar="PATH[>NAME]",
        multiple=True,
        help="Let it read a file or folder, at /data/NAME or $DATMO_DATA_DIR/NAME, and what lies in the project at its "
        "own path, too; may be repeated.",
    ),
    click.option("--mem-limit", metavar="SIZE", help="Memory, such as 512m or 2g; in a container."),
    click.option("--cpus", type=float, metavar="N", help="Processors' time, such as 1.5; in a container."),
    click.option(
        "--env",
        "pairs",
        metavar="KEY[=VALUE]",
        multiple=True,
        help="Set a variable, or pass on ours; may be repeated. Of secrets, going by the name, no value is recorded.",
    ),
    click.option("--network", metavar="NETWORK", help="none, host, or a network of the engine; in a container."),
    click.option("--user", type=click.Choice(["me", "image", "root"]), help="Who it is in a container.  [default: me]"),
    click.option("--workdir", metavar="DIR", help="Where in the code it starts; absolute: where the code is."),
    click.option("--interactive", is_flag=True, help="Give it this terminal, in a container; without CMD a shell."),
    click.option("--timeout", metavar="TIME", help="Stop it after 90s, 10m, 2h; then it has failed."),
    click.option("--no-system-metrics", is_flag=True, help="Do not sample what it uses: processors, memory, GPUs."),
)


def run_options(function: F) -> F:
    """Give a command these options."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def taken_options(values: dict[str, Any]) -> TaskOptions:
    """Take these options' values out of all of a command's.

    Raises:
        UsageError: a variable has no name, or shall be passed on and is not set.
    """
    from datmo.core.options import TaskOptions

    return TaskOptions(
        data=values.pop("data"),
        gpus=values.pop("gpus"),
        mem_limit=values.pop("mem_limit"),
        cpus=values.pop("cpus"),
        variables=variables_of(values.pop("pairs")),
        network=values.pop("network"),
        user=values.pop("user") or "me",
        workdir=values.pop("workdir"),
        timeout=values.pop("timeout"),
        system_metrics=not values.pop("no_system_metrics"),
        interactive=values.pop("interactive"),
    )


def variables_of(pairs: Iterable[str]) -> dict[str, str]:
    """Return the variables that `--env` sets.

    Raises:
        UsageError: one shall be passed on, and is not set.
    """
    return dict(map(_pair, pairs))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if equals:
        return name, value
    if name not in os.environ:
        message = f"the variable {name!r} is not set here: give {name}=VALUE"
        raise click.UsageError(message, click.get_current_context())
    return name, os.environ[name]
