"""What a project is like, and what a checkout did, as HTML for notebooks."""

from __future__ import annotations

from typing import Any

from datmo.core.html import card_html, code_html, text_html

__all__ = ["checkout_html", "status_html"]

_MOST = 8


def status_html(status: Any) -> str:
    """Return what a project is like, of either API."""
    rows = [
        ("folder", text_html(str(status.home))),
        ("description", text_html(status.description)),
        ("session", text_html(status.session.name)),
        ("snapshots", str(status.snapshots)),
        ("tasks", str(status.tasks)),
        ("current snapshot", _snapshot(status.snapshot)),
        ("changed since", "" if status.changes is None else _changes(status.changes)),
        ("under way", _lines([_task(task) for task in status.running])),
        ("ended last", _lines([f"{_task(task)} {task.status}" for task in status.ended])),
    ]
    return card_html(f"Project {text_html(status.name)}", rows)


def checkout_html(done: Any) -> str:
    """Return what a checkout did, of either API."""
    rows = [
        ("snapshot", _snapshot(done.snapshot)),
        ("in the folder", _amounts(done)),
        ("unsaved work", "" if done.saved is None else f"kept as {_snapshot(done.saved)}"),
        ("the rest", "" if done.folder is None else text_html(str(done.folder))),
    ]
    return card_html("Checkout", rows)


def _amounts(done: Any) -> str:
    words = {"written": done.written, "removed": done.removed}
    return ", ".join(f"{count} {word}" for word, count in words.items() if count)


def _task(task: Any) -> str:
    return f"{code_html(task.id[:8], title=task.id)} {text_html(task.name or task.command)}"


def _snapshot(snapshot: Any) -> str:
    if snapshot is None:
        return "<em>none</em>"
    label = f" <strong>{text_html(snapshot.label)}</strong>" if snapshot.label else ""
    return f"{code_html(snapshot.id[:8], title=snapshot.id)}{label} {text_html(snapshot.message)}"


def _changes(changes: Any) -> str:
    parts = [f"{text_html(each.path)} {each.kind}" for each in (*changes.code, *changes.files)]
    parts += [f"config {text_html(each.key)}" for each in changes.config]
    parts += ["the environment"] if changes.environment else []
    return _lines(parts) or "<em>nothing</em>"


def _lines(parts: list[str]) -> str:
    more = [f"<em>and {len(parts) - _MOST} more</em>"] if len(parts) > _MOST else []
    return "<br>".join([*parts[:_MOST], *more])
