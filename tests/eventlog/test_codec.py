"""How data becomes bytes and comes back."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from datmo.errors import InvalidArgument, InvalidArgumentType
from datmo.eventlog.codec import decode, encode

ANY_TEXT = st.text(alphabet=st.characters(codec=None, exclude_categories=()))
TIMES = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.binary() | TIMES
KEYS = st.text() | st.sampled_from(["$float", "$$", "$", "$bytes", "null"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)


def same(one: Any, other: Any) -> bool:
    """Equal, of equal types, NaN being itself and -0.0 not 0.0."""
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@given(VALUES)
@example({"$float": "nan", "a": [None, float("nan")]})
@example(2**63)
@example(-(2**63) - 1)
@example(["\udcff", "null", "$"])
@example({"x": {"$$int": 1}})
def test_what_is_encoded_comes_back_as_it_was(value: Any) -> None:
    encoded = encode(value)
    returned = decode(encoded)
    assert same(returned, value)
    assert same(decode(encoded.decode()), returned)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_equal_values_have_equal_bytes_when_keys_are_sorted(value: dict[str, Any]) -> None:
    turned = dict(reversed(value.items()))
    assert encode(value, sort_keys=True) == encode(turned, sort_keys=True)


class Colour(Enum):
    RED = "red"


class Name(str, Enum):  # noqa: UP042  # its `str()` is not its value
    ONE = "one"


@pytest.mark.parametrize(
    ("given_value", "stored"),
    [
        ((1, 2), [1, 2]),
        (Path("a/b"), "a/b"),
        (Colour.RED, "red"),
        (Name.ONE, "one"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (bytearray(b"x"), b"x"),
    ],
)
@pytest.mark.parametrize("beside", [1, None])
def test_what_has_a_plain_form_is_stored_as_that(given_value: Any, stored: Any, beside: Any) -> None:
    assert decode(encode({"value": given_value, "beside": beside}))["value"] == stored


class Scalar:
    """As numerical packages have them."""

    def tolist(self) -> float:
        return float("nan")


def test_a_scalar_of_a_numerical_package_becomes_a_number() -> None:
    assert math.isnan(decode(encode({"loss": Scalar()}))["loss"])


@pytest.mark.parametrize("value", [object(), {1, 2}, {1: 2}, {"a": [object()]}, 1j])
def test_a_value_of_another_type_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvalidArgumentType, match="data"):
        encode(value)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="without a time zone"):
        encode({"at": datetime(2024, 1, 1)})  # noqa: DTZ001


def test_a_key_with_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="not valid text"):
        encode({"\udcff": 1})


def test_a_cycle_and_endless_nesting_are_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]
    for value in (cycle, deep):
        with pytest.raises(InvalidArgument, match="nested too deeply"):
            encode(value)


@pytest.mark.parametrize("stored", [b'{"$what": 1}', b"{", b'{"$bytes": "!"}'])
def test_bytes_that_encode_never_writes_are_no_value(stored: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(stored)
