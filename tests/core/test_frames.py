"""Frames: the one form in which output is kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datmo.core.frames import STDERR, STDOUT, frame, join_text, split_frames, whole_frames

PIECES = st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=40)), max_size=20)


def test_a_frame_is_its_stream_its_length_and_its_bytes() -> None:
    assert frame(STDERR, b"oh\n") == b"\x02\x00\x00\x00\x03oh\n"


@given(PIECES)
def test_frames_are_split_into_what_was_framed(pieces: list[tuple[int, bytes]]) -> None:
    assert list(split_frames(b"".join(frame(*piece) for piece in pieces))) == pieces


@given(PIECES, st.integers(min_value=0))
def test_a_torn_last_frame_is_left_out(pieces: list[tuple[int, bytes]], cut: int) -> None:
    frames = b"".join(frame(*piece) for piece in pieces)
    torn = frames[: cut % (len(frames) + 1)]

    whole = whole_frames(torn)

    assert list(split_frames(torn)) == list(split_frames(torn[:whole]))
    assert list(split_frames(torn[:whole])) == pieces[: len(list(split_frames(torn)))]
    assert list(split_frames(frames[:whole])) + list(split_frames(frames[whole:])) == pieces


def test_no_line_of_one_stream_is_broken_by_the_other() -> None:
    frames = frame(STDOUT, b"loss: ") + frame(STDERR, b"warning\n") + frame(STDOUT, b"0.1\nnext: 2\n")

    assert join_text(frames) == "warning\nloss: 0.1\nnext: 2\n"


def test_lines_without_an_end_come_last_each_on_its_own() -> None:
    assert join_text(frame(STDOUT, b"a") + frame(STDERR, b"b")) == "a\nb"
    assert join_text(frame(STDOUT, b"whole\nhalf")) == "whole\nhalf"


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_one_stream_is_joined_byte_for_byte(pieces: list[bytes]) -> None:
    frames = b"".join(frame(STDOUT, piece) for piece in pieces)

    assert join_text(frames) == b"".join(pieces).decode("utf-8", "replace")


def test_a_character_split_over_two_frames_is_whole_again() -> None:
    euro = "€".encode()

    assert join_text(frame(STDOUT, euro[:1]) + frame(STDERR, b"x\n") + frame(STDOUT, euro[1:])) == "x\n€"
