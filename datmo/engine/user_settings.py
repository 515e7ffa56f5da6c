"""The user's own settings: one file, beside those of other programs, for all their projects."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datmo.errors import InvalidArgument

__all__ = ["change", "load", "path"]


def path() -> Path:
    """Return where the user's settings are: `$XDG_CONFIG_HOME/datmo/settings.json`, by default below `~/.config`."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base, "datmo", "settings.json")


def load() -> dict[str, Any]:
    """Return the user's settings, names to values; names that this version does not know among them.

    Raises:
        InvalidArgument: the file is spoilt.
    """
    file = path()
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidArgument(
            f"the user's settings cannot be read: {file}: {error}", hint="mend or remove it"
        ) from error
    if not isinstance(found, dict):
        raise InvalidArgument(f"the user's settings are no JSON object: {file}", hint="mend or remove it")
    return found


def change(name: str, value: Any) -> None:
    """Change one of the user's settings; None takes it away. What others change at the same time stays."""
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    with _alone(file.with_suffix(".lock")):
        found = load()
        if found.get(name) == value:
            return
        found.pop(name, None)
        if value is not None:
            found[name] = value
        _write(file, dict(sorted(found.items())))


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(file: Path, found: Mapping[str, Any]) -> None:
    beside = file.with_suffix(".new")  # nobody else writes it: the lock is held
    with beside.open("w", encoding="utf-8") as written:
        json.dump(found, written, indent=2)
        written.write("\n")
        written.flush()
        os.fsync(written.fileno())
    beside.replace(file)
