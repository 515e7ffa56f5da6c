"""Whether what an archive says of itself can be: every id, path, type and reference, before anything is stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, NoReturn

from datmo.capture.archive import ArchiveReader
from datmo.capture.environment import environment_digest
from datmo.capture.manifest import FileEntry, Manifest
from datmo.core.ids import is_id
from datmo.errors import ArchiveError, DatmoError
from datmo.eventlog.codec import decode
from datmo.objects.hashing import object_id

__all__ = ["CREATED", "EVENTS", "Bundle", "large_files", "read_bundle"]

CREATED = "snapshot.created"
EVENTS = (CREATED, "snapshot.updated", "snapshot.deleted", "snapshot.restored")
"""The events of which a snapshot's history consists in an archive."""

_OBJECT, _GIT = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{40}")
_LATEST = 253_402_300_800_000_000
"""The year 10000, in microseconds."""

_TEXT = (str,)
_PERHAPS = (str, type(None))
_SNAPSHOT: Mapping[str, tuple[type, ...]] = {
    "session_id": _TEXT,
    "task_id": _PERHAPS,
    "message": _TEXT,
    "label": _PERHAPS,
    "code_id": _TEXT,
    "environment_id": _TEXT,
    "file_collection_id": _TEXT,
    "config": (dict,),
    "config_path": _PERHAPS,
    "stats": (dict,),
    "stats_path": _PERHAPS,
}
_UPDATE: Mapping[str, tuple[type, ...]] = {"message": _TEXT, "label": _PERHAPS, "config": (dict,), "stats": (dict,)}
_ENVIRONMENT: Mapping[str, tuple[type, ...]] = {
    "kind": _TEXT,
    "described": _TEXT,
    "definition": _TEXT,
    "dockerignore": _PERHAPS,
    "files": (dict,),
    "packages": (list,),
    "platform": (dict,),
    "hardware": (dict,),
}
_CODE: Mapping[str, tuple[type, ...]] = {
    "tree": _TEXT,
    "base": _PERHAPS,
    "large": (list,),
    "own_repository": (bool,),
    "notices": (list,),
}
_FILES: Mapping[str, tuple[type, ...]] = {"count": (int,), "size": (int,)}
_EVENT: Mapping[str, tuple[type, ...]] = {
    "stream": _TEXT,
    "type": _TEXT,
    "schema": (int,),
    "data": (dict,),
    "position": (int,),
    "id": _TEXT,
    "recorded_us": (int,),
    "actor": (dict,),
}


class Bundle(NamedTuple):
    """What is in an archive, checked.

    Attributes:
        project: the id of the project that it comes from.
        snapshots: their ids.
        environments, code, files: id to the data of the event that records it.
        objects: id to size.
        git: oid to `tree` or `blob`.
        events: the history of all snapshots; of each it begins with its creation.
    """

    project: str
    snapshots: tuple[str, ...]
    environments: dict[str, dict[str, Any]]
    code: dict[str, dict[str, Any]]
    files: dict[str, dict[str, Any]]
    objects: dict[str, int]
    git: dict[str, str]
    events: tuple[dict[str, Any], ...]


def read_bundle(archive: ArchiveReader, upcast: Callable[[str, int, dict[str, Any]], dict[str, Any] | None]) -> Bundle:
    """Read and check what an archive says, but for the bytes of objects.

    Parameters:
        archive: the archive.
        upcast: `(type, schema, data)` to the data as this version has it, None where that is newer.

    Raises:
        ArchiveError: something in it cannot be; the message says what.
    """
    contents = archive.contents
    shape = dict.fromkeys(("environments", "code", "files", "objects", "git"), (dict,))
    _check(contents, {"project": _TEXT, "snapshots": (list,), "events": _TEXT, **shape}, "datmo.json")
    snapshots = contents["snapshots"]
    if not snapshots or len(set(map(str, snapshots))) != len(snapshots) or not all(map(_is_id, snapshots)):
        _refuse("its snapshots have no ids, or one is there twice")
    bundle = Bundle(
        project=contents["project"] if _is_id(contents["project"]) else _refuse("its project has no id"),
        snapshots=tuple(snapshots),
        environments=contents["environments"],
        code=contents["code"],
        files=contents["files"],
        objects=contents["objects"],
        git=contents["git"],
        events=_history(archive, contents["events"], set(snapshots), upcast),
    )
    _check_ids(bundle)
    _check_names(archive, bundle)
    _check_references(bundle)
    _check_objects(archive, bundle)
    return bundle


