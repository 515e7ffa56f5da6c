"""What a task's checkout was like before it ran, kept for whoever finishes the task should its supervisor die."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from datmo.capture.collect import Stamp

__all__ = ["read_stamps", "write_stamps"]

_STAMPS = "stamps"


def write_stamps(folder: Path, stamps: Mapping[str, Stamp]) -> None:
    """Keep what a task's checkout was like before it ran, for whoever finishes the task should this process die."""
    beside = folder / f"{_STAMPS}.new"
    named = [(os.fsencode(path).hex(), stamp) for path, stamp in stamps.items()]
    beside.write_text(json.dumps(named), "ascii")
    beside.replace(folder / _STAMPS)


def read_stamps(folder: Path) -> dict[str, Stamp]:
    """Return what `write_stamps` kept; nothing where it kept nothing, and then every file counts as new."""
    try:
        named = json.loads((folder / _STAMPS).read_bytes())
    except (FileNotFoundError, ValueError):  # half a file is what a power loss leaves
        return {}
    return {os.fsdecode(bytes.fromhex(path)): Stamp(*stamp) for path, stamp in named}
