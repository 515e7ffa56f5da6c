"""A project's tree and its git, as they can be compared: every path, byte, permission and link."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from tests.api.conftest import run_git

__all__ = ["git_state", "listed"]


def listed(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything but folders, `.git` and `.datmo`: the mode without its special bits, and the bytes or the link."""
    found = {}
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        folders[:] = [name for name in folders if name not in {".git", ".datmo", *links}]
        for name in [*names, *links]:
            path = os.path.join(place, name)
            state = os.lstat(path)
            data = os.fsencode(os.readlink(path)) if stat.S_ISLNK(state.st_mode) else Path(path).read_bytes()
            found[os.path.relpath(path, folder)] = (state.st_mode & ~0o7000, data)
    return found


def git_state(folder: Path) -> dict[str, object]:
    """HEAD, branches and other refs but Datmo's, the index, the stash."""
    index = folder / ".git" / "index"
    refs = run_git(folder, "for-each-ref").splitlines()
    return {
        "head": (folder / ".git" / "HEAD").read_bytes(),
        "refs": [line for line in refs if "refs/datmo/" not in line],
        "index": hashlib.sha256(index.read_bytes()).hexdigest() if index.exists() else None,
        "stash": run_git(folder, "stash", "list"),
    }
