"""Sessions, in the manner of the seed: functions that take the project's `home`."""

from __future__ import annotations

import os

from datmo.core.entity.session import Session
from datmo.project import open as open_project

__all__ = ["Session", "create", "delete", "ls", "select", "undelete"]


def create(name: str, current: bool = True, home: str | os.PathLike[str] | None = None) -> Session:
    """Create a session, and make it the current one unless `current` is False."""
    with open_project(home) as project:
        return project.sessions.create(name, current=current)


def select(name: str, home: str | os.PathLike[str] | None = None) -> Session:
    """Make a session the current one, by name, id or unique prefix."""
    with open_project(home) as project:
        return project.sessions.select(name)


def delete(name: str, home: str | os.PathLike[str] | None = None) -> Session:
    """Delete a session, which hides what is in it; returns the one that is current then."""
    with open_project(home) as project:
        return project.sessions.delete(name)


def undelete(name: str, home: str | os.PathLike[str] | None = None) -> Session:
    """Bring a deleted session back, with what is in it."""
    with open_project(home) as project:
        return project.sessions.undelete(name)


def ls(home: str | os.PathLike[str] | None = None) -> list[Session]:
    """Return all sessions, oldest first."""
    with open_project(home) as project:
        return project.sessions.ls()
