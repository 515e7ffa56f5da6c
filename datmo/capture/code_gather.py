"""What a capture of code and a look at it have in common: everything but where the objects go."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from datmo.capture.code_cache import Cache
from datmo.capture.code_content import Adder, Content, Work, collect
from datmo.capture.code_repository import Repository
from datmo.capture.code_scan import index_facts, scan
from datmo.capture.code_tree import changed_tree
from datmo.objects.hashing import Progress
from datmo.objects.store import ObjectStore

__all__ = ["Gathered", "Unwritten", "gather"]


class Gathered(NamedTuple):
    """The code as the work tree has it."""

    head: str | None
    """HEAD's commit."""
    base: bytes | None
    """The project's tree in it."""
    tree: bytes
    content: Content


class Unwritten:
    """Takes objects and keeps of them no more than is needed for comparing: the trees.

    Parameters:
        repository: where the others are.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._trees: dict[bytes, bytes] = {}

    def add(self, kind: str, data: bytes) -> bytes:
        """Take an object and return its id."""
        digest = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)), usedforsecurity=False)
        digest.update(data)
        oid = digest.digest()
        if kind == "tree":
            self._trees[oid] = data
        return oid

    def read(self, oid: bytes) -> bytes:
        """The bytes of a tree."""
        known = self._trees.get(oid)
        return self._repository.read_tree(oid) if known is None else known


def gather(
    repository: Repository,
    adder: Adder,
    store: ObjectStore,
    *,
    cache_folder: Path,
    scratch: Path,
    size_limit: int,
    look: bool = False,
    progress: Progress | None = None,
) -> Gathered:
    """Find out what the code is.

    Parameters:
        repository: where it is.
        adder: takes what is new.
        store: where files go that are too large for git, or have line endings that it would change.
        cache_folder: what was learnt last time.
        scratch: an empty folder for our use.
        size_limit: the size in bytes above which a file that HEAD does not have goes to the store.
        look: store nothing.
        progress: told the bytes of files that went to the store, as they are.
    """
    head = repository.head()
    base = None if head is None else repository.project_tree(head)
    cache = Cache(cache_folder)
    facts = index_facts(repository, cache)
    found = scan(repository, facts, cache, scratch / "links")
    work = Work(repository, base, adder, cache, size_limit, scratch, look)
    content = collect(work, found, facts, store, progress)
    tree = changed_tree(repository.read_tree, lambda data: adder.add("tree", data), base, content.changes)
    cache.save()
    return Gathered(head, base, tree, content)
