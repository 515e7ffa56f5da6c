"""How values read: ids, times, durations, sizes, configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from datmo.core.ids import SHOWN, short
from datmo.core.measures import duration, sampled, size

__all__ = [
    "Shortened",
    "ago",
    "amount",
    "clean",
    "duration",
    "exact",
    "harmless",
    "metric",
    "moment_of",
    "size",
    "value",
    "values",
    "when",
]

_LONG_AGO = timedelta(days=30)
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_BACK = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|min|m|h|d|w)")
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}


class Shortened:
    """Ids as people see them: as short as they can be and still tell those of one list apart.

    Parameters:
        ids: the ids that are shown together.
        least: the fewest characters.
    """

    def __init__(self, ids: Iterable[str | None], least: int = SHOWN) -> None:
        known = sorted({each for each in ids if each})
        alike = (_alike(one, other) for one, other in pairwise(known))
        self.length: int = max(least, *(count + 1 for count in alike), 0)

    def __call__(self, entity_id: str | None) -> str:
        """Return an id as it is shown; nothing for None."""
        return short(entity_id, self.length) if entity_id else ""


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their start."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def exact(moment: datetime | None) -> str | None:
    """Return a time as ISO 8601, UTC, to the microsecond; None stays None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def when(moment: datetime) -> str:
    """Return a time as people read it, to the second, UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """Return how long ago a time was; the date, where it was more than a month ago."""
    passed = (now or datetime.now(UTC)) - moment
    if passed > _LONG_AGO:
        return f"{moment.astimezone(UTC):%Y-%m-%d}"
    seconds = passed.total_seconds()
    if seconds < 1:
        return "now"
    unit, length = next((unit, length) for unit, length in _UNITS if seconds >= length)
    return f"{int(seconds // length)} {unit} ago"


def amount(count: int, one: str, many: str | None = None) -> str:
    """Return a number of things: `1 task`, `2 tasks`, `48 211 events`."""
    return f"{count:,}".replace(",", " ") + f" {one if count == 1 else many or one + 's'}"


def clean(text: str) -> str:
    """Return text that fits into one line and cannot steer the terminal: each run of blanks is one space."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in " ".join(text.split()))


def harmless(line: str) -> str:
    """Return a line that cannot steer the terminal, its blanks as they are, tabs as blanks."""
    shown = line.removesuffix("\r").expandtabs(4)
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in shown)


def value(each: Any, *, exact: bool = False) -> str:
    """Return a value of a configuration or a result in one line.

    Parameters:
        each: the value.
        exact: numbers with all their digits, else with the six that count.
    """
    if isinstance(each, float):
        return repr(each) if exact else f"{each:.6g}"
    if isinstance(each, str):
        return clean(each)
    if each is None or isinstance(each, bool | Mapping | list | tuple):
        import json

        return clean(json.dumps(each if exact else _rounded(each), ensure_ascii=False, default=str))
    return clean(str(each))


def _rounded(each: Any) -> Any:
    if isinstance(each, float):
        return float(f"{each:.6g}")
    if isinstance(each, Mapping):
        return {name: _rounded(inner) for name, inner in each.items()}
    return [_rounded(inner) for inner in each] if isinstance(each, list | tuple) else each


def metric(name: str, each: float) -> str:
    """Return a value of a metric; those that are sampled with their unit."""
    return sampled(name, each) or value(each)


def values(mapping: Mapping[str, Any]) -> str:
    """Return a configuration, results or the data of an event in one line."""
    return " ".join(f"{clean(str(name))}={value(each)}" for name, each in mapping.items())


def moment_of(text: str, now: datetime | None = None) -> datetime:
    """Return the time that a text names: ISO 8601, UTC where it has no zone, or as long ago as `2h` or `3d` says.

    Raises:
        ValueError: it names none.
    """
    back = _BACK.fullmatch(text.strip().removesuffix("ago").strip())
    if back:
        return (now or datetime.now(UTC)) - timedelta(seconds=float(back[1]) * _SECONDS[back[2]])
    moment = datetime.fromisoformat(text.strip())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
