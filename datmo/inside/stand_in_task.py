"""Stands in for `datmo.task` where Datmo is not installed."""

from __future__ import annotations

from datmo.inside.tasks import current

__all__ = ["current"]
