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
    except BaseException as error:  # noqa: BLE001  # raised again
        first = _first(error)
        # Whatever stands behind it already; not the group: IPython shows an error that has one behind it as plain text.
        context = None if isinstance(first.__context__, BaseExceptionGroup) else first.__context__
        try:
            raise first
        finally:
            first.__context__ = context


def _first(error: BaseException) -> BaseException:
    """Return the error that leaves in the place of another one."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    first, *others = _leaves(error)
    if others and not all(isinstance(each, DatmoError) for each in (first, *others)):
        return error
    for other in others:
        first.add_note(f"and: {other}")
    return first


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
