"""A project with a real git repository, and the check that Datmo leaves it as it was."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datmo.capture.code import SIZE_LIMIT, CodeCapture, CodeRepository
from datmo.objects.store import ObjectStore

PROJECT_ID = "0123456789abcdef"
Tree = dict[str, tuple[str, bytes]]
"""Each path, with what it is (plain, executable, link) and its bytes."""


def git(folder: Path, *arguments: str, stdin: bytes | None = None) -> str:
    """Run git as a user would, but so that looking changes nothing, and a newer git goes on with nothing afterwards."""
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "protocol.file.allow=always")
    result = subprocess.run(
        ["git", *identity, "-c", "maintenance.auto=false", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        check=False,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
    )
    assert result.returncode == 0, os.fsdecode(result.stderr)
    return os.fsdecode(result.stdout).strip()


def tree(folder: Path) -> Tree:
    """Everything in a folder but what git and Datmo keep there."""
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in {".git", ".datmo"}]
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in [*names, *links]:
            path = os.path.join(place, name)
            if name == ".git":
                continue
            relative = os.path.relpath(path, folder)
            if os.path.islink(path):
                found[relative] = ("link", os.fsencode(os.readlink(path)))
            elif os.path.isfile(path):
                kind = "executable" if os.stat(path).st_mode & 0o100 else "plain"
                found[relative] = (kind, Path(path).read_bytes())
    return found


class Project:
    """A project's folder, its store and its code."""

    def __init__(self, root: Path, *, size_limit: int = SIZE_LIMIT) -> None:
        self.root = root
        self.datmo = root / ".datmo"
        self.datmo.mkdir(parents=True)
        (self.datmo / ".gitignore").write_text("*\n")
        self.store = ObjectStore(self.datmo / "objects")
        self.code = CodeRepository(root, self.datmo, PROJECT_ID, size_limit=size_limit)
        self.checkouts = 0

    def git(self, *arguments: str) -> str:
        return git(self.root, *arguments)

    def write(self, path: str, content: bytes | str = b"", mode: int = 0o644) -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(mode)
        return place

    def commit(self, message: str = "work") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def capture(self) -> CodeCapture:
        with self.untouched():
            return self.code.capture(self.store)

    def checkout(self, code_id: str) -> Tree:
        to = self.datmo / "tasks" / str(self.checkouts)
        self.checkouts += 1
        with self.untouched():
            self.code.checkout(code_id, to, self.store)
        return tree(to)

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Check that the user's repository and files are the same afterwards, to the byte."""
        before = self.state()
        yield
        after = self.state()
        assert after == before

    def state(self) -> dict[str, object]:
        if not any((folder / ".git").exists() for folder in (self.root, *self.root.parents)):
            return {"files": tree(self.root)}
        folder = Path(self.git("rev-parse", "--absolute-git-dir"))
        common = (self.root / self.git("rev-parse", "--git-common-dir")).resolve()
        kept = {path: path.read_bytes() for path in (folder / "HEAD", common / "config") if path.exists()}
        index = folder / "index"
        return {
            "files": tree(self.root),
            "status": self.git("status", "--porcelain=v2", "--branch"),
            "index": (hashlib.sha256(index.read_bytes()).hexdigest(), index.stat().st_mtime_ns)
            if index.exists()
            else None,
            "kept": kept,
            "refs": [line for line in self.git("for-each-ref").splitlines() if "refs/datmo/" not in line],
            "stash": self.git("stash", "list"),
            "loose": sorted(
                str(path)
                for path in (common / "objects").rglob("*")
                if path.is_file() and (path.parent.name not in {"pack", "info"} or path.name.startswith("tmp"))
            ),
            "folders": sorted(entry.name for entry in folder.iterdir()),
        }


def repository(root: Path, *, size_limit: int = SIZE_LIMIT) -> Project:
    """A project in a repository with one commit."""
    project = Project(root, size_limit=size_limit)
    project.git("init", "-q", "-b", "main")
    project.write("train.py", "print('accuracy: 0.9')\n")
    project.write("lib/model.py", "rate = 0.1\n")
    project.commit("first")
    return project
