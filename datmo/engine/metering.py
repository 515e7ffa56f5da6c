"""Telling callers how far long work has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datmo.engine.workspace import Workspace, heard

if TYPE_CHECKING:
    from datmo.objects.meter import Meter, Reported

__all__ = ["metered", "telling"]


def telling(report: Reported | None) -> Reported | None:
    """Return what tells everybody who wants to know how far the work is; None where nobody does.

    Parameters:
        report: who the caller of the operation wants to be told.
    """
    showing = heard.get()
    if report is None or showing is None:
        return report if showing is None else showing.report

    def tell(done: int, total: int) -> None:
        report(done, total)
        showing.report(done, total)

    return tell


async def metered(workspace: Workspace, report: Reported | None) -> Meter | None:
    """Return what adds up the bytes that are done; None where nobody wants to know."""
    tell = telling(report)
    if tell is None:
        return None

    def make() -> Meter:
        from datmo.objects.meter import Meter

        return Meter(tell)

    return await workspace.in_thread(make)
