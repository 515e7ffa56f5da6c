"""Tables, at several widths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datmo.cli.table import Column, cut, extent, table, wrapped

COLUMNS = [Column("id"), Column("took", right=True), Column("message", flexible=True), Column("label", optional=True)]
ROWS = [["7k2m", "1.0 s", "a rather long message about it", ""], ["91cd", "12 ms", "short", ""]]


def test_columns_stand_side_by_side_each_as_wide_as_it_must_be() -> None:
    assert table(COLUMNS, ROWS, width=None, colour=False) == (
        "id     took  message\n"
        "7k2m  1.0 s  a rather long message about it\n"
        "91cd  12 ms  short\n"
    )  # fmt: skip


def test_an_optional_column_is_there_as_soon_as_a_row_has_something_in_it() -> None:
    rows = [ROWS[0], [*ROWS[1][:3], "best"]]
    assert table(COLUMNS, rows, width=None, colour=False).splitlines()[0].split() == ["id", "took", "message", "label"]


@pytest.mark.parametrize("width", [30, 25, 20])
def test_on_a_narrow_terminal_a_flexible_column_is_cut_and_says_so(width: int) -> None:
    lines = table(COLUMNS, ROWS, width=width, colour=False).splitlines()
    assert max(map(len, lines)) == width
    assert lines[1].endswith("…")
    assert lines[1].startswith("7k2m  1.0 s  a r")
    assert lines[2].endswith("short")


def test_the_longest_flexible_column_gives_way_first() -> None:
    columns = [Column("a", flexible=True), Column("b", flexible=True)]
    shown = table(columns, [["x" * 10, "y" * 50]], width=30, colour=False)
    assert shown.splitlines()[1] == f"{'x' * 10}  {'y' * 17}…"


def test_nothing_is_cut_away_entirely_however_narrow_the_terminal_is() -> None:
    lines = table(COLUMNS, ROWS, width=5, colour=False).splitlines()
    assert lines[1] == "7k2m  1.0 s  a rat…"


def test_a_column_that_may_not_be_shortened_stays_whole() -> None:
    assert "7k2m" in table(COLUMNS, ROWS, width=10, colour=False)


def test_wide_and_combining_characters_take_the_columns_that_they_take() -> None:
    assert [extent("abc"), extent("日本"), extent("e\N{COMBINING ACUTE ACCENT}")] == [3, 4, 1]
    assert cut("日本語", 5) == "日本…"
    assert cut("日本語", 4) == "日…"
    shown = table([Column("a"), Column("b")], [["日本", "x"], ["abcd", "y"]], width=None, colour=False)
    assert shown == "a     b\n日本  x\nabcd  y\n"


def test_colours_do_not_change_what_stands_where() -> None:
    columns = [Column("status", styles={"FAILED": "red"}), Column("b")]
    shown = table(columns, [["FAILED", "x"], ["OK", "y"]], width=None, colour=True)
    assert shown.splitlines() == ["\x1b[1mstatus\x1b[0m  \x1b[1mb\x1b[0m", "\x1b[31mFAILED\x1b[0m  x", "OK      y"]


MANY = [Column("id"), Column("message", flexible=True), Column("lr", spare=2), Column("f1", spare=1, name="stats.f1")]
ROW = ["7k2m", "a message of thirty characters", "0.1", "0.93"]


def test_where_there_is_room_for_all_nothing_is_said_of_what_is_left_out() -> None:
    assert table(MANY, [ROW], width=60, colour=False) == (
        "id    message                         lr   f1\n"
        "7k2m  a message of thirty characters  0.1  0.93\n"
    )  # fmt: skip


def test_a_column_that_can_be_spared_goes_before_another_is_cut_beyond_reading_and_its_name_is_said() -> None:
    assert table(MANY, [ROW], width=35, colour=False) == (
        "id    message                  f1\n"
        "7k2m  a message of thirty ch…  0.93\n"
        "… and, in a wider window: lr\n"
    )  # fmt: skip
    shown = table(MANY, [ROW], width=26, colour=False)
    assert shown.splitlines()[1:] == ["7k2m  a message of thirty…", "… and, in a wider window:…"]


def test_a_narrow_column_comes_back_where_a_wide_one_had_to_go() -> None:
    columns = [Column("id"), Column("at", spare=2), Column("wide", spare=1)]
    assert table(columns, [["7k2m", "now", "x" * 30]], width=30, colour=False).splitlines()[1] == "7k2m  now"


def test_a_column_that_is_shown_whole_goes_on_below() -> None:
    columns = [Column("setting"), Column("what it does", flexible=True, whole=True)]
    assert table(columns, [["jobs", "how many tasks run at a time"], ["x", "y"]], width=24, colour=False) == (
        "setting  what it does\n"
        "jobs     how many tasks\n"
        "         run at a time\n"
        "x        y\n"
    )  # fmt: skip


@pytest.mark.parametrize("text", ["a b c", "averyveryverylongword", "日本語 日本語日本語", "a  b", ""])
def test_wrapped_lines_hold_all_of_a_text_and_none_is_too_long(text: str) -> None:
    lines = wrapped(text, 5)
    assert all(extent(line) <= 5 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.text("ab 日", max_size=30)), min_size=1, max_size=6),
    st.integers(60, 120),
)
def test_no_table_of_columns_that_can_give_way_is_wider_than_the_terminal(
    made: list[tuple[bool, int, str]], width: int
) -> None:
    columns = [Column("id"), *(Column(f"c{i}", flexible=f, spare=s or not f) for i, (f, s, _) in enumerate(made))]
    row = ["7k2m", *(" ".join(text.split()) for _, _, text in made)]
    lines = table(columns, [row], width=width, colour=False).splitlines()
    assert all(extent(line) <= width for line in lines)
    assert all(f"c{i}" in lines[0] or len(lines) == 3 for i in range(len(made)))