def large_files(code: Mapping[str, Any]) -> tuple[FileEntry, ...]:
    """The files of captured code that are kept outside of git.

    Raises:
        DatmoError, ValueError, TypeError: one of them cannot be.
    """
    found = []
    for entry in code["large"]:
        path, kept, size, mode = entry[:4]
        if list(map(type, (path, kept, size, mode))) != [str, str, int, int]:
            raise ValueError(f"{entry!r} is no file")
        found.append(FileEntry(path, kept, size, mode, "project"))
    return Manifest(found).entries


def _history(
    archive: ArchiveReader,
    digest: str,
    snapshots: set[str],
    upcast: Callable[[str, int, dict[str, Any]], dict[str, Any] | None],
) -> tuple[dict[str, Any], ...]:
    data = archive.events()
    if object_id(data) != digest:
        _refuse("its history does not have the hash that it should have")
    events, begun = [], set()
    for number, line in enumerate(data.splitlines(), 1):
        try:
            event = decode(line)
        except (ValueError, RecursionError):
            _refuse(f"event {number} of its history cannot be read")
        where = f"event {number} of its history"
        _check(event, _EVENT, where)
        snapshot_id, known = event["stream"].removeprefix("snapshot/"), event["type"] in EVENTS
        if not 0 <= event["recorded_us"] < _LATEST:
            _refuse(f"{where} was recorded at no time")
        if not known or snapshot_id not in snapshots or (event["type"] == CREATED) == (snapshot_id in begun):
            _refuse(f"{where} does not belong there: {event['type']!r} of {event['stream']!r}")
        begun.add(snapshot_id)
        upcasted = upcast(event["type"], event["schema"], event["data"])
        if upcasted is None:
            raise ArchiveError(
                f"{where} was written by a newer Datmo", hint="upgrade datmo: pip install --upgrade datmo"
            )
        events.append({**event, "data": _event_data(event["type"], upcasted, where)})
    if begun != snapshots:
        _refuse("of some snapshots there is no history")
    return tuple(events)


def _event_data(event_type: str, data: dict[str, Any], where: str) -> dict[str, Any]:
    """The data of an event, without what this version does not know."""
    if event_type == CREATED:
        _check(data, _SNAPSHOT, where)
        if not data["message"].strip():
            _refuse(f"{where}: a snapshot has no message")
        kept = {name: data[name] for name in _SNAPSHOT}
        if (file := data.get("config_file")) is not None:
            if not isinstance(file, list) or list(map(type, file)) != [str, int] or not _OBJECT.fullmatch(file[0]):
                _refuse(f"{where}: the file of its configuration cannot be")
            kept["config_file"] = file
        for name in ("config_path", "stats_path"):
            if data[name] is not None and not _is_inside(data[name]):
                _refuse(f"{where}: the path {data[name]!r} leads out of the project")
        return kept
    if event_type != "snapshot.updated":
        return {}
    kept = {name: data[name] for name in _UPDATE if name in data}
    _check(kept, {name: _UPDATE[name] for name in kept}, where)
    return kept


def _check_ids(bundle: Bundle) -> None:
    for environment_id, data in bundle.environments.items():
        _check(data, _ENVIRONMENT, f"environment {environment_id[:12]}")
        names = [*data["files"], data["definition"] or "x", data["dockerignore"] or "x"]
        if not all(map(_is_inside, names)) or not all(map(_is_object, data["files"].values())):
            _refuse(f"environment {environment_id[:12]} has a file that cannot be")
        if not all(isinstance(each, str) for each in (*data["packages"], *data["platform"].values())):
            _refuse(f"environment {environment_id[:12]} has a package or a platform that is no text")
        if environment_digest(data["kind"], data["definition"], data["files"], data["platform"]) != environment_id:
            _refuse(f"environment {environment_id[:12]} does not have the hash that it should have")
    for code_id, data in bundle.code.items():
        _check(data, _CODE, f"code {code_id[:12]}")
        if not all(map(_is_git, (code_id, data["tree"], data["base"] or code_id))):
            _refuse(f"code {code_id[:12]} has an id that is none")
        try:
            large_files(data)
        except (DatmoError, TypeError, ValueError) as error:
            _refuse(f"code {code_id[:12]} has a file that cannot be: {error}")
    for collection_id, data in bundle.files.items():
        _check(data, _FILES, f"file collection {collection_id[:12]}")


