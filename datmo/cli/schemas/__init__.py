"""What `--format json` writes, command by command: the one place where it is declared.

The reference (`datmo docs json`) and its JSON Schema (`datmo docs schema.json`) are made from here by
`tools/reference.py`; the tests hold what the commands really write against them. Nothing of this is imported when a
command runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from datmo.cli.schemas import entities, reports

__all__ = ["DOCUMENTS", "Written"]


class Written(NamedTuple):
    """What a command writes.

    Attributes:
        form: `one` document; a `list` of them, which is one document; or `lines`, as it happens one document each.
        of: what each is.
    """

    form: Literal["one", "list", "lines"]
    of: Any


DOCUMENTS: Mapping[str, Written] = {
    "version": Written("one", entities.Version),
    "status": Written("one", reports.Status),
    "session ls": Written("list", entities.Session),
    "snapshot ls": Written("list", entities.Snapshot),
    "snapshot inspect": Written("one", entities.SnapshotPage),
    "snapshot diff": Written("one", reports.SnapshotDifference),
    "snapshot verify": Written("one", reports.SnapshotVerification),
    "task run": Written("lines", entities.TaskUpdate),
    "task run --detach": Written("list", entities.Task),
    "task ls": Written("list", entities.Task),
    "task inspect": Written("one", entities.TaskPage),
    "task logs": Written("lines", entities.OutputLine),
    "task metrics": Written("one", reports.Metrics),
    "task metrics ID NAME": Written("one", reports.Points),
    "task wait": Written("list", entities.Task),
    "environment setup": Written("one", entities.Proposal),
    "environment ls": Written("list", entities.Environment),
    "environment inspect": Written("one", entities.EnvironmentPage),
    "environment diff": Written("one", reports.EnvironmentDifference),
    "config get": Written("one", entities.Setting),
    "config ls": Written("list", entities.Setting),
    "log ls": Written("list", entities.Event),
    "log show": Written("one", entities.EventPage),
    "log follow": Written("lines", entities.Event),
    "log verify": Written("one", reports.LogVerification),
    "log replay": Written("one", reports.Replay),
    "log replay --to": Written("one", reports.AsOf),
    "gc": Written("one", reports.Garbage),
}
"""By the command; by the form of it, where it writes several."""
