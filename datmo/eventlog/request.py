"""An append that somebody asks for: its events, checked and encoded on the writing thread, before the write lock."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from datmo.core.event import EXPECTATIONS, Appended, Expected, NewEvent
from datmo.core.ids import is_event_id
from datmo.errors import DatmoError, InvalidArgument, InvalidArgumentType
from datmo.eventlog.chain import Names, names
from datmo.eventlog.codec import encode
from datmo.eventlog.upcast import Schemas

__all__ = ["EncodedEvent", "Encoder", "Request", "check_key"]

EncodedEvent = tuple[str, str, Names, int, bytes | None, bytes, bytes | None]
"""Stream, type, both as they are sealed, schema, digest, data, payload. A plain tuple: there are very many."""

_STREAM = re.compile(r"[a-z_]+/[^\s*?\[\]\x00-\x1f\x7f]{1,200}")
_TYPE = re.compile(r"[a-z_]+\.[a-z_]+")
_MOST_REMEMBERED = 4096


@dataclass(slots=True, eq=False)
class Request:
    """One append that somebody asks for.

    Parameters:
        events: what to append; not to be changed before there is an outcome.
        expected: what its streams must be like.
        key: the idempotency key, or None.
        correlation: the id of the command that causes it.
        durable: whether its caller waits until it is durable.
        encoded: the events as they will be stored.
        streams: what each stream must be like.
        outcome: where it landed, or why it was refused.
    """

    events: Sequence[NewEvent]
    expected: EXPECTATIONS | Mapping[str, EXPECTATIONS]
    key: str | None
    correlation: str
    durable: bool
    encoded: Sequence[EncodedEvent] = ()
    streams: Mapping[str, EXPECTATIONS] = field(default_factory=dict)
    outcome: Appended | DatmoError | None = None

    def prepare(self, encoder: Encoder) -> None:
        """Check and encode the events.

        Raises:
            InvalidArgument: they cannot be stored, or there is one expectation for several streams.
        """
        self.encoded = encoder.encode(self.events)
        self.streams = self._expectations()

    def _expectations(self) -> Mapping[str, EXPECTATIONS]:
        if self.expected is Expected.ANY:
            return {}
        if isinstance(self.expected, Mapping):
            return self.expected
        streams = {event.stream for event in self.events}
        if len(streams) > 1:
            raise InvalidArgument(
                "events of several streams need `expected` as a mapping from stream to expectation",
                hint="expected={stream: version, …}",
            )
        return {streams.pop(): self.expected}


class Encoder:
    """Checks and encodes events; names that were found good once are remembered.

    Parameters:
        schemas: which schema version each type is written with.
        actor: who appends, as stored.
    """

    def __init__(self, schemas: Schemas, actor: bytes) -> None:
        self._schemas = schemas
        self._actor = actor
        self._known: dict[tuple[str, str], tuple[Names, int]] = {}

    def encode(self, events: Sequence[NewEvent]) -> list[EncodedEvent]:
        """Return the events as they will be stored.

        Raises:
            InvalidArgument: there is none, or a stream, a type or data cannot be stored.
        """
        if not events:
            raise InvalidArgument("an append needs at least one event")
        known = self._known
        encoded: list[EncodedEvent] = []
        for stream, event_type, data, payload in events:
            named, schema = known.get((stream, event_type)) or self._check(stream, event_type)
            if type(data) is not dict and not isinstance(data, Mapping):
                raise InvalidArgumentType(f"the data of {event_type} is a {type(data).__name__}, not a dict")
            digest = None if payload is None else sha256(payload).digest()
            encoded.append((stream, event_type, named, schema, digest, encode(data), payload))
        return encoded

    def _check(self, stream: str, event_type: str) -> tuple[Names, int]:
        if _STREAM.fullmatch(stream) is None:
            raise InvalidArgument(f"a stream is named <kind>/<id>, not {stream!r}")
        if _TYPE.fullmatch(event_type) is None:
            raise InvalidArgument(f"an event type is named <kind>.<past participle>, not {event_type!r}")
        named = names(_utf8("stream", stream), event_type.encode(), self._actor)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        found = self._known[stream, event_type] = named, self._schemas.current(event_type)
        return found


def check_key(key: str) -> None:
    """Refuse an idempotency key that is no UUID.

    Raises:
        InvalidArgument: it is none.
    """
    if not is_event_id(key):
        raise InvalidArgument(f"an idempotency key is a UUID in lower case, not {key!r}")


def _utf8(what: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"a {what} is named in valid text, not {text!r}") from None
