"""Calling the git program: for filters such as git-lfs, which libgit2 does not run, and for large work trees.

What it may write is chosen here: an index of ours, a folder of objects of ours. Hooks and monitors stay off.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from datmo.errors import CodeError

__all__ = ["git_program", "quoted", "run_git"]

_OFF = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.splitIndex=false", "index.sparse=false")
_ABOUT_A_REPOSITORY = ("GIT_CONFIG", "GIT_SSH", "GIT_TRACE", "GIT_EXEC_PATH", "GIT_ATTR_NOSYSTEM")


def git_program() -> str | None:
    """Where the git program is, or None."""
    return shutil.which("git")


def run_git(
    arguments: Sequence[str],
    *,
    folder: Path,
    work_tree: Path,
    stdin: bytes = b"",
    environ: Mapping[str, str | Path] | None = None,
    purpose: str,
) -> bytes:
    """Run git and return its output.

    Parameters:
        arguments: what follows `git`.
        folder: the repository's folder.
        work_tree: the root of the work tree, where it runs.
        stdin: its input.
        environ: further environment variables.
        purpose: what it is needed for, for the error message.

    Raises:
        CodeError: there is no git program, or it failed.
    """
    program = git_program()
    if program is None:
        raise CodeError(f"the git program is needed {purpose}", hint="install git")
    # Called from a hook of git, our environment speaks of that call's index and folders.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(_ABOUT_A_REPOSITORY)
    }
    command = [program]
    for setting in _OFF:
        command += ["-c", setting]
    result = subprocess.run(
        [*command, *arguments],
        cwd=work_tree,
        input=stdin,
        capture_output=True,
        check=False,
        env={
            **inherited,
            "LC_ALL": "C",
            # libgit2 knows of none, and both must speak of the same HEAD.
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_DIR": os.fspath(folder),
            "GIT_WORK_TREE": os.fspath(work_tree),
            **{name: os.fspath(value) for name, value in (environ or {}).items()},
        },
    )
    if result.returncode != 0:
        said = os.fsdecode(result.stderr).strip().splitlines() or [f"exit code {result.returncode}"]
        raise CodeError(f"git {arguments[0]} failed {purpose}: {said[-1]}", hint=_hint(said))
    return result.stdout


def quoted(path: str) -> bytes:
    """A path as git reads it on its standard input, one a line."""
    data = os.fsencode(path)
    if not any(byte < 0x20 or byte in b'"\\' for byte in data):
        return data
    return b'"%s"' % b"".join(b"\\%03o" % byte if byte < 0x20 or byte in b'"\\' else bytes((byte,)) for byte in data)


def _hint(said: list[str]) -> str | None:
    return " · ".join(said[:-1])[:300] or None
