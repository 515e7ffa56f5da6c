"""Soon."""

from __future__ import annotations

from bench.frame import Case


def cases(scale: float) -> list[Case]:
    """Return the cases."""
    return []
