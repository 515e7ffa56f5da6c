"""Pages for people about one thing: a snapshot, an event."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from datmo.cli.table import extent
from datmo.cli.terminal import paint
from datmo.cli.words import ago, amount, clean, exact, size, value

if TYPE_CHECKING:
    from datmo.core.event import Event

__all__ = ["environment_page", "event_page", "snapshot_page", "task_page"]

_NAMES = 12


def snapshot_page(found: Mapping[str, Any]) -> str:
    """Return what is known of a snapshot, as `project.snapshots.inspect` gives it."""
    code, environment, files = found["code"], found["environment"], found["file_collection"]
    lines = [
        _line("snapshot", found["id"]),
        _line("message", clean(found["message"])),
        *([_line("label", clean(found["label"]))] if found["label"] else []),
        _line("created", f"{exact(found['created_at'])} ({ago(found['created_at'])})"),
        _line("session", found["session_id"]),
        *([_line("task", found["task_id"])] if found["task_id"] else []),
        _line("code", code["id"]),
        *_beside([f"commit {code['base']} and what was changed since"] if _changed(code) else []),
        *_beside(f"{clean(path)} (kept apart, as it is large)" for path in code["large_files"]),
        _line("environment", environment["id"]),
        *_beside([_environment(environment)]),
        *_values("config", found["config"], found["config_path"]),
        *_values("stats", found["stats"], found["stats_path"]),
        _line("files", f"{files['id']} ({amount(files['count'], 'file')}, {size(files['size'])})"),
        *_beside(f"{clean(each['path'])}  {size(each['size'])}" for each in files["files"]),
    ]
    return "".join(f"{line}\n" for line in lines)


def task_page(found: Mapping[str, Any]) -> str:
    """Return what is known of a task, as `project.tasks.inspect` gives it."""
    code, environment, files = found["code"], found["environment"], found["file_collection"]
    state = f"{found['status']} (unattended)" if found["unattended"] else found["status"]
    because = found["reason"] or (f"exit code {found['exit_code']}" if found["exit_code"] else "")
    times = [("created", "created_at"), ("started", "start_time"), ("ended", "end_time")]
    lines = [
        _line("task", found["id"]),
        *([_line("name", clean(found["name"]))] if found["name"] else []),
        _line("command", clean(found["command"])),
        _line("status", f"{state} ({clean(because)})" if because else state),
        *(_line(name, f"{exact(found[key])} ({ago(found[key])})") for name, key in times if found[key]),
        _line("session", found["session_id"]),
        _line("runs on", clean(f"{found['runs_on'] or 'nothing yet'}: {found['executor_reason']}")),
        _line("code", code["id"]),
        _line("environment", environment["id"]),
        *_beside([_environment(environment)]),
        *_options(found["options"]),
        *_values("config", found["config"], None),
        *_values("results", found["results"], None),
        *_metrics(found["metrics"]),
        _line("output", size(found["output_size"])),
        *_beside(clean(notice) for notice in found["notices"]),
    ]
    if files["id"]:
        lines.append(_line("files", f"{files['id']} ({amount(files['count'], 'file')}, {size(files['size'])})"))
        lines += _beside(f"{clean(each['path'])}  {size(each['size'])}" for each in files["files"])
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
        _line("created", f"{exact(found['created_at'])} ({ago(found['created_at'])})"),
        _line("used by", f"{amount(found['tasks'], 'task')}, {amount(found['snapshots'], 'snapshot')}"),
        _line("built", "" if found["builds"] else "no"),
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
    return f"{paint(f'{name:<{_NAMES}}', 'bold')} {text}".rstrip()


def _beside(texts: Iterable[str]) -> list[str]:
    return [f"{'':{_NAMES}} {text}" for text in texts if text]


def _metrics(series: Mapping[str, Any]) -> list[str]:
    if not series:
        return []
    names = max(extent(clean(name)) for name in series)
    lines = [_line("metrics", "")]
    for name, each in series.items():
        ends = "".join(f" · {end} {value(each[end])}" for end in ("min", "max") if each[end] is not None)
        shown = clean(name)
        lines += _beside(
            [f"{shown}{'':{names - extent(shown)}}  {value(each['last'])} at step {each['last_step']}{ends}"]
        )
    return lines


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
    plain = {name: each for name, each in options.items() if name not in ("data", "variables", "image") and each}
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
    return [_line("options", ""), *_beside(lines)] if lines else []


def _values(name: str, mapping: Mapping[str, Any], path: str | None) -> list[str]:
    lines = [_line(name, f"from {clean(path)}" if path else "" if mapping else "none")]
    names = max((extent(clean(key)) for key in mapping), default=0)
    for key, each in mapping.items():
        shown = clean(key)
        # The exact number here, where there is room for it.
        lines += _beside([f"{shown}{'':{names - extent(shown)}}  {value(each, exact=True)}"])
    return lines
