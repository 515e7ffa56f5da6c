"""Snapshots, tasks, lists and differences as HTML, for notebooks.

Plain tables in the notebook's own style and colours, with small charts drawn as SVG in the colour of the text: they
look right on a dark page, need no script, and survive in an exported notebook.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from html import escape
from typing import Any

from datmo.core.differences import Difference, FileChange, TextChange, ValueChange
from datmo.core.measures import duration, sampled, size

__all__ = [
    "card_html",
    "code_html",
    "difference_html",
    "inline_html",
    "list_html",
    "number_html",
    "snapshot_html",
    "sparkline",
    "table_html",
    "task_html",
    "text_html",
]

_LONGEST = 200
"""Characters of the longest value that is shown; the rest stands in its tooltip."""

_MOST_PATCH = 20_000
_MOST_COLUMNS = 8
_TINTS = {"SUCCESS": "#2e9e5b", "FAILED": "#d9534f", "LOST": "#d9534f"}
"""Colours that are read on a light page and on a dark one."""
_BAR, _CHART_WIDTH, _CHART_HEIGHT = 60, 120, 24


def snapshot_html(snapshot: Any) -> str:
    """Return one snapshot, of either API."""
    rows = [
        ("message", text_html(snapshot.message)),
        ("label", text_html(snapshot.label)),
        ("created", _time(snapshot.created_at)),
        ("task", code_html(snapshot.task_id)),
        ("code", code_html(snapshot.code_id)),
        ("environment", code_html(snapshot.environment_id)),
        ("files", code_html(snapshot.file_collection_id)),
        ("config", _mapping(snapshot.config)),
        ("stats", _mapping(snapshot.stats)),
    ]
    return card_html(f"Snapshot {code_html(snapshot.id)}", rows)


def task_html(task: Any, series: Mapping[str, Sequence[float]] | None = None, tail: str = "") -> str:
    """Return one task, of either API.

    Parameters:
        task: the task.
        series: the values of its metrics, in order, to be drawn.
        tail: the last lines that it printed.
    """
    rows = [
        ("name", text_html(task.name)),
        ("command", f"<code>{text_html(task.command)}</code>"),
        ("status", _status(task)),
        ("created", _time(task.created_at)),
        ("took", duration(task.duration)),
        ("config", _mapping(task.config)),
        ("results", _mapping(task.results)),
        ("metrics", _charts(series or {})),
        ("notes", "<br>".join(map(text_html, task.notices))),
        ("output", f'<pre style="font-family:monospace">{_escaped(tail)}</pre>' if tail else ""),
    ]
    return card_html(f"Task {code_html(task.id)}", rows)


def _status(task: Any) -> str:
    """Return how it ended, and why; or that nobody would record it."""
    if task.unattended:
        return f"{task.status} (unattended: <code>datmo task recover</code>, or the next task, finishes it)"
    exited = f"exit code {task.exit_code}" if task.exit_code else ""
    why = text_html(task.reason) or exited
    words = f"{task.status} ({why})" if why else str(task.status)
    tint = _TINTS.get(task.status)
    return f'<span style="color:{tint}">{words}</span>' if tint else words


def list_html(entities: Sequence[Any]) -> str:
    """Return a list as a table; of snapshots and tasks one column for each number that they have, with bars."""
    if not entities:
        return "<em>none</em>"
    if not hasattr(entities[0], "config"):
        return _plain_list(entities)
    of_tasks = hasattr(entities[0], "command")
    words = {"status": _status, "command": _command} if of_tasks else {"label": _label, "message": _message}
    values = [each.results if of_tasks else each.stats for each in entities]
    numbers = _number_columns(values)
    head = ["id", "created", *words, "config", *numbers]
    bounds = {key: _bounds(_numeric(row.get(key)) for row in values) for key in numbers}
    body = [
        [
            code_html(each.id[:8], title=each.id),
            _time(each.created_at),
            *(word(each) for word in words.values()),
            inline_html(each.config),
            *(_bar(row.get(key), bounds[key]) for key in numbers),
        ]
        for each, row in zip(entities, values, strict=True)
    ]
    return table_html(head, body)


def _plain_list(entities: Sequence[Any]) -> str:
    """Return sessions, environments or settings: what they have of plain values."""
    names = getattr(entities[0], "_fields", None) or [each.name for each in fields(entities[0])]
    head = [name for name in names if not any(isinstance(getattr(each, name), dict | tuple) for each in entities)]
    return table_html(head, [[_cell(getattr(each, name)) for name in head] for each in entities])


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return _time(value)
    return "" if value is None else text_html(str(value))


def _command(task: Any) -> str:
    """Return the name that a task was given, else its command."""
    return text_html(task.name or task.command)


def _label(snapshot: Any) -> str:
    return text_html(snapshot.label)


def _message(snapshot: Any) -> str:
    return text_html(snapshot.message)


def difference_html(difference: Difference) -> str:
    """Return what differs between two snapshots."""
    parts = [
        _value_changes("config", difference.config),
        _value_changes("stats", difference.stats),
        _value_changes("packages", difference.packages),
        _file_changes(difference.files),
        _text_changes("environment", difference.definitions),
        _text_changes("code", difference.code),
    ]
    if not any(parts):
        return "<em>no difference</em>"
    second = code_html(difference.second) or "the folder as it is"
    return (
        f"<div><strong>from</strong> {code_html(difference.first)} <strong>to</strong> {second}</div>{''.join(parts)}"
    )


def sparkline(values: Sequence[float]) -> str:
    """Return a line chart of some values in order; what is not finite is a gap."""
    low, high = _bounds(value if math.isfinite(value) else None for value in values)
    if low is None or high is None:
        return ""
    step = _CHART_WIDTH / max(len(values) - 1, 1)
    span = (high - low) or 1.0
    runs: list[list[str]] = [[]]
    for number, value in enumerate(values):
        if math.isfinite(value):
            y = _CHART_HEIGHT - 2 - (value - low) / span * (_CHART_HEIGHT - 4)
            runs[-1].append(f"{number * step:.1f},{y:.1f}")
        elif runs[-1]:
            runs.append([])
    lines = "".join(f'<polyline points="{" ".join(_drawn(run))}"/>' for run in runs if run)
    return (
        f'<svg width="{_CHART_WIDTH}" height="{_CHART_HEIGHT}" fill="none" stroke="currentColor" '
        f'style="vertical-align:middle">{lines}</svg>'
    )


def _drawn(run: list[str]) -> list[str]:
    # A line of one point draws nothing; back to the same point with round ends it would be a dot, so a short dash.
    if len(run) > 1:
        return run
    x, _, y = run[0].partition(",")
    return [run[0], f"{float(x) + 1:.1f},{y}"]


def _charts(series: Mapping[str, Sequence[float]]) -> str:
    rows = [
        [f"<em>{text_html(name)}</em>", sparkline(values), sampled(name, values[-1]) or number_html(values[-1])]
        for name, values in series.items()
        if len(values)
    ]
    return table_html((), rows, style="margin:0") if rows else ""


def _value_changes(title: str, changes: Iterable[ValueChange]) -> str:
    rows = [
        [
            text_html(each.key),
            text_html(_plain(each.before)),
            text_html(_plain(each.after)),
            "" if each.delta is None else f"{each.delta:+.6g}",
        ]
        for each in changes
    ]
    return _section(title, ["", "before", "after", "change"], rows)


def _file_changes(changes: Iterable[FileChange]) -> str:
    rows = [[text_html(each.path), each.kind, _size(each.size_before), _size(each.size_after)] for each in changes]
    return _section("files", ["", "", "before", "after"], rows)


def _text_changes(title: str, changes: Iterable[TextChange]) -> str:
    parts = []
    for each in changes:
        counted = "" if each.added is None else f" +{each.added} -{each.removed}"
        head = f"<summary>{text_html(each.path)} {each.kind}{counted}</summary>"
        cut = "" if len(each.patch) <= _MOST_PATCH else "\n… the rest is cut"
        parts.append(f"<details>{head}<pre>{_escaped(each.patch[:_MOST_PATCH])}{cut}</pre></details>")
    return f"<strong>{title}</strong>{''.join(parts)}" if parts else ""


def _section(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"<strong>{title}</strong>{table_html(head, rows)}" if rows else ""


def card_html(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return names and what belongs to them below a title; those with nothing are left out."""
    return f"<strong>{title}</strong>{table_html((), [[f'<em>{name}</em>', value] for name, value in rows if value])}"


