"""The language of `--where`: what it means, and what is said where it cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

from datmo.core.expression import DEEPEST, LONGEST, MOST_COMPARISONS, parse, parse_order
from datmo.core.predicate import holds
from datmo.errors import InvalidArgument, InvalidArgumentType

FIELDS = {"label": "text", "created_at": "time", "duration": "number", "config": "values", "stats": "values"}
VALUES: dict[str, Any] = {
    "label": None,
    "created_at": 1_767_225_600_000_000,  # 2026-01-01
    "duration": 1.5,
    "config": {
        "lr": 0.1, "n": 1, "name": "Adam", "on": True, "none": None, "layers": [64, 32], "learning rate": 3,
        "optimizer": {"beta": 0.9, "a.b": 1}, "it's": 5,
    },
    "stats": {"accuracy": 0.95, "loss": float("nan"), "worst": float("inf"), "big": 2**70},
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "stats.accuracy > 0.9 and config.lr == 0.1",
        "config.lr == .1 and config.lr == 1e-1 and config.n == 1.0 and 0.9 < stats.accuracy",
        'config.name == "Adam" and config.name == \'Adam\' and config.name < "B"',
        'config.name contains "DA" and config.name ~ "da"',
        "config.on == true and config.on != false and config.none == null",
        'config."learning rate" == 3 and config.\'learning rate\' == 3 and config."it\'s" == 5',
        'config.optimizer.beta > 0.5 and config . optimizer . "a.b" == 1',
        "label == null and not label != null",
        'created_at >= "2026-01-01" and created_at < "2026-01-01T03:00:00+01:00"',
        "duration == 1.5",
        "stats.worst > 1e300 and stats.big == 1180591620717411303424",
        "true == config.on",
        "(config.n == 2 or config.n == 1) and not (config.n == 2)",
        "config.n == 2 and config.n == 2 or config.n == 1",  # `and` binds closer
        "not config.n == 2 and config.n == 1",  # `not` binds closer still
        "not not config.n == 1",
    ],
)
def test_what_holds(text: str) -> None:
    assert holds(parse(text, FIELDS), VALUES)


@pytest.mark.parametrize("key", ["stats.f1", "config.optimizer.gamma", "config.lr.deeper", "config.layers.x"])
@pytest.mark.parametrize("comparison", ["== 1", "!= 1", "< 1", "> 1", '~ "x"', "== null", "!= null", "== true"])
def test_a_comparison_with_a_missing_key_is_false_and_its_contrary_true(key: str, comparison: str) -> None:
    assert not holds(parse(f"{key} {comparison}", FIELDS), VALUES)
    assert holds(parse(f"not {key} {comparison}", FIELDS), VALUES)


@pytest.mark.parametrize(
    ("key", "value"),
    [("config.lr", '"0.1"'), ("config.n", "true"), ("config.on", "1"), ("config.name", "1"), ("config.layers", "64"),
     ("config.none", "false"), ("stats.loss", "0"), ("config.layers", '"x"')],
)  # fmt: skip
def test_types_that_do_not_compare_are_unequal_and_have_no_order(key: str, value: str) -> None:
    assert not holds(parse(f"{key} == {value}", FIELDS), VALUES)
    assert holds(parse(f"{key} != {value}", FIELDS), VALUES)
    if value not in {"true", "false"}:
        assert not any(holds(parse(f"{key} {sign} {value}", FIELDS), VALUES) for sign in ("<", "<=", ">", ">="))


def test_the_name_of_a_value_alone_is_told_what_it_lacks() -> None:
    with pytest.raises(InvalidArgument, match=r"named results\.loss or metrics\.loss\.last; "):
        parse("loss < 1", {"results": "values", "metrics": "values", "command": "text"})


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("", 1, "a key is expected here"),
        ("stats.accuracy >", 17, "a value is expected here"),
        ("stats.accuracy > and config.lr == 1", 18, "a value is expected here"),
        ("stats.accuracy", 15, "a comparison is expected here"),
        ("stats.accuracy = 1", 16, "equality is written =="),
        ("stats.accuracy > 0.9 config.lr == 1", 22, "'and' or 'or', or the end, is expected"),
        ("stat.accuracy > 0.9", 1, "there is no field 'stat'; did you mean stats?"),
        ("zzz == 1", 1, "there is no field 'zzz'; a value is named config.zzz or stats.zzz; there are: label, created"),
        ("stats > 1", 1, "say which value, such as stats.NAME"),
        ("label.x == 1", 1, "label is one value"),
        ("(stats.a > 1", 13, "a closing parenthesis is missing"),
        ("stats.a > 1)", 12, "or the end, is expected"),
        ("stats.a > 'x", 11, "a value is expected here"),
        ("stats.a > true", 9, "true, false and null compare by == and != only"),
        ("stats.a ~ 1", 9, "contains looks for text"),
        ("'x' ~ stats.a", 5, "the key comes first"),
        ("label == 1", 7, "label is text"),
        ("duration > 'x'", 10, "duration is a number"),
        ("created_at > 'yesterday'", 12, "created_at is a time"),
        ("created_at > 3", 12, "created_at is a time"),
        ("stats.a > 1.2.3", 11, "a value is expected here"),
        ("stats. > 1", 1, "say which value"),
        ("not", 4, "a key is expected here"),
        ('stats."a\\"b" > 1', 1, "a name with quotes"),
        ("'; DROP TABLE snapshot; --' == stats.a; x", 39, "or the end, is expected"),
        ("(" * (DEEPEST + 1), DEEPEST + 1, "nested more than"),
        (" and ".join(["stats.a > 1"] * (MOST_COMPARISONS + 1)), 16 * MOST_COMPARISONS + 1, "more than 100"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_with_its_column(text: str, column: int, problem: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse(text, FIELDS)
    assert caught.value.message.startswith(f"the expression is wrong at column {column}: ")
    assert problem in caught.value.message
    assert "^" in (caught.value.hint or "")
    assert "\n" not in f"{caught.value.message}{caught.value.hint}"


def test_the_place_is_marked() -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse("stats.accuracy > and config.lr == 1", FIELDS)
    assert caught.value.hint == "at ^ in: stats.accuracy > ^and config.lr == 1"


@pytest.mark.parametrize("text", ["x" * (LONGEST + 1), "label == '\udcff'"])
def test_what_is_too_long_or_no_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(text, FIELDS)


def test_an_expression_is_text() -> None:
    with pytest.raises(InvalidArgumentType, match="not dict"):
        parse({"lr": 1}, FIELDS)  # type: ignore[arg-type]


def test_an_order_is_a_key_and_perhaps_a_direction() -> None:
    assert not parse_order("stats.loss", FIELDS).ascending
    assert not parse_order("stats.loss desc", FIELDS).ascending
    assert parse_order(' stats."loss" asc ', FIELDS).ascending
    for wrong in ("", "stats", "stats.loss down", "-stats.loss", "stats.loss asc desc"):
        with pytest.raises(InvalidArgument):
            parse_order(wrong, FIELDS)
