"""How values read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from datmo.cli.words import (
    Shortened,
    ago,
    amount,
    clean,
    duration,
    exact,
    harmless,
    metric,
    moment_of,
    size,
    value,
    values,
    when,
)

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


def test_ids_are_shown_with_four_characters_where_that_tells_them_apart() -> None:
    ids = Shortened(["7k2m0000", "91cd0000", None])
    assert ids("7k2m0000") == "7k2m"
    assert ids(None) == ""


def test_ids_of_one_list_grow_together_until_each_is_told_apart() -> None:
    ids = Shortened(["7k2maa00", "7k2mab00", "91cd0000"])
    assert [ids("7k2maa00"), ids("7k2mab00"), ids("91cd0000")] == ["7k2maa", "7k2mab", "91cd00"]


def test_an_id_that_is_listed_twice_does_not_grow() -> None:
    assert Shortened(["7k2m0000", "7k2m0000"])("7k2m0000") == "7k2m"


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=0.3), "now"),
        (timedelta(seconds=-5), "now"),
        (timedelta(seconds=42), "42 s ago"),
        (timedelta(minutes=3, seconds=59), "3 min ago"),
        (timedelta(hours=23), "23 h ago"),
        (timedelta(days=29), "29 d ago"),
        (timedelta(days=31), "2026-02-28"),
    ],
)
def test_times_are_told_by_how_long_ago_they_were(passed: timedelta, words: str) -> None:
    assert ago(NOW - passed, NOW) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0.0124, "12 ms"), (2.34, "2.3 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7980, "2 h 13 min")],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1500, "1.5 kB"),
        (999_960, "1.0 MB"),
        (5 * 10**8, "500.0 MB"),
        (2 * 10**12, "2.0 TB"),
    ],
)
def test_sizes(count: int, words: str) -> None:
    assert size(count) == words


def test_amounts_have_thousands_apart() -> None:
    assert [amount(1, "task"), amount(0, "task"), amount(48211, "event")] == ["1 task", "0 tasks", "48 211 events"]


def test_exact_times_are_iso_8601_in_utc_to_the_microsecond() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=1)))
    assert exact(moment) == "2026-01-02T02:04:05.000006Z"
    assert exact(None) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-31", datetime(2026, 3, 31, tzinfo=UTC)),
        ("2026-03-31T08:00", datetime(2026, 3, 31, 8, tzinfo=UTC)),
        ("2026-03-31T08:00:00Z", datetime(2026, 3, 31, 8, tzinfo=UTC)),
        ("2026-03-31T08:00:00.000001+02:00", datetime(2026, 3, 31, 6, 0, 0, 1, tzinfo=UTC)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d ago", NOW - timedelta(days=3)),
        ("1.5h", NOW - timedelta(minutes=90)),
        ("90 min", NOW - timedelta(minutes=90)),
    ],
)
def test_times_are_given_exactly_or_by_how_long_ago(text: str, moment: datetime) -> None:
    assert moment_of(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "soon", "2 fortnights", "31.3.2026"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        moment_of(text, NOW)


def test_text_is_brought_into_one_line_that_cannot_steer_the_terminal() -> None:
    assert clean("first\n  line\tand \x1b[31mred") == "first line and �[31mred"


@pytest.mark.parametrize(
    ("given", "shown"),
    [(0.1 + 0.2, "0.3"), (12345678, "12345678"), (True, "true"), (None, "null"), ("a b", "a b"), ([1, 2], "[1, 2]")],
)
def test_values(given: object, shown: str) -> None:
    assert value(given) == shown


def test_a_configuration_is_one_line() -> None:
    assert values({"lr": 0.01, "layers": {"a": 1}}) == 'lr=0.01 layers={"a": 1}'


@pytest.mark.parametrize(
    ("name", "number", "shown"),
    [
        ("loss", 0.123456789, "0.123457"),
        ("system.memory", 17698816.0, "17.7 MB"),
        ("system.gpu0.memory", 2e9, "2.0 GB"),
        ("system.cpu", 171.80, "172 %"),
        ("system.gpu0.utilization", 3.25, "3.25 %"),
        ("system.memory", float("nan"), "nan"),
    ],
)
def test_what_is_sampled_of_the_machine_has_its_unit(name: str, number: float, shown: str) -> None:
    assert metric(name, number) == shown


def test_numbers_within_values_have_six_digits_too_or_all_of_them() -> None:
    found = {"a": [0.1234567891, 2], "b": {"c": 1 / 3}}
    assert value(found) == '{"a": [0.123457, 2], "b": {"c": 0.333333}}'
    assert value(found, exact=True) == '{"a": [0.1234567891, 2], "b": {"c": 0.3333333333333333}}'


def test_a_time_is_read_to_the_second() -> None:
    assert when(datetime(2026, 3, 31, 14, 5, 6, 789, tzinfo=timezone(timedelta(hours=2)))) == "2026-03-31 12:05:06 UTC"


def test_a_line_of_code_keeps_its_blanks_but_steers_nothing() -> None:
    assert harmless("    if x:\treturn  1\r") == "    if x:   return  1"
    assert harmless("a\x1b[2Jb") == "a\N{REPLACEMENT CHARACTER}[2Jb"
