"""Making a branch that holds captured code, and entering it: the one time that HEAD and index are changed, on request.

The commit has HEAD's commit of the capture as its parent, a fixed author and a given time: no identity, hook or
signing key of the user is needed, and making it again gives the same commit.
"""

from __future__ import annotations

import os

import pygit2

from datmo.capture.code import CodeRepository
from datmo.capture.code_checkout import Code
from datmo.capture.code_pack import ObjectWriter
from datmo.capture.code_repository import Repository, git_errors
from datmo.capture.code_tree import FOLDER, Leaf, changed_tree, entries, walk
from datmo.errors import CodeError, InvalidArgument, Refused

__all__ = ["commit_for", "enter_branch"]

_WHO = "Datmo <datmo@localhost>"


def commit_for(code: CodeRepository, code_id: str, *, branch: str, base: str | None, message: str, seconds: int) -> str:
    """Return the commit that a new branch shall point to: HEAD's own where the code is that, else a new one.

    Parameters:
        code: the project's code.
        code_id: the code.
        branch: the branch's name.
        base: HEAD's commit when the code was captured.
        message: the commit's message.
        seconds: its time, in seconds since 1970.

    Raises:
        InvalidArgument: no branch can have that name.
        Refused: there is one, or the index holds what nothing else does.
        CodeError: there is no repository, or it cannot be read.
    """
    repository = code.current()
    if repository.own:
        raise Refused("there is no git repository to make a branch in", hint="leave out --branch")
    name = f"refs/heads/{branch}"
    if not pygit2.reference_is_valid_name(name) or branch.startswith("-"):
        raise InvalidArgument(f"{branch!r} cannot be the name of a branch")
    with git_errors(f"the branch {branch!r} cannot be made"):
        if repository.git.references.get(name) is not None:
            raise Refused(f"there is a branch {branch!r} already", hint="choose another name")
        _refuse_staged(repository)
        found = code.load(code_id)
        if not found.ours:
            return code_id
        return _commit(repository, found, base, f"{message}\n", seconds)


def _refuse_staged(repository: Repository) -> None:
    """Refuse where entering a branch would lose what is in the index alone."""
    git = repository.git
    index = git.index
    head = None if git.head_is_unborn else git.head.peel(pygit2.Tree)
    staged = {os.fsdecode(entry.path) for entry in index}
    if head is not None:
        staged = {os.fsdecode(delta.new_file.raw_path) for delta in index.diff_to_tree(head).deltas}
    changed = {os.fsdecode(delta.new_file.raw_path) for delta in index.diff_to_workdir().deltas}
    if both := sorted(staged & changed):
        raise Refused(
            f"the index holds what is neither in HEAD nor in the working tree: {', '.join(both[:5])}",
            hint="commit or unstage it first: `git reset` keeps the files",
        )


def _commit(repository: Repository, found: Code, base: str | None, message: str, seconds: int) -> str:
    parent = base if base is not None and repository.has(bytes.fromhex(base)) else repository.head()
    with ObjectWriter(repository) as writer:
        if found.repository.common != repository.common:
            _bring(found, writer)
        tree = found.tree
        if repository.prefix:
            whole = None if parent is None else repository.tree_of(parent)
            changes: dict[str, Leaf | None] = {repository.prefix.rstrip("/"): Leaf(FOLDER, found.tree)}
            tree = changed_tree(repository.read_tree, lambda data: writer.add("tree", data), whole, changes)
        lines = [f"tree {tree.hex()}"]
        if parent is not None:
            lines.append(f"parent {parent}")
        lines += [f"{role} {_WHO} {seconds} +0000" for role in ("author", "committer")]
        data = "\n".join([*lines, "", message]).encode("utf-8", "surrogateescape")
        commit = writer.add("commit", data).hex()
        writer.finish()
    return commit


def _bring(found: Code, writer: ObjectWriter) -> None:
    """Copy code from Datmo's own repository into the user's, as the project got one meanwhile."""
    read = found.repository
    waiting = [found.tree]
    while waiting:
        tree = waiting.pop()
        data = read.read_tree(tree)
        writer.add("tree", data)
        waiting += [leaf.oid for leaf in entries(data).values() if leaf.mode == FOLDER]
    for _, leaf in walk(read.read_tree, found.tree):
        if read.has(leaf.oid):
            writer.add("blob", read.read(leaf.oid)[1])


def enter_branch(code: CodeRepository, branch: str, commit: str) -> None:
    """Make a branch and enter it: HEAD names it, and the index holds its commit. Done twice, it changes nothing.

    Raises:
        CodeError: git's files cannot be written.
    """
    repository = code.current()
    git, name = repository.git, f"refs/heads/{branch}"
    oid = pygit2.Oid(hex=commit)
    with git_errors(f"the branch {branch!r} cannot be entered"):
        found = git.references.get(name)
        if found is None:
            git.references.create(name, oid)
        elif found.target != oid:
            raise CodeError(f"the branch {branch!r} was made by somebody else meanwhile")
        if git.references["HEAD"].target != name:
            index = git.index
            index.read_tree(git[oid].peel(pygit2.Tree).id)
            index.write()
            git.set_head(name)
