"""Checking what lies in the store's folder against the names it has."""

from __future__ import annotations

import os
from collections.abc import Iterator

from datmo.errors import ObjectError
from datmo.objects.hashing import Progress, hash_file
from datmo.objects.index import Place
from datmo.objects.layout import Layout
from datmo.objects.pack import WHOLE, read_index

__all__ = ["verify_all", "verify_place"]

_WRONG = "its bytes do not have that hash"


def verify_all(layout: Layout, progress: Progress | None) -> Iterator[tuple[str, str]]:
    """Every pack and every object; yields what is wrong, as (id or `pack/name`, what)."""
    if not layout.exists():
        return
    for name in sorted(layout.pack_names()):
        try:
            entries = sorted(read_index(layout.pack_path(name)), key=lambda entry: entry.offset)
        except (ObjectError, OSError) as error:
            yield f"pack/{name}", str(error)
            continue
        for entry in entries:
            place = Place(name, entry.offset, entry.length, entry.size, entry.kind)
            if (wrong := verify_place(layout, entry.digest, place, progress)) is not None:
                yield entry.digest.hex(), wrong
    for digest, size in layout.large_objects():
        if (wrong := verify_place(layout, digest, Place(None, 0, size, size, WHOLE), progress)) is not None:
            yield digest.hex(), wrong


def verify_place(layout: Layout, digest: bytes, place: Place, progress: Progress | None) -> str | None:
    """What is wrong with one object, or None."""
    if place.kind != WHOLE:
        return f"it is stored as kind {place.kind}, which needs a newer Datmo to read"
    path = layout.large_path(digest) if place.pack is None else layout.pack_path(place.pack)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return f"it cannot be opened: {error.strerror}"
    try:
        # Of a file of its own every byte counts, so one that has grown is found as well.
        end = None if place.pack is None else place.offset + place.length
        found = hash_file(handle, start=place.offset, end=end)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    finally:
        os.close(handle)
    if progress is not None:
        progress(place.length)
    return None if found == digest else _WRONG
