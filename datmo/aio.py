"""The async API.

```python
import anyio
import datmo.aio as datmo


async def main() -> None:
    async with datmo.open() as project:
        task = await project.tasks.run("python train.py")
        snapshot = await project.snapshots.create("first", task_id=task.id)
        print(snapshot.id, snapshot.stats)


anyio.run(main)
```
"""

from __future__ import annotations

from datmo.core.agreement import Agreement, Rerun
from datmo.core.collecting import Collection
from datmo.core.differences import Difference, TreeChanges
from datmo.core.entity.environment import Environment
from datmo.core.entity.session import Session
from datmo.core.environment import EnvironmentDifference, EnvironmentInUse, Proposal
from datmo.core.event import Appended, Event, Expected, NewEvent
from datmo.core.options import TaskOptions
from datmo.core.points import Series
from datmo.core.settings import SettingValue
from datmo.core.sweep import TaskSpec
from datmo.engine.checkout import Checkout
from datmo.engine.entities import Snapshot, Task
from datmo.engine.exporting import Exported
from datmo.engine.keeping import Imported
from datmo.engine.log import AsOf
from datmo.engine.project import Project, Status, cleanup, init
from datmo.engine.project import open_project as open  # noqa: A004  # the name that people type: datmo.open()
from datmo.engine.tasks import TaskUpdate
from datmo.engine.tracking import track
from datmo.engine.verifying import SnapshotProblem, SnapshotReport
from datmo.eventlog.verify import LogReport, Problem
from datmo.inside import current
from datmo.projections.views import ReplayReport

__all__ = [
    "Agreement",
    "Appended",
    "AsOf",
    "Checkout",
    "Collection",
    "Difference",
    "Environment",
    "EnvironmentDifference",
    "EnvironmentInUse",
    "Event",
    "Expected",
    "Exported",
    "Imported",
    "LogReport",
    "NewEvent",
    "Problem",
    "Project",
    "Proposal",
    "ReplayReport",
    "Rerun",
    "Series",
    "Session",
    "SettingValue",
    "Snapshot",
    "SnapshotProblem",
    "SnapshotReport",
    "Status",
    "Task",
    "TaskOptions",
    "TaskSpec",
    "TaskUpdate",
    "TreeChanges",
    "cleanup",
    "current",
    "init",
    "open",
    "track",
]
