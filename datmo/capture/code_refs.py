"""The refs that keep captured code from git's garbage collection, and the head of the log.

All lie under `refs/datmo/<project id>/`; nothing else in the user's repository is ever written but objects.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pygit2

from datmo.capture.code_repository import Repository, git_errors
from datmo.errors import CodeError

__all__ = ["keep", "kept_refs", "move_head", "read_head", "remove_refs"]

_TRIES = 400
_PAUSE_S = 0.005
# What libgit2 raises where another process holds the lock of a ref, or was first, depends on how it notices.
_IN_THE_WAY = (pygit2.GitError, OSError, ValueError)


def keep(repository: Repository, project_id: str, code_id: str) -> None:
    """Let a ref point to a commit, durably, so that no garbage collection takes it."""
    name = f"refs/datmo/{project_id}/code/{code_id}"
    oid = pygit2.Oid(hex=code_id)
    with git_errors(f"the ref {name} cannot be written"):
        found = repository.git.references.get(name)
        if found is not None and found.target == oid:
            return
        for attempt in range(_TRIES):
            try:
                repository.git.references.create(name, oid, force=True)
                break
            except _IN_THE_WAY:
                # Another process writes the same ref, or packs refs just now.
                if attempt == _TRIES - 1:
                    raise
                time.sleep(_PAUSE_S)
        _sync(repository.common, name)


def kept_refs(repository: Repository, project_id: str) -> list[str]:
    """The names of all refs of a project, sorted."""
    with git_errors("the refs cannot be listed"):
        names = repository.git.references.iterator()
        return sorted(ref.name for ref in names if ref.name.startswith(f"refs/datmo/{project_id}/"))


def remove_refs(repository: Repository, project_id: str) -> None:
    """Remove all refs of a project: git may then collect what they kept."""
    with git_errors("the refs cannot be removed"):
        for name in kept_refs(repository, project_id):
            repository.git.references.delete(name)


def read_head(repository: Repository, project_id: str) -> tuple[int, str] | None:
    """The position and hash that the head's ref holds, or None where there is none."""
    with git_errors("the head of the log cannot be read"):
        found = repository.git.references.get(_head_name(project_id))
        return None if found is None else _parse(repository, found)


def move_head(repository: Repository, project_id: str, position: int, digest: str) -> None:
    """Move the head forward, by compare-and-swap; a head that is as far already stays."""
    name = _head_name(project_id)
    with git_errors(f"the ref {name} cannot be written"):
        blob = None
        for attempt in range(_TRIES):
            found = repository.git.references.get(name)
            if found is not None and _parse(repository, found)[0] >= position:
                return
            try:
                if blob is None:
                    blob = repository.git.create_blob(f"{position} {digest}\n".encode())
                    _sync(repository.common, f"objects/{str(blob)[:2]}/{str(blob)[2:]}")
                if found is None:
                    repository.git.references.create(name, blob)
                else:
                    # libgit2 does it only where the ref still is what was read.
                    found.set_target(blob)
                break
            except _IN_THE_WAY:
                if attempt == _TRIES - 1:
                    raise
                time.sleep(_PAUSE_S)
        _sync(repository.common, name)


def _head_name(project_id: str) -> str:
    return f"refs/datmo/{project_id}/head"


def _parse(repository: Repository, ref: pygit2.Reference) -> tuple[int, str]:
    data = repository.read(bytes.fromhex(str(ref.target)))[1]
    position, _, digest = data.decode("ascii", "replace").strip().partition(" ")
    if not position.isdecimal():
        raise CodeError(f"the ref {ref.name} does not hold the head of a log", hint=f"git update-ref -d {ref.name}")
    return int(position), digest


def _sync(top: Path, name: str) -> None:
    """Make a file and the folders on the way to it durable; what git has packed meanwhile is so already."""
    path = top / name
    while path != top:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            pass  # git has packed the ref meanwhile, and synced what it packed
        else:
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        path = path.parent
