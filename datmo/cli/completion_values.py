"""What the values of options and arguments may be, for a shell that completes a word.

A line of `BY_PARAMETER` says it for an option, by its long name, or an argument, by what the help calls it; for one
command alone where its path stands before. What is not there takes free text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["BY_PARAMETER", "Candidate", "Typed"]


class Candidate(NamedTuple):
    """What a word may become.

    Attributes:
        value: the whole word.
        about: what it is, in some words.
        kind: `plain`; `part` where the word goes on behind it; or `file` where the shell's own files are wanted.
    """

    value: str
    about: str = ""
    kind: str = "plain"


class Typed(NamedTuple):
    """A value that is being typed.

    Attributes:
        word: as far as it is typed.
        before: the words of the command that stand before it, without the command's own.
    """

    word: str
    before: Sequence[str]


Source = Callable[[Typed], Iterable[Candidate]]

_NAMES = ("session", "label", "deleted session", "position")
"""Kinds that are called by what they are, and not by ids that may be shortened."""
_CONTENT = ("code", "files")
_ENTITIES = ("snapshot", "task", "session", "environment")
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "contains")
_RANKED = ("results.", "config.", "duration")
_STATUSES = ("CREATED", "RUNNING", "SUCCESS", "FAILED", "STOPPED", "LOST")


def _known(*kinds: str) -> Source:
    """Return what offers the ids or names of some kinds; ids as short as tells them apart."""

    def offer(_: Typed) -> Iterator[Candidate]:
        from datmo.cli.words import Shortened
        from datmo.engine.completing import known

        for kind in kinds:
            found = known(kind, Path.cwd())
            shown = Shortened((name for name, _ in found), 7 if kind in _CONTENT else 4)
            yield from (Candidate(name if kind in _NAMES else shown(name), about) for name, about in found)

    return offer


def _files(_: Typed) -> Iterator[Candidate]:
    yield Candidate("", kind="file")


def _words(*words: str) -> Source:
    return lambda _: [Candidate(word) for word in words]


def _entities(_: Typed) -> Iterator[Candidate]:
    for kind in _ENTITIES:
        for each in _known(kind)(_):
            yield each._replace(value=f"{kind}/{each.value}")
    yield from (Candidate(kind, f"all of every {kind}") for kind in _ENTITIES)


def _event_types(_: Typed) -> Iterator[Candidate]:
    from datmo.core.schemas import CURRENT

    kinds = dict.fromkeys(name.partition(".")[0] for name in CURRENT)
    yield from (Candidate(f"{kind}.*", "all of them") for kind in kinds)
    yield from (Candidate(name) for name in CURRENT)


def _keys(kind: str) -> list[Candidate]:
    from datmo.engine.completing import known_keys

    return [Candidate(key, about, "part") for key, about in known_keys(kind, Path.cwd())]


def _where(kind: str) -> Source:
    """Return what completes an expression over snapshots or tasks: the part of it that is being typed."""

    def offer(typed: Typed) -> Iterator[Candidate]:
        from datmo.core.expecting import expected

        at_end = expected(typed.word)
        front = typed.word.removesuffix(at_end.typed)
        if at_end.what == "key":
            found = _keys(kind)
        elif at_end.what == "value":
            found = [Candidate(f'"{text}"', kind="part") for text in _texts(at_end.key)]
        else:
            words = _COMPARISONS if at_end.what == "comparison" else ("and", "or")
            found = [Candidate(word, kind="part") for word in words]
        yield from (each._replace(value=front + each.value) for each in found)

    return offer


def _texts(key: str) -> Iterable[str]:
    """Return the texts that a field may be compared with."""
    if key == "status":
        return _STATUSES
    if key == "executor":
        return ("docker", "process", "track")
    kind = {"label": "label", "session": "session"}.get(key)
    return [each.value for each in _known(kind)(Typed("", ()))] if kind else ()


def _order(kind: str, fronts: Sequence[str] = ("",)) -> Source:
    """Return what completes a key to sort by, and the direction behind it."""

    def offer(typed: Typed) -> Iterator[Candidate]:
        from datmo.core.expecting import order_expected

        at_end = order_expected(typed.word)
        front = typed.word.removesuffix(at_end.typed)
        if at_end.what == "direction":
            yield from (Candidate(front + word) for word in ("asc", "desc"))
        else:
            keys = (each for each in _keys(kind) if each.value.startswith(tuple(fronts)))
            yield from (each._replace(value=front + each.value, kind="plain") for each in keys)

    return offer


def _pairs(kind: str, field: str) -> Source:
    """Return what offers `KEY:` for the names that a field of snapshots has had."""

    def offer(_: Typed) -> Iterator[Candidate]:
        for each in _keys(kind):
            name = each.value.removeprefix(f"{field}.")
            if name != each.value and re.fullmatch(r"[\w-]+", name):
                yield Candidate(f"{name}:", each.about, "part")

    return offer


def _grid(typed: Typed) -> Iterator[Candidate]:
    """Yield `NAME=` for each `{NAME}` in the commands that are typed already."""
    names = (name for word in typed.before for name in re.findall(r"\{(\w+)\}", word))
    yield from (Candidate(f"{name}=", kind="part") for name in dict.fromkeys(names))


def _metrics(typed: Typed) -> Iterator[Candidate]:
    """Yield the metrics of the tasks that are named already."""
    from datmo.engine.completing import known_metrics

    for word in typed.before:
        if not word.startswith("-"):
            yield from (Candidate(name, about) for name, about in known_metrics(word, Path.cwd()))


def _tasks_and_metrics(typed: Typed) -> Iterator[Candidate]:
    yield from _known("task")(typed)
    yield from _metrics(typed)


def _variables(_: Typed) -> Iterator[Candidate]:
    yield from (Candidate(name, "passed on as it is here") for name in sorted(os.environ))


def _settings(_: Typed) -> Iterator[Candidate]:
    from datmo.core.settings import SETTINGS

    yield from (Candidate(name, each.help) for name, each in SETTINGS.items())


def _setting_values(typed: Typed) -> Iterator[Candidate]:
    from datmo.core.settings import SETTINGS

    found = SETTINGS.get(typed.before[-1]) if typed.before else None
    if found is not None:
        yield from (Candidate(word) for word in found.kind.words)


def _pages(_: Typed) -> Iterator[Candidate]:
    from datmo.cli.docs import SCHEMA, pages

    yield from (Candidate(name, title) for name, title in pages().items())
    yield Candidate(SCHEMA, "what --format json writes")


BY_PARAMETER: Mapping[str, Source] = {
    "--session-id": _known("session"),
    "--session": _known("session"),
    "--task-id": _known("task"),
    "--environment-id": _known("environment"),
    "--code-id": _known("code"),
    "--commit-id": _known("code"),
    "--file-collection-id": _known("files"),
    "--label": _known("label"),
    "--entity": _entities,
    "--type": _event_types,
    "--after": _known("position"),
    "--env": _variables,
    "--grid": _grid,
    "--rank": _order("task", _RANKED),
    "--network": _words("none", "host"),
    "--gpus": _words("all", "device="),
    "FILE": _files,
    "PATH": _files,
    "DIR": _files,
    "--data": _files,
    "--config-filename": _files,
    "--stats-filename": _files,
    "KEY": _settings,
    "PAGE": _pages,
    "config set VALUE": _setting_values,
    "log replay --to": _known("position"),
    "log show POSITION": _known("position"),
    "session select --name": _known("session"),
    "session select NAME": _known("session"),
    "session delete --name": _known("session"),
    "session delete NAME": _known("session"),
    "session undelete --name": _known("deleted session"),
    "session undelete NAME": _known("deleted session"),
    "snapshot create --config": _pairs("snapshot", "config"),
    "snapshot create --stats": _pairs("snapshot", "stats"),
    "snapshot update --config": _pairs("snapshot", "config"),
    "snapshot update --stats": _pairs("snapshot", "stats"),
    "snapshot undelete ID": _known("deleted snapshot"),
    **dict.fromkeys(("snapshot ls --where", "snapshot export --where"), _where("snapshot")),
    "snapshot ls --sort": _order("snapshot"),
    "task ls --where": _where("task"),
    "task ls --sort": _order("task"),
    "task run CMD": _files,
    "task metrics NAME": _metrics,
    "task plot ID": _tasks_and_metrics,
    "task plot METRIC": _metrics,
    **dict.fromkeys(("task stop --id", "task stop ID", "task wait ID", "task attach ID"), _known("running task")),
    **dict.fromkeys(("snapshot ID", "snapshot ID_1", "snapshot ID_2", "snapshot --id"), _known("label", "snapshot")),
    "task ID": _known("task"),
    **dict.fromkeys(("environment ID", "environment ID_1", "environment ID_2"), _known("environment")),
}
"""By the path of the command and the parameter; by its group and the parameter; by the parameter alone."""
