"""Durations, sizes and what is sampled of the machine, as people say them."""

from __future__ import annotations

import math

__all__ = ["duration", "progress", "sampled", "size"]


def duration(seconds: float | None) -> str:
    """Return a duration; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def size(count: int) -> str:
    """Return a number of bytes."""
    if count < 1000:
        return f"{count} B"
    number = float(count)
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 999.95:
            return f"{number:.1f} {unit}"
    return f"{number / 1000:.1f} TB"


def progress(done: int, total: int, unit: str | None = None) -> str:
    """Return how far work is; nothing where it is not known how much there is in all.

    Parameters:
        done, total: how much is done, and how much there is.
        unit: what is counted, `events` or the like; bytes by default.
    """
    if not total:
        return ""
    return f"{size(done)} of {size(total)}" if unit is None else f"{done:,} of {total:,} {unit}"


def sampled(name: str, value: float) -> str | None:
    """Return a value of a metric that is sampled, `system.memory` and so on, with its unit; None for all others."""
    if not name.startswith("system.") or not math.isfinite(value):
        return None
    return size(round(value)) if name.endswith("memory") else f"{value:.3g} %"
