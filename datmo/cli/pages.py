"""Pages for people about one thing: a snapshot, an event."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datmo.cli.table import Column, extent, table, wrapped
from datmo.cli.task_control import STATUS_STYLES
from datmo.cli.terminal import paint, width
from datmo.cli.words import ago, amount, clean, duration, exact, metric, size, value, when

if TYPE_CHECKING:
    from datetime import datetime

    from datmo.core.event import Event

__all__ = ["environment_page", "event_page", "snapshot_page", "task_page"]

_NAMES = 12


def snapshot_page(found: Mapping[str, Any], session: str | None = None) -> str:
    """Return what is known of a snapshot, as `project.snapshots.inspect` gives it.

    Parameters:
        found: what is known.
        session: the name of its session.
    """
    code, environment, files = found["code"], found["environment"], found["file_collection"]
    lines = [
        _line("snapshot", found["id"]),
        _line("message", clean(found["message"])),
        *([_line("label", clean(found["label"]))] if found["label"] else []),
        _line("created", _when(found["created_at"])),
        _line("session", _session(found, session)),
        *([_line("task", found["task_id"])] if found["task_id"] else []),
        _line("code", code["id"]),
        *_beside([f"commit {code['base']} and what was changed since"] if _changed(code) else []),
        *_beside(f"{clean(path)} (kept apart, as it is large)" for path in code["large_files"]),
        _line("environment", environment["id"]),
        *_beside([_environment(environment)]),
        *_values("config", found["config"], found["config_path"]),
        *_values("stats", found["stats"], found["stats_path"]),
        *_files(files),
    ]
    return "".join(f"{line}\n" for line in lines)


def task_page(found: Mapping[str, Any], session: str | None = None) -> str:
    """Return what is known of a task, as `project.tasks.inspect` gives it.

    Parameters:
        found: what is known.
        session: the name of its session.
    """
    code, environment, files = found["code"], found["environment"], found["file_collection"]
    state = paint(found["status"], STATUS_STYLES.get(found["status"])) + " (unattended)" * found["unattended"]
    because = found["reason"] or (f"exit code {found['exit_code']}" if found["exit_code"] else "")
    times = [("created", "created_at"), ("started", "start_time"), ("ended", "end_time")]
    lines = [
        _line("task", found["id"]),
        *([_line("name", clean(found["name"]))] if found["name"] else []),
        _line("command", clean(found["command"])),
        _line("status", f"{state} ({clean(because)})" if because else state),
        *(_line(name, _when(found[key])) for name, key in times if found[key]),
        *([_line("took", duration((found["end_time"] - found["start_time"]).total_seconds()))] if _ran(found) else []),
        _line("session", _session(found, session)),
        _line("runs on", clean(f"{found['runs_on'] or 'nothing yet'}: {found['executor_reason']}")),
        _line("code", code["id"]),
        _line("environment", environment["id"]),
        *_beside([_environment(environment)]),
        *_options(found["options"]),
        *_values("config", found["config"], None),
        *_values("results", found["results"], None),
        *_metrics(found["metrics"]),
        _line("output", size(found["output_size"])),
        *_list("notices", [clean(notice) for notice in found["notices"]]),
        *(_files(files) if files["id"] else []),
    ]
    return "".join(f"{line}\n" for line in lines)


def environment_page(found: Mapping[str, Any]) -> str:
    """Return what is known of an environment, as `project.environments.inspect` gives it."""
    hardware = found["hardware"]
    gpus = ", ".join(clean(str(each)) for each in hardware.get("gpus") or ()) or "none"
    lines = [
        _line("environment", found["id"]),
        _line("kind", found["kind"]),
        _line("definition", clean(found["described"])),
        *_beside(clean(name) for name in found["files"]),
        _line("platform", " ".join(clean(str(each)) for each in found["platform"].values())),
        _line("captured on", f"{hardware.get('cpus')} processors, {size(hardware.get('memory') or 0)}, GPUs: {gpus}"),
        _line("created", _when(found["created_at"])),
        _line("used by", f"{amount(found['tasks'], 'task')}, {amount(found['snapshots'], 'snapshot')}"),
        _line("built", "" if found["builds"] else "nothing to build" if found["kind"] == "interpreter" else "no"),
        *_beside(
            f"{key[:12]}  {build['image_id'] or 'a virtual environment'}" for key, build in found["builds"].items()
        ),
        _line("packages", str(len(found["packages"])) if found["packages"] else "not known"),
        *_beside(clean(package) for package in found["packages"]),
    ]
    return "".join(f"{line}\n" for line in lines)


def event_page(event: Event, payload: bytes | None) -> str:
    """Return all of one event.

    Parameters:
        event: the event.
        payload: the bytes beside it, None where it has none or they were erased.
    """
    actor = event.actor
    lines = [
        _line("position", str(event.position)),
        _line("type", f"{event.type} (schema {event.schema})"),
        _line("recorded", f"{exact(event.recorded_at)} ({ago(event.recorded_at)})"),
        _line("stream", f"{clean(event.stream)}, event {event.version} of it"),
        _line("by", clean(f"{actor.user}@{actor.host}, process {actor.pid} of {actor.program}")),
        _line("command", event.correlation),
        _line("id", event.id),
        _line("hash", event.hash.hex()),
    ]
    if event.digest is not None:
        lines.append(_line("payload", size(len(payload)) if payload is not None else "erased"))
    text = json.dumps(event.data, ensure_ascii=False, indent=2, default=repr)
    lines.append(_line("data", ""))
    # Line by line: whatever else a text has that steers a terminal, JSON has escaped already.
    lines += [f"  {line.replace(chr(0x7F), ' ')}" for line in text.splitlines()]
    return "".join(f"{line}\n" for line in lines)


def _line(name: str, text: str) -> str:
    """Return a line behind its name, broken where the terminal is narrow."""
    return f"{paint(f'{name:<{_NAMES}}', 'bold')} {_broken(text)}".rstrip()


def _broken(text: str) -> str:
    space = width()
    if space is None or _NAMES + 1 + extent(text) <= space or "\x1b" in text:
        return text
    return f"\n{'':{_NAMES + 1}}".join(wrapped(text, max(space - _NAMES - 1, _NAMES)))


def _beside(texts: Iterable[str]) -> list[str]:
    return [f"{'':{_NAMES}} {_broken(text)}" for text in texts if text]


def _list(name: str, texts: Sequence[str]) -> list[str]:
    """Return lines of which the first stands behind a name; nothing where there are none."""
    return [_line(name, texts[0]), *_beside(texts[1:])] if texts else []


def _when(moment: datetime) -> str:
    return f"{when(moment)} ({ago(moment)})"


def _ran(found: Mapping[str, Any]) -> bool:
    return bool(found["start_time"] and found["end_time"])


def _session(found: Mapping[str, Any], name: str | None) -> str:
    return f"{clean(name)} ({found['session_id']})" if name else str(found["session_id"])


def _files(files: Mapping[str, Any]) -> list[str]:
    sizes = [size(each["size"]) for each in files["files"]]
    paths = [clean(each["path"]) for each in files["files"]]
    longest, widest = max(map(extent, paths), default=0), max(map(len, sizes), default=0)
    return [
        _line("files", f"{files['id']} ({amount(files['count'], 'file')}, {size(files['size'])})"),
        *_beside(
            f"{path}{'':{longest - extent(path)}}  {count:>{widest}}" for path, count in zip(paths, sizes, strict=True)
        ),
    ]


def _metrics(series: Mapping[str, Any]) -> list[str]:
    if not series:
        return []
    columns = [Column("", flexible=True), *(Column(name, right=True) for name in ("last", "min", "max", "points"))]
    ends = ("last", "min", "max")
    rows = [
        [
            clean(name),
            *("" if each[end] is None else metric(name, each[end]) for end in ends),
            str(each["count"]),
        ]
        for name, each in series.items()
    ]
    space = width()
    shown = table(columns, rows, width=None if space is None else max(space - _NAMES - 1, 1), colour=False)
    first, *more = shown.splitlines()
    return [_line("metrics", first), *(f"{'':{_NAMES}} {line}" for line in more)]


def _changed(code: Mapping[str, Any]) -> bool:
    return code["base"] is not None and code["base"] != code["id"]


def _environment(environment: Mapping[str, Any]) -> str:
    platform = {name: clean(str(each)) for name, each in environment["platform"].items()}
    python = f"Python {platform['python']}" if "python" in platform else ""
    machine = " ".join(platform[name] for name in ("system", "machine") if name in platform)
    return " · ".join(part for part in (clean(environment["described"] or ""), python, machine) if part)


def _options(options: Mapping[str, Any]) -> list[str]:
    """Return what the task was run with, beside its command; nothing where that is nothing unusual."""
    data, variables = options.get("data", {}), options.get("variables", {})
    plain = {
        name: each for name, each in options.items() if name not in ("data", "variables", "image", "queue") and each
    }
    lines = [
        *(f"data {clean(name)} = {clean(each['path'])} ({size(each['size'])})" for name, each in data.items()),
        *(
            clean(f"{name}={each}" if each is not None else f"{name} (not recorded)")
            for name, each in variables.items()
        ),
        *(
            f"{name.replace('_', ' ')} {size(each) if name == 'memory' else value(each)}"
            for name, each in plain.items()
        ),
    ]
    return _list("options", lines)


def _values(name: str, mapping: Mapping[str, Any], path: str | None) -> list[str]:
    names = max((extent(clean(key)) for key in mapping), default=0)
    lines = []
    for key, each in mapping.items():
        shown = clean(key)
        # The exact number here, where there is room for it.
        lines.append(f"{shown}{'':{names - extent(shown)}}  {value(each, exact=True)}")
    if path:
        return [_line(name, f"from {clean(path)}"), *_beside(lines)]
    return _list(name, lines) or [_line(name, "none")]
