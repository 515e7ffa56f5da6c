"""The edge between our task groups and the caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from datmo.errors import DatmoError

__all__ = ["single_error"]


@contextmanager
def single_error() -> Iterator[None]:
    """Let one error leave a task group as itself, not in a group.

    Of several of ours that came at once the first one counts, and the others are noted on it. Several of which
    one is unexpected stay a group: nothing of them may be hidden.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        errors = list(_leaves(group))
        if len(errors) > 1 and not all(isinstance(error, DatmoError) for error in errors):
            raise
        first = errors[0]
        for other in errors[1:]:
            first.add_note(f"and: {other}")
        raise first from first.__cause__


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
