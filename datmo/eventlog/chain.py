"""The hash chain: each event seals the one before it.

The hash of an event is SHA-256 over, in this order: the hash of the event before (32 zero bytes before the first), the
integers position, version, schema, recorded_at and ordinal (8 bytes each, big endian), the lengths of the six texts and
of the digest (4 bytes each, big endian; a missing digest has length 0xFFFFFFFF), and the bytes of id, stream, type,
actor, correlation, data and digest as they are stored. Nothing is encoded again, so the seal is over the bytes in the
file.
"""

from __future__ import annotations

import struct
from hashlib import sha256

__all__ = ["GENESIS", "seal"]

GENESIS = bytes(32)
"""What stands for the hash before the first event."""

_MISSING = 0xFFFFFFFF
_pack = struct.Struct(">32s5q7I").pack


def seal(  # noqa: PLR0917  # the hottest call of all: keywords would cost as much as the hash
    previous: bytes,
    position: int,
    event_id: bytes,
    stream: bytes,
    version: int,
    event_type: bytes,
    schema: int,
    recorded_us: int,
    actor: bytes,
    correlation: bytes,
    ordinal: int,
    digest: bytes | None,
    data: bytes,
) -> bytes:
    """Return the hash of one event, from the hash before it and its columns as stored."""
    header = _pack(
        previous,
        position,
        version,
        schema,
        recorded_us,
        ordinal,
        len(event_id),
        len(stream),
        len(event_type),
        len(actor),
        len(correlation),
        len(data),
        _MISSING if digest is None else len(digest),
    )
    return sha256(b"".join((header, event_id, stream, event_type, actor, correlation, data, digest or b""))).digest()
