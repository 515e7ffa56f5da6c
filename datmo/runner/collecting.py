"""What a run left: its files, its log, and what it said of its results and configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from datmo.capture.collect import Stamp, collect_file, collect_tree, unchanged_since
from datmo.capture.manifest import FileEntry, Manifest
from datmo.core.outbox import Artifact
from datmo.errors import InvalidArgument
from datmo.eventlog.codec import encode
from datmo.inside.files import listed
from datmo.objects.store import ObjectStore, SourceFile
from datmo.runner.executors.base import RunSpec

__all__ = ["LOG_NAME", "Leftovers", "collect", "keep"]

LOG_NAME = "task.log"
"""The file among a task's files that holds its output as text."""

_BY_THE_WAY = frozenset({"__pycache__", ".ipynb_checkpoints"})
"""Folders that programs leave in the code by the way; nobody means them as output."""

_MOST_JSON = 16 << 20


class Leftovers(NamedTuple):
    """What a run left, stored.

    Attributes:
        collection_id: the file collection; None where nothing could be collected.
        files, size: how many files, and their bytes.
        stats: what `stats.json` says.
        config: what `config.json` says.
        notices: what was left out, and why.
    """

    collection_id: str | None
    files: int
    size: int
    stats: dict[str, Any]
    config: dict[str, Any]
    notices: tuple[str, ...]

    @classmethod
    def none(cls, *notices: str) -> Leftovers:
        """Return what a run left that never started, or whose files could not be read."""
        return cls(None, 0, 0, {}, {}, notices)


def collect(
    store: ObjectStore, spec: RunSpec, before: Mapping[str, Stamp], artifacts: Iterable[Artifact] = ()
) -> Leftovers:
    """Store what a run left: all of the task folder, what is new or changed in its checkout, and its log.

    Where the same path lies in both folders, the task folder's wins, and both over what was stored meanwhile. Nothing
    in either is trusted: links, pipes and devices are left out.

    Parameters:
        store: where it goes.
        spec: the run; its log lies ready in its folder.
        before: the stamps of the checkout before the run.
        artifacts: files that were stored while it ran.
    """
    written = collect_tree(store, spec.files)
    changed = collect_tree(store, spec.code, exclude=partial(_is_no_output, spec), unchanged=unchanged_since(before))
    if spec.user == "image":  # what it changed was opened to any user before
        changed = changed._replace(entries=tuple(each._replace(mode=each.mode & 0o755) for each in changed.entries))
    kept = [FileEntry(each.path, each.object, each.size, each.mode, "task") for each in artifacts]
    entries = {entry.path: entry for entry in (*kept, *changed.entries, *written.entries)}
    log = store.put_files([SourceFile(spec.folder / LOG_NAME, still=True)])[0]  # we wrote it, and are done with it
    entries[LOG_NAME] = FileEntry(LOG_NAME, log.object, log.size, 0o644, "task")
    manifest = Manifest(entries.values())
    notices = [*written.notices, *changed.notices]
    return Leftovers(
        collection_id=store.put_bytes(manifest.to_bytes()),
        files=len(manifest.entries),
        size=sum(entry.size for entry in manifest.entries),
        stats=_read_object(store, entries.get("stats.json"), notices),
        config=_read_object(store, entries.get("config.json"), notices),
        notices=tuple(notices),
    )


def keep(store: ObjectStore, spec: RunSpec, path: str, name: str | None) -> list[Artifact]:
    """Store what a task names while it runs: a file in its folder, or, of a process's own, files wherever they are.

    Raises:
        FilesError: it is not there, or may not be stored.
    """
    if not (spec.own and os.path.isabs(path)):
        found = [collect_file(store, spec.files, path)]
        return [Artifact(entry.path, entry.object, entry.size, entry.mode) for entry in found]
    files = list(listed(path, name))
    stored = store.put_files([SourceFile(source) for source, _ in files])
    return [
        Artifact(Path(shown).as_posix(), each.object, each.size, each.mode & 0o777)
        for (_, shown), each in zip(files, stored, strict=True)
    ]


def _is_no_output(spec: RunSpec, path: str) -> bool:
    """Say whether a path in the checkout is something by the way, or a link to the task's data that we put there."""
    return path.rpartition("/")[2] in _BY_THE_WAY or (path in spec.in_code and (spec.code / path).is_symlink())


def _read_object(store: ObjectStore, entry: FileEntry | None, notices: list[str]) -> dict[str, Any]:
    if entry is None:
        return {}
    if entry.size > _MOST_JSON:
        notices.append(f"{entry.path} is too large to be read: {entry.size} bytes")
        return {}
    try:
        values = json.loads(store.read(entry.object))
    except (ValueError, RecursionError) as error:
        notices.append(f"{entry.path} is not JSON: {error}")
        return {}
    if not isinstance(values, dict):
        notices.append(f"{entry.path} is no JSON object")
        return {}
    try:
        encode(values)
    except InvalidArgument as error:  # or the task's end could not be recorded because of it
        notices.append(f"{entry.path} cannot be recorded: {error}")
        return {}
    return values
