"""The kinds of values that documents are made of."""

from __future__ import annotations

from typing import Annotated, NamedTuple

__all__ = ["Bytes", "Hash", "Id", "Kind", "Number", "Seconds", "Text", "Time"]


class Kind(NamedTuple):
    """A kind of value.

    Attributes:
        name: what it is called in the documentation.
        pattern: what its text looks like, as a regular expression.
        tag: the key of the object that it may also be, such as `{"$float": "nan"}`.
    """

    name: str
    pattern: str | None = None
    tag: str | None = None


Id = Annotated[str, Kind("id", "^[0-9a-hjkmnp-tv-z]{16}$")]
Hash = Annotated[str, Kind("hash", "^[0-9a-f]{64}$")]
Time = Annotated[str, Kind("time", r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
Seconds = Annotated[float, Kind("seconds")]
Bytes = Annotated[int, Kind("bytes")]
Number = Annotated[float, Kind("number", tag="$float")]
Text = Annotated[str, Kind("text", tag="$text")]
"""What may hold the name of a file: on Linux that need not be Unicode."""
