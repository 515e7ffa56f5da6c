"""Telling callers how far long work has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datmo.engine.workspace import Workspace

if TYPE_CHECKING:
    from datmo.objects.meter import Meter, Reported

__all__ = ["metered"]


async def metered(workspace: Workspace, report: Reported | None) -> Meter | None:
    """Return what adds up the bytes that are done; None where nobody wants to know."""
    if report is None:
        return None

    def make() -> Meter:
        from datmo.objects.meter import Meter

        return Meter(report)

    return await workspace.in_thread(make)
