"""What tests of tasks share."""

from __future__ import annotations

from typing import Any

from datmo.core.event import NewEvent
from datmo.core.ids import new_id


async def unfinished_task(project: Any, environment_id: str = "0" * 64) -> str:
    """Record a task as it is while another process runs it; nothing runs."""
    task_id = new_id()
    session = await project.sessions.current()
    created = {
        "session_id": session.id,
        "name": None,
        "command": "python train.py",
        "argv": ["python", "train.py"],
        "executor": "process",
        "executor_reason": "",
        "code_id": "0" * 40,
        "environment_id": environment_id,
        "config": {},
        "options": {},
    }
    await project.log.append(NewEvent(f"task/{task_id}", "task.created", created))
    return task_id
