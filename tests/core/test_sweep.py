"""Sweeps: the values of a grid, their combinations, and where they go in a command."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datmo.core.sweep import combinations, fill, parse_axis, variables
from datmo.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("lr=0.1,0.01", "lr", [0.1, 0.01]),
        ("seed=0..3", "seed", [0, 1, 2, 3]),
        ("n=3..1,7", "n", [3, 2, 1, 7]),
        ("opt=adam, sgd", "opt", ["adam", "sgd"]),
        ("flag=true,false", "flag", [True, False]),
        ("url=a=b", "url", ["a=b"]),
    ],
)
def test_an_axis_names_its_values(text: str, name: str, values: list[Any]) -> None:
    assert parse_axis(text) == (name, values)


@pytest.mark.parametrize("text", ["lr", "=1", "lr=", "n=0..999999999"])
def test_what_is_no_axis_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_axis(text)
    assert repr(text) in str(caught.value)
    assert caught.value.hint


def test_every_combination_once_the_last_axis_the_quickest() -> None:
    found = combinations([("a", [1, 2]), ("b", ["x", "y"])])
    assert found == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]
    assert combinations([]) == [{}]


@pytest.mark.parametrize("axes", [[("a", [1]), ("a", [2])], [("a", range(1000)), ("b", range(1000))]])
def test_axes_that_cannot_be_combined_are_refused(axes: list[tuple[str, Any]]) -> None:
    with pytest.raises(InvalidArgument):
        combinations(axes)


def test_only_what_was_given_is_filled_in() -> None:
    words = ["train.py", "--lr={lr}", "{lr}{seed}", '{"json": 1}', "${HOME}", "{}", "{other}"]
    filled = fill(words, {"lr": 0.1, "seed": 3})
    assert filled == ["train.py", "--lr=0.1", "0.13", '{"json": 1}', "${HOME}", "{}", "{other}"]


@given(st.lists(st.text()))
def test_without_parameters_every_word_stays(words: list[str]) -> None:
    assert fill(words, {}) == words


def test_a_value_is_never_split_nor_filled_again() -> None:
    assert fill(["{a}"], {"a": "x {b}; rm", "b": 1}) == ["x {b}; rm"]


def test_parameters_are_variables() -> None:
    given = {"lr": 0.1, "batch-size": 32, "on": True, "name": "a b", "layers": [1]}
    assert variables(given) == {
        "DATMO_PARAM_LR": "0.1",
        "DATMO_PARAM_BATCH_SIZE": "32",
        "DATMO_PARAM_ON": "true",
        "DATMO_PARAM_NAME": "a b",
        "DATMO_PARAM_LAYERS": "[1]",
    }
