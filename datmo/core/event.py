"""The shape of an event, before and after it is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple

from datmo.errors import InvalidArgument

__all__ = ["EXPECTATIONS", "Actor", "Appended", "Event", "Expected", "NewEvent", "from_microseconds", "microseconds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """Return an aware time as whole microseconds since 1970, UTC, exactly.

    Raises:
        InvalidArgument: the time has no time zone, so nobody knows when it is.
    """
    if moment.utcoffset() is None:
        raise InvalidArgument(f"{moment.isoformat()} is a time without a time zone", hint="give it one, such as UTC")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """Return whole microseconds since 1970 as an aware UTC time, exactly."""
    return _EPOCH + timedelta(microseconds=value)


class Expected(Enum):
    """What an append expects of a stream where it does not name an exact version."""

    ANY = "any"
    NONE = "none"
    EXISTS = "exists"


EXPECTATIONS = int | Expected
"""An exact version (the number of events that the stream must have), or one of `Expected`."""


class NewEvent(NamedTuple):
    """An event that is about to be appended.

    Parameters:
        stream: `<kind>/<id>`, the entity that it is about.
        type: `<kind>.<past participle>`, such as `task.started`.
        data: what happened; JSON, and what `datmo.eventlog.codec` adds to it.
        payload: bytes that lie beside the event and may be erased later; the event keeps their digest.
    """

    stream: str
    type: str
    data: Mapping[str, Any]
    payload: bytes | None = None


class Actor(NamedTuple):
    """Who appended an event."""

    user: str
    host: str
    pid: int
    program: str


class Event(NamedTuple):
    """An event as it is stored, with its data decoded and brought to the current schema.

    Attributes:
        position: its place in the whole log, from 1 without gaps.
        id: a UUID of version 7.
        stream: the entity that it is about, `<kind>/<id>`.
        version: its place in its stream, from 1 without gaps.
        type: what happened.
        schema: the schema version that it was written with.
        recorded_us: when it was appended, microseconds UTC; never less than the event before has.
        actor_json: who appended it, as stored.
        correlation: the id of the command that caused it.
        ordinal: its place in its append, from 0.
        digest: SHA-256 of its payload, or None where it has none.
        hash: SHA-256 over the previous event's hash and every stored column.
        data: what happened, in detail.
    """

    position: int
    id: str
    stream: str
    version: int
    type: str
    schema: int
    recorded_us: int
    actor_json: str
    correlation: str
    ordinal: int
    digest: bytes | None
    hash: bytes
    data: dict[str, Any]

    @property
    def recorded_at(self) -> datetime:
        """When it was appended, UTC."""
        return from_microseconds(self.recorded_us)

    @property
    def actor(self) -> Actor:
        """Who appended it."""
        return Actor(**json.loads(self.actor_json))

    @property
    def entity_id(self) -> str:
        """The id of the entity that it is about: the stream without its kind."""
        return self.stream.partition("/")[2]


class Appended(NamedTuple):
    """Where an append landed: the positions of its first and its last event."""

    first: int
    last: int