def _check_names(archive: ArchiveReader, bundle: Bundle) -> None:
    if not all(map(_is_object, bundle.objects)) or not all(map(_is_git, bundle.git)):
        _refuse("an object has an id that is none")
    if not set(bundle.git.values()) <= {"tree", "blob"}:
        _refuse("code is made of trees and blobs only")
    named = {f"objects/{each}" for each in bundle.objects} | {f"git/{each}" for each in bundle.git}
    there = archive.names - {"datmo.json", "events.jsonl"}
    if lacking := sorted(named - there):
        _refuse(f"{lacking[0]} is missing")
    if more := sorted(there - named):
        _refuse(f"{more[0]} does not belong there")
    for each, size in bundle.objects.items():
        if type(size) is not int or archive.size(f"objects/{each}") != size:
            _refuse(f"object {each[:12]} has another size than it should have")


def _check_references(bundle: Bundle) -> None:
    """Everything that a snapshot consists of is there, and there is nothing else."""
    created = [event["data"] for event in bundle.events if event["type"] == CREATED]
    for name, there in (
        ("environment_id", bundle.environments),
        ("code_id", bundle.code),
        ("file_collection_id", bundle.files),
    ):
        if {data[name] for data in created} != set(there):
            _refuse(f"its list of {name} is not that of its snapshots")


def _check_objects(archive: ArchiveReader, bundle: Bundle) -> None:
    """Every object that is needed is there with the right size, and no other."""
    sizes: dict[str, int | None] = {}
    for data in bundle.environments.values():
        sizes |= dict.fromkeys(data["files"].values())
    for event in bundle.events:
        if event["data"].get("config_file"):
            sizes[event["data"]["config_file"][0]] = None
    entries: list[FileEntry] = [entry for data in bundle.code.values() for entry in large_files(data)]
    for collection_id in bundle.files:
        sizes[collection_id] = None
        entries += _listed(archive, collection_id, bundle)
    for entry in entries:
        sizes[entry.object] = entry.size
    if lacking := sorted(sizes.keys() - bundle.objects.keys()):
        _refuse(f"object {lacking[0][:12]} is missing")
    if more := sorted(bundle.objects.keys() - sizes.keys()):
        _refuse(f"object {more[0][:12]} belongs to nothing")
    for each, size in sizes.items():
        if size is not None and bundle.objects[each] != size:
            _refuse(f"object {each[:12]} has another size than the list of files says")


def _listed(archive: ArchiveReader, collection_id: str, bundle: Bundle) -> Iterable[FileEntry]:
    data = archive.read(f"objects/{collection_id}")
    if object_id(data) != collection_id:
        _refuse(f"object {collection_id[:12]} does not have the hash that it should have")
    try:
        entries = Manifest.from_bytes(data).entries
    except DatmoError as error:
        _refuse(f"file collection {collection_id[:12]}: {error}")
    said = bundle.files[collection_id]
    if (said["count"], said["size"]) != (len(entries), sum(entry.size for entry in entries)):
        _refuse(f"file collection {collection_id[:12]} has another number of files or bytes than it should have")
    return entries


def _check(value: Any, shape: Mapping[str, tuple[type, ...]], where: str) -> None:
    if not isinstance(value, dict):
        _refuse(f"{where} is no object")
    for name, types in shape.items():
        # By the exact type: a truth value is no number.
        if name not in value or type(value[name]) not in types:
            _refuse(f"{where} has no {name} that can be")
        if isinstance(value[name], str) and not _is_valid(value[name]):
            _refuse(f"{where}: {name} is no valid text")


def _is_valid(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and is_id(value)


def _is_object(value: Any) -> bool:
    return isinstance(value, str) and _OBJECT.fullmatch(value) is not None


def _is_git(value: Any) -> bool:
    return isinstance(value, str) and _GIT.fullmatch(value) is not None


def _is_inside(path: Any) -> bool:
    """Whether a path leads into the folder that it is relative to, and nowhere else."""
    return (
        isinstance(path, str)
        and not {"", ".", ".."} & set(path.split("/"))
        and "\0" not in path
        and not {".git", ".datmo"} & set(path.lower().split("/"))
    )


def _refuse(problem: str) -> NoReturn:
    raise ArchiveError(f"the archive cannot be imported: {problem}")
