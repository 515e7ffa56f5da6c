"""Values in tables: a column each where the width is limited, one line of `name=value` where it is not."""

from __future__ import annotations

from typing import Any

from datmo.cli.table import table
from datmo.cli.value_columns import value_columns

RUNS: list[dict[str, Any]] = [
    {"lr": 0.1, "batch": 32, "optimizer": "sgd"},
    {"lr": 0.05, "batch": 64, "optimizer": "adam", "layers": [64, 32]},
    {},
    {"lr": 1.5e-05, "batch": 128, "optimizer": "adam"},
]


def shown(mappings: list[dict[str, Any]], **options: Any) -> list[str]:
    found = value_columns("config", mappings, **{"width": 100, "spare": 1} | options)
    return table(found.columns, found.rows, width=options.get("width", 100), colour=False).splitlines()


def test_what_most_have_has_a_column_and_numbers_stand_with_their_points_below_one_another() -> None:
    assert shown(RUNS) == [
        "     lr  batch  optimizer  other config",
        "0.1         32  sgd",
        "0.05        64  adam       layers=[64, 32]",
        "",
        "1.5e-05    128  adam",
    ]


def test_where_nothing_limits_the_width_a_line_says_all_of_its_values_by_name() -> None:
    assert shown(RUNS, width=None) == [
        "config",
        "lr=0.1 batch=32 optimizer=sgd",
        "lr=0.05 batch=64 optimizer=adam layers=[64, 32]",
        "",
        "lr=1.5e-05 batch=128 optimizer=adam",
    ]


def test_what_is_long_or_rare_stands_with_the_others_by_name() -> None:
    found: list[dict[str, Any]] = [{"note": "a text of some length", "a": 1}, {"a": 2}, {"a": 3}, {"a": 4}]
    assert shown([*found, {"a": 5, "b": 6}]) == [
        "a  other config",
        "1  note=a text of some length",
        "2",
        "3",
        "4",
        "5  b=6",
    ]
    assert shown([*found[1:], {"a": 5, "b": 6}])[0] == "a  b"


def test_what_they_are_sorted_by_is_left_out_last() -> None:
    lines = shown([{"a": 1000000, "b": 2000000}], width=10, sort="config.b asc", spare=2)
    assert lines[:2] == ["      b", "2000000"]


def test_no_values_are_no_column() -> None:
    assert shown([{}, {}]) == ["", "", ""]
