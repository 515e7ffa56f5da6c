"""The entities as JSON documents. Their keys are a promise, which `datmo.cli.schemas` declares.

Times are ISO 8601 in UTC, to the microsecond. What JSON cannot say (NaN, bytes, integers beyond 64 bits) is written as
the event log writes it, see `datmo.eventlog.codec`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from datmo.cli.terminal import put_json
from datmo.cli.words import exact

if TYPE_CHECKING:
    from datmo.core.differences import ValueChange
    from datmo.core.entity.environment import Environment
    from datmo.core.entity.session import Session
    from datmo.core.entity.snapshot import Snapshot
    from datmo.core.entity.task import Task
    from datmo.core.event import Event

__all__ = ["entity", "event", "line", "page", "put_document", "put_list", "stream_list", "summary", "value_change"]


def entity(each: Environment | Session | Snapshot | Task, **more: Any) -> dict[str, Any]:
    """Return an environment, a session, a snapshot or a task: all its attributes by their names.

    Parameters:
        each: the entity.
        more: what is known beside it, such as whether it is the current one.
    """
    names = [item.name for item in fields(each) if not item.name.startswith("_")]
    document = {name: getattr(each, name) for name in names}
    if hasattr(each, "duration"):
        document["duration"] = each.duration
    return document | more


def event(each: Event) -> dict[str, Any]:
    """Return an event of the log: every stored column, the data decoded."""
    return {
        "position": each.position,
        "id": each.id,
        "stream": each.stream,
        "version": each.version,
        "type": each.type,
        "schema": each.schema,
        "recorded_at": each.recorded_at,
        "actor": each.actor._asdict(),
        "correlation": each.correlation,
        "data": each.data,
        "digest": each.digest.hex() if each.digest else None,
        "hash": each.hash.hex(),
    }


def page(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `inspect` gives of an entity, with the times of its metrics as everywhere."""
    if "metrics" not in found:
        return dict(found)
    return {**found, "metrics": {name: summary(each) for name, each in found["metrics"].items()}}


def summary(each: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of a metric."""
    return {**each, "last_time": datetime.fromtimestamp(each["last_time"], UTC)}


def value_change(each: ValueChange) -> dict[str, Any]:
    """Return a value that differs, and by how much."""
    return {**each._asdict(), "delta": each.delta}


def line(document: Mapping[str, Any]) -> str:
    """Return a document as JSON in one line."""
    return _encoded(document).decode()


async def put_document(document: Mapping[str, Any]) -> None:
    """Write one document, indented."""
    import orjson

    indented = orjson.dumps(orjson.loads(_encoded(document)), option=orjson.OPT_INDENT_2)
    await put_json(indented.decode() + "\n")


async def put_list(documents: Iterable[Mapping[str, Any]]) -> None:
    """Write a list of documents as one, an entry a line."""
    await put_json("[" + ",".join("\n" + line(each) for each in documents) + "\n]\n")


async def stream_list(documents: AsyncIterable[Mapping[str, Any]], batch: int = 512) -> int:
    """Write a list of documents as one, an entry a line, as they come; returns how many they were."""
    count, pending = 0, ["["]
    async for each in documents:
        pending.append((",\n" if count else "\n") + line(each))
        count += 1
        if len(pending) >= batch:
            await put_json("".join(pending))
            pending.clear()
    await put_json("".join([*pending, "\n]\n"]))
    return count


def _encoded(document: Mapping[str, Any]) -> bytes:
    from datmo.eventlog.codec import encode

    return encode(_plain(document))


def _plain(value: Any) -> Any:
    """Return a value with its times as text."""
    if isinstance(value, datetime):
        return exact(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
