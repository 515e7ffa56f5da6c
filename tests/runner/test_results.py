"""Results: what the output's lines and `stats.json` say."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datmo.core.frames import STDERR, STDOUT, frame
from datmo.runner.results import COUNT_LIMIT, LINE_LIMIT, ResultLines, parse_results, parse_value


def test_a_line_with_one_colon_is_a_result() -> None:
    assert parse_results(["accuracy : 0.97", "model: tree", "epochs: 30"]) == {
        "accuracy": 0.97,
        "model": "tree",
        "epochs": 30,
    }


@pytest.mark.parametrize(
    "line",
    ["no colon", "12:30:45", "Results:", ": 3", "   :   ", "a:b:c", "", "bell\x07: 3", "k" * 201 + ": 1"],
)
def test_other_lines_are_not(line: str) -> None:
    assert parse_results([line]) == {}


TRACEBACK = (
    b"accuracy: 0.9\nTraceback (most recent call last):\n"
    b'  File "train.py", line 3, in <module>\n    rate: float = lr["x"]\n'
    b"KeyError: 3\nloss: 0.25\n\n"
    b"During handling of the above exception, another exception occurred:\n\n"
    b"Traceback (most recent call last):\n    raise ValueError(3)\nAssertionError\nf1: 0.5\n"
)


@given(st.lists(st.integers(0, len(TRACEBACK)), max_size=5))
def test_an_exception_is_no_result_however_it_is_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(TRACEBACK)]
    taken = ResultLines()
    for begin, end in pairwise(places):
        taken.feed(frame(STDERR, TRACEBACK[begin:end]) + frame(STDOUT, b"x\n"))
    assert taken.results() == {"accuracy": 0.9, "loss": 0.25, "f1": 0.5}


def test_an_exception_whose_last_line_has_no_end_is_no_result_either() -> None:
    taken = ResultLines()
    taken.feed(frame(STDERR, b"Traceback (most recent call last):\n  x\nValueError: diverged"))
    assert taken.results() == {}


def test_the_last_line_of_a_key_wins_however_it_is_spaced() -> None:
    assert parse_results(["loss: 3", " loss : 2", "loss: 1"]) == {"loss": 1}
    assert parse_results(["loss: 3", "loss: 2", " loss : 1"]) == {"loss": 1}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-12", -12),
        ("+7", 7),
        ("0.5", 0.5),
        (".5", 0.5),
        ("2.", 2.0),
        ("1e-4", 1e-4),
        ("-1.5E+3", -1500.0),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        ("true", True),
        ("False", False),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("1_000", "1_000"),
        ("97%", "97%"),
        ("0x10", "0x10"),
        ("yes", "yes"),
        ("None", "None"),
        ("1 2", "1 2"),
        ("9" * 5000, math.inf),
    ],
)
def test_numbers_and_booleans_are_values_and_all_else_is_text(text: str, value: object) -> None:
    found = parse_value(text)

    assert (found, type(found)) == (value, type(value))


def test_not_a_number_is_a_number() -> None:
    value = parse_value("nan")

    assert isinstance(value, float)
    assert math.isnan(value)


def test_of_a_line_that_rewrites_itself_the_last_counts() -> None:
    assert parse_results([" 50%| 1/2 [00:01<00:01]\rloss: 0.3\rloss: 0.2\n"]) == {"loss": 0.2}
    assert parse_results(["loss: 0.3\rdone"]) == {}
    assert parse_results(["loss: 0.3\r\n"]) == {"loss": 0.3}


def test_colours_are_left_out() -> None:
    assert parse_results(["\x1b[1mloss\x1b[0m: \x1b[32m0.25\x1b[0m"]) == {"loss": 0.25}


def test_both_streams_count_and_their_lines_do_not_mix() -> None:
    lines = ResultLines()
    lines.feed(frame(STDOUT, b"lo") + frame(STDERR, b"warnings: ") + frame(STDOUT, b"ss: 0.1\n"))
    lines.feed(frame(STDERR, b"3\n") + frame(STDOUT, b"last: 1"))

    assert lines.results() == {"loss": 0.1, "warnings": 3, "last": 1}


LINES = st.lists(st.text("ab:1. \r", max_size=12), max_size=12)


@given(LINES, st.lists(st.integers(1, 20), min_size=1))
def test_where_frames_are_cut_makes_no_difference(lines: list[str], cuts: list[int]) -> None:
    text = "\n".join(lines).encode()
    whole, pieces = ResultLines(), ResultLines()
    whole.feed(frame(STDOUT, text))
    while text:
        pieces.feed(frame(STDOUT, text[: cuts[0]]))
        text, cuts = text[cuts[0] :], cuts[1:] + cuts[:1]

    assert repr(pieces.results()) == repr(whole.results())


def test_an_overlong_line_is_passed_over_in_bounded_memory() -> None:
    lines = ResultLines()
    lines.feed(frame(STDOUT, b"before: 1\nlong: "))
    for _ in range(100):
        lines.feed(frame(STDOUT, b"x" * LINE_LIMIT))
        assert sum(map(len, lines._unfinished.values())) <= LINE_LIMIT
    lines.feed(frame(STDOUT, b"tail: 2\nafter: 3\n"))

    assert lines.results() == {"before": 1, "after": 3}


def test_too_many_keys_are_counted_and_left_out_and_known_ones_still_change() -> None:
    lines = ResultLines()
    lines.feed(frame(STDOUT, b"".join(b"key %d: 1\n" % number for number in range(COUNT_LIMIT + 5))))
    lines.feed(frame(STDOUT, b"key 0: 2\n"))

    assert lines.left_out == 5
    assert len(lines.results()) == COUNT_LIMIT
    assert lines.results()["key 0"] == 2
