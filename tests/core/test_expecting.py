"""What may come next in an expression that is being typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datmo.core.expecting import Expected, expected, order_expected


@pytest.mark.parametrize(
    ("text", "what", "typed"),
    [
        ("", "key", ""),
        ("sta", "key", "sta"),
        ("stats.", "key", "stats."),
        ("stats.acc", "key", "stats.acc"),
        ('config."learning', "key", 'config."learning'),
        ("not ", "key", ""),
        ("not (la", "key", "la"),
        ("label ", "comparison", ""),
        ("created_at >", "comparison", ">"),
        ("label cont", "comparison", "cont"),
        ("label == ", "value", ""),
        ('label == "my b', "value", '"my b'),
        ("config.lr <= 0.1", "value", "0.1"),
        ("config.lr <= 0.1 ", "joint", ""),
        ('label == "best"', "joint", ""),
        ('(label == "best") a', "joint", "a"),
        ('label == "x" and ', "key", ""),
        ('label == "x" and not (config.lr > 1e-3 or stats.a', "key", "stats.a"),
    ],
)
def test_what_comes_next(text: str, what: str, typed: str) -> None:
    assert expected(text)[:2] == (what, typed)


def test_of_a_value_the_key_is_known() -> None:
    assert expected('config.lr > 1 and status == "F') == Expected("value", '"F', "status")


@pytest.mark.parametrize(
    ("text", "what", "typed"),
    [
        ("", "key", ""),
        ("stats.lo", "key", "stats.lo"),
        ("stats.", "key", "stats."),
        ("stats.loss ", "direction", ""),
        ("stats.loss as", "direction", "as"),
    ],
)
def test_what_comes_next_in_an_order(text: str, what: str, typed: str) -> None:
    assert order_expected(text) == Expected(what, typed)


@given(st.text(alphabet="ab. ()'\"<>=~1\\", max_size=30))
def test_whatever_is_typed_has_an_end_that_is_completed(text: str) -> None:
    for each in (expected(text), order_expected(text)):
        assert text.endswith(each.typed)
