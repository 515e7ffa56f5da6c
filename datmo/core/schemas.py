"""Every event type, and the schema version that it is written with.

A new type is one line here. A changed one counts its version up and gets an upcaster in `UPCASTERS`; its old form
stays readable for ever, and a sample of it in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["CURRENT", "UPCASTERS"]

CURRENT: dict[str, int] = dict.fromkeys(
    (
        "project.initialized",
        "project.described",
        "config.set",
        "config.unset",
        "session.created",
        "session.selected",
        "session.deleted",
        "session.restored",
        "environment.created",
        "environment.build_started",
        "environment.built",
        "environment.build_failed",
        "environment.deleted",
        "code.captured",
        "files.stored",
        "snapshot.created",
        "snapshot.updated",
        "snapshot.deleted",
        "snapshot.restored",
        "snapshot.checked_out",
        "task.created",
        "task.started",
        "task.output",
        "task.output_limited",
        "task.metrics",
        "task.config_reported",
        "task.result_reported",
        "task.artifact_stored",
        "task.outbox_replaced",
        "task.stop_requested",
        "task.finished",
        "task.failed",
        "task.stopped",
        "task.lost",
        "snapshot.collected",
        "task.collected",
        "code.collected",
        "files.collected",
        "payload.erased",
        "objects.collected",
        "runner.attached",
    ),
    1,
)

UPCASTERS: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {}
