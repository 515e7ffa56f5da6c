"""What all benches share: a case with its measurements, interleaved rounds, medians, and the table."""

from __future__ import annotations

import gc
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


class Unavailable(Exception):
    """A measurement cannot be made here; the message says why."""


@dataclass
class Case:
    """One line of the table.

    Parameters:
        name: what is measured.
        unit: `events/s` (more is better), `ms` ... (less is better).
        measures: name to a function that gets an empty folder and returns the value; `ours` comes first, and what it
            leaves in the folder the others find there.
        limit: which of them is the limit that the ratio is against.
        goal: what the ratio should be, as text for the table.
    """

    name: str
    unit: str
    measures: Mapping[str, Callable[[Path], float]]
    limit: str
    goal: str = ""
    values: dict[str, list[float]] = field(default_factory=dict)
    unavailable: str | None = None

    def run(self) -> None:
        """Measure each once."""
        folder = Path(tempfile.mkdtemp(prefix="datmo-bench-"))
        try:
            for name, function in self.measures.items():
                self.values.setdefault(name, []).append(function(folder))
        except Unavailable as reason:
            self.unavailable = str(reason)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def ratio(self) -> float:
        """Return the median of the rounds' ratios of ours to the limit."""
        pairs = zip(self.values["ours"], self.values[self.limit], strict=True)
        return median(ours / limit for ours, limit in pairs)


@contextmanager
def prepared() -> Iterator[None]:
    """Keep what was made ready for a measurement out of the garbage collector's walks while it lasts."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def measure(cases: Sequence[Case], rounds: int) -> Sequence[Case]:
    """Run every case once a round."""
    for number in range(rounds):
        for case in cases:
            if case.unavailable is None:
                print(f"round {number + 1} of {rounds}: {case.name}", file=sys.stderr, flush=True)
                case.run()
    return cases


def table(cases: Sequence[Case]) -> str:
    """Return the results as a table in Markdown."""
    lines = ["| what | ours | limit | ratio | goal |", "|---|---:|---:|---:|---|"]
    for case in cases:
        if case.unavailable is not None:
            lines.append(f"| {case.name} | | | | {case.unavailable} |")
            continue
        middle = {name: median(values) for name, values in case.values.items()}
        others = [f"{_number(value)} {name}" for name, value in middle.items() if name not in {"ours", case.limit}]
        limit = " · ".join([f"{_number(middle[case.limit])} {case.limit}", *others])
        lines.append(
            f"| {case.name} | {_number(middle['ours'])} {case.unit} | {limit} | {case.ratio():.2f} | {case.goal} |"
        )
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
