"""What the last capture learnt, so that the next one reads nothing again that is as it was.

A file in `.datmo/cache/`; losing it costs time and nothing else, so it is renamed into place but not synced.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from datmo.capture.code_index import IndexFacts
from datmo.objects.source import FileState, settled

__all__ = ["Cache"]

_VERSION = 2


class Cache:
    """What is known of files that git's index does not tell of, and of the index itself.

    Parameters:
        folder: where it is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "known.json"
        self._data: dict[str, Any] = {}
        try:
            data = json.loads(self._path.read_bytes())
            if data["version"] == _VERSION:
                self._data = data
        except (OSError, ValueError, TypeError, KeyError):
            # A cache: begin anew.
            self._data = {}
        self._files: dict[str, list[Any]] = {}
        self._before: dict[str, list[Any]] = self._data.get("files", {})
        self._changed = False

    def facts(self, key: str) -> IndexFacts | None:
        """What is known of the index with that key."""
        kept = self._data.get("index")
        return IndexFacts.from_json(kept[1]) if kept is not None and kept[0] == key else None

    def keep_facts(self, key: str, facts: IndexFacts) -> None:
        """Keep what an index holds."""
        self._set("index", [key, facts])

    def left_out(self, key: str) -> list[str] | None:
        """The tracked files that the rules with that key leave out."""
        kept = self._data.get("left_out")
        return kept[1] if kept is not None and kept[0] == key else None

    def keep_left_out(self, key: str, paths: list[str]) -> None:
        """Keep what rules leave out."""
        self._set("left_out", [key, paths])

    def expect(self, conversions: str) -> None:
        """Forget all files if they were converted by other rules than these."""
        if self._data.get("conversions") != conversions:
            self._set("conversions", conversions)
            self._before = {}

    def recall(self, path: str, state: FileState) -> bytes | None:
        """The blob of a file that is as it was."""
        kept = self._before.get(path)
        if kept is None or kept[:-1] != list(state):
            return None
        self._files[path] = kept
        return bytes.fromhex(kept[-1])

    def keep(self, path: str, state: FileState, read_at_ns: int, oid: bytes) -> None:
        """Keep the blob of a file that was read, unless a change since might not show."""
        if settled(state, read_at_ns):
            self._files[path] = [*state, oid.hex()]
            self._changed = True

    def save(self) -> None:
        """Write what is kept, if it is another than before."""
        if not self._changed and len(self._files) == len(self._before):
            return
        data = {**self._data, "version": _VERSION, "files": self._files}
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix="known-", dir=self.folder)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(json.dumps(data, separators=(",", ":")))
            os.replace(beside, self._path)
        except BaseException:
            os.unlink(beside)
            raise

    def _set(self, name: str, value: Any) -> None:
        self._data[name] = value
        self._changed = True
