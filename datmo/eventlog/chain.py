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

__all__ = ["GENESIS", "Names", "names", "seal"]

GENESIS = bytes(32)
"""What stands for the hash before the first event."""

Names = tuple[bytes, bytes]
"""What many events have in common: the lengths of stream, type and actor, and the three texts."""

_MISSING = 0xFFFFFFFF
_lengths = struct.Struct(">3I").pack
_pack = struct.Struct(">32s5qI12s3I").pack


def names(stream: bytes, event_type: bytes, actor: bytes) -> Names:
    """Return what `seal` takes of a stream, a type and an actor, to be made once for many events."""
    return _lengths(len(stream), len(event_type), len(actor)), stream + event_type + actor


def seal(  # noqa: PLR0917  # the hottest call of all: keywords would cost as much as the hash
    previous: bytes,
    position: int,
    version: int,
    schema: int,
    recorded_us: int,
    ordinal: int,
    event_id: bytes,
    named: Names,
    correlation: bytes,
    digest: bytes | None,
    data: bytes,
) -> bytes:
    """Return the hash of one event, from the hash before it and its columns as stored."""
    lengths, texts = named
    header = _pack(
        previous,
        position,
        version,
        schema,
        recorded_us,
        ordinal,
        len(event_id),
        lengths,
        len(correlation),
        len(data),
        _MISSING if digest is None else len(digest),
    )
    return sha256(b"".join((header, event_id, texts, correlation, data, digest or b""))).digest()
