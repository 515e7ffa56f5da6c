"""A file that somebody writes to each time that the store reads it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from datmo.objects import batch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


def changed_as_it_is_read(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Write one byte of a file anew behind each reading of it, so that only its times tell."""

    def then_changed(read: Callable[..., Any]) -> Callable[..., Any]:
        def reading(handle: int, *arguments: Any, **options: Any) -> Any:
            found = read(handle, *arguments, **options)
            if os.fstat(handle).st_ino == path.stat().st_ino:
                with path.open("r+b") as file:
                    file.write(b"y")
            return found

        return reading

    for name in ("read_all", "copy_hashed"):
        monkeypatch.setattr(batch, name, then_changed(getattr(batch, name)))
