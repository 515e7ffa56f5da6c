"""How far work has come, as HTML that a notebook draws anew, and as one line of text."""

from __future__ import annotations

from datmo.core.html import code_html, inline_html, number_html, sparkline, table_html, text_html
from datmo.core.watched import Watched, WatchedTask

__all__ = ["clock", "counts", "described", "progress_html", "tasks_html"]

_MOST_ROWS = 10
_MOST_METRICS = 6
_LONGEST_LINE = 60
"""Characters of a last line: a long one would make the others jump."""


def clock(seconds: float) -> str:
    """Return a time as a clock shows it: 01:07, or 2:00:03."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes:02}:{rest:02}"


def progress_html(line: str, done: int, total: int) -> str:
    """Return a line of text, with a bar where something is known to be done in all."""
    bar = f'<progress value="{done}" max="{total}" style="vertical-align:middle"></progress> ' if total else ""
    return f"{bar}<span>{text_html(line)}</span>"


def counts(watched: Watched) -> str:
    """Return in words how far tasks are."""
    done = sum(watched.finished.values())
    bad = {"failed": watched.finished["FAILED"] + watched.finished["LOST"], "stopped": watched.finished["STOPPED"]}
    words = [f"{done} of {len(watched.ids)} tasks", f"{len(watched.running)} running"]
    return " · ".join([*words, *(f"{count} {word}" for word, count in bad.items() if count)])


def described(watched: Watched) -> str:
    """Return in words how far the first of the tasks that run is: its metrics, else the last line."""
    task_id, task = next(iter(watched.running.items()))
    numbers = [f"{name} {number_html(value)}" for name, value in list(task.metrics.items())[:_MOST_METRICS]]
    return " · ".join(word for word in (f"task {task_id[:8]}", *(numbers or [_line(task)])) if word)


def tasks_html(watched: Watched) -> str:
    """Return those tasks that run: what they were given, for how long, their metrics, and the last line."""
    rows = [_row(task_id, task, watched.clock()) for task_id, task in list(watched.running.items())[:_MOST_ROWS]]
    hidden = len(watched.running) - len(rows)
    drawn = f'<div style="white-space:nowrap">{table_html((), rows)}</div>' if rows else ""
    return drawn + (f"<em>and {hidden} more</em>" if hidden else "")


def _row(task_id: str, task: WatchedTask, now: float) -> list[str]:
    charts = [
        f"{text_html(name)} {sparkline(task.values[name])} <strong>{number_html(value)}</strong>"
        for name, value in list(task.metrics.items())[:_MOST_METRICS]
    ]
    again = f" ({task.attempt})" if task.attempt > 1 else ""
    last = _line(task)
    return [
        code_html(task_id[:8], title=task_id) + again,
        inline_html(task.config),
        clock(now - task.since),
        "<br>".join(charts),
        f"<code>{text_html(last)}</code>" if last else "",
    ]


def _line(task: WatchedTask) -> str:
    line = "".join(mark if mark.isprintable() else " " for mark in task.last).strip()
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"