def table_html(head: Sequence[str], rows: Sequence[Sequence[str]], *, style: str = "") -> str:
    """Return a table of cells that are markup already."""
    look = f' style="{style}"' if style else ""
    cell = ' style="text-align:left;vertical-align:top"'
    names = "".join(f"<th{cell}>{escape(name)}</th>" for name in head)
    lines = "".join(f"<tr>{''.join(f'<td{cell}>{value}</td>' for value in row)}</tr>" for row in rows)
    return f"<table{look}>{f'<thead><tr>{names}</tr></thead>' if head else ''}<tbody>{lines}</tbody></table>"


def _number_columns(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    names = dict.fromkeys(key for row in rows for key, value in row.items() if _numeric(value) is not None)
    return list(names)[:_MOST_COLUMNS]


def _numeric(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _bounds(values: Iterable[float | None]) -> tuple[float | None, float | None]:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else (None, None)


def _bar(value: Any, bounds: tuple[float | None, float | None]) -> str:
    """Return a number with a bar as long as its share of the largest; one that is none is shown as it is."""
    number, (low, high) = _numeric(value), bounds
    if number is None or low is None or high is None:
        return "" if value is None else text_html(_plain(value))
    start = min(low, 0.0)
    share = (number - start) / ((max(high, 0.0) - start) or 1.0)
    drawn = f'<rect width="{share * _BAR:.1f}" height="6" fill="currentColor" opacity="0.4"/>'
    return f'{number_html(number)}<br><svg width="{_BAR}" height="6">{drawn}</svg>'


def number_html(value: float) -> str:
    """Return a number in six digits."""
    return f"{value:.6g}"


def _plain(value: Any) -> str:
    return number_html(value) if isinstance(value, float) else "" if value is None else str(value)


def inline_html(values: Mapping[str, Any]) -> str:
    """Return values in one line."""
    return text_html(", ".join(f"{key}={_plain(value)}" for key, value in values.items()))


def _mapping(values: Mapping[str, Any]) -> str:
    rows = [[f"<em>{text_html(key)}</em>", text_html(_plain(value))] for key, value in values.items()]
    return table_html((), rows, style="margin:0") if rows else ""


def text_html(value: str | None) -> str:
    """Return text, a long one cut, with all of it in its tooltip."""
    text = value or ""
    if len(text) <= _LONGEST:
        return _escaped(text)
    return f'<span title="{_escaped(text)}">{_escaped(text[:_LONGEST])}…</span>'


def _escaped(text: str) -> str:
    return escape(text.encode("utf-8", "backslashreplace").decode())  # a path need be no valid text


def code_html(value: str | None, title: str = "") -> str:
    """Return an id or the like."""
    return f'<code title="{_escaped(title)}">{_escaped(value)}</code>' if value else ""


def _time(moment: datetime) -> str:
    return f'<span title="{moment.isoformat()}" style="white-space:nowrap">{moment:%Y-%m-%d %H:%M} UTC</span>'


def _size(count: int | None) -> str:
    return "" if count is None else f'<span title="{count:,} B">{size(count)}</span>'
