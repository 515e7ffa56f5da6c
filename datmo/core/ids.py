"""Identifiers: short random ones for entities, time-ordered ones for events."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from typing import Protocol

__all__ = [
    "ID_ALPHABET",
    "ID_LENGTH",
    "SHOWN",
    "Named",
    "event_ids",
    "id_of",
    "is_event_id",
    "is_id",
    "new_id",
    "short",
]

ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in lower case: no i, l, o or u to misread."""

ID_LENGTH = 16
SHOWN = 4
"""The fewest characters of an id that are shown to people."""

_ID = re.compile(f"[{ID_ALPHABET}]{{{ID_LENGTH}}}")
_EVENT_ID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_FIVE_BITS = bytes(ord(ID_ALPHABET[byte & 31]) for byte in range(256))


class Named(Protocol):
    """A snapshot, a task or a session: what is given in the place of its id."""

    @property
    def id(self) -> str:
        """Its id."""


def id_of(given: str | Named) -> str:
    """Return what an entity is named by: its id where it is given itself."""
    return getattr(given, "id", given)  # type: ignore[arg-type]  # anything else is refused by whoever looks for it


_ready: deque[str] = deque()
"""Ids that nobody has got yet: the kernel is asked for randomness once for many, which is what takes long."""
_AT_ONCE = 64

os.register_at_fork(after_in_child=_ready.clear)  # or parent and child would give the same ones


def new_id() -> str:
    """Return a new entity id: 80 random bits as 16 characters."""
    try:
        return _ready.popleft()
    except IndexError:
        text = os.urandom(ID_LENGTH * _AT_ONCE).translate(_FIVE_BITS).decode()
        _ready.extend(text[start : start + ID_LENGTH] for start in range(ID_LENGTH, len(text), ID_LENGTH))
        return text[:ID_LENGTH]


def is_id(text: str) -> bool:
    """Say whether a text has the form of a whole entity id."""
    return _ID.fullmatch(text) is not None


def is_event_id(text: str) -> bool:
    """Say whether a text has the form of an event's id: a UUID in lower case."""
    return _EVENT_ID.fullmatch(text) is not None


def short(entity_id: str, length: int = SHOWN) -> str:
    """Return the first characters of an id, as people see it."""
    return entity_id[:length]


def event_ids(now_us: int) -> Iterator[str]:
    """Yield UUIDs of version 7 (RFC 9562, section 6.2, method 2) for one append.

    The first is random below its millisecond, the following count up from it, so that one append's ids are in
    order and cost one call for randomness.

    Parameters:
        now_us: microseconds since 1970, UTC.
    """
    random = os.urandom(10)
    high = f"{now_us // 1000:012x}"
    middle = f"{0x7000 | int.from_bytes(random[:2], 'big') & 0xFFF:04x}-{0x8000 | random[2] << 6 | random[3] >> 2:04x}"
    prefix = f"{high[:8]}-{high[8:]}-{middle}-"
    # 47 of the last 48 bits are random: the first one is left for counting up.
    low = int.from_bytes(random[4:], "big") >> 1
    while True:
        yield f"{prefix}{low:012x}"
        low += 1
