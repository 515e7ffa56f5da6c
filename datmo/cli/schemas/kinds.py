"""The kinds of values that documents are made of."""

from __future__ import annotations

from typing import Annotated, NamedTuple

__all__ = ["Bytes", "Hash", "Id", "Kind", "Number", "Seconds", "Time"]


class Kind(NamedTuple):
    """A kind of value.

    Attributes:
        name: what it is called in the documentation.
        pattern: what its text looks like, as a regular expression.
        special: whether it may also be an object such as `{"$float": "nan"}`.
    """

    name: str
    pattern: str | None = None
    special: bool = False


Id = Annotated[str, Kind("id", "^[0-9a-hjkmnp-tv-z]{16}$")]
Hash = Annotated[str, Kind("hash", "^[0-9a-f]{64}$")]
Time = Annotated[str, Kind("time", r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
Seconds = Annotated[float, Kind("seconds")]
Bytes = Annotated[int, Kind("bytes")]
Number = Annotated[float, Kind("number", special=True)]
