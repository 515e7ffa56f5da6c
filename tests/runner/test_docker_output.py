"""The output of containers: every record once and in order, whatever happens to those who read."""

from __future__ import annotations

import struct
from contextlib import aclosing
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from datmo.core.frames import STDERR, STDOUT, split_frames
from datmo.errors import RunnerError
from datmo.runner.executors.docker import DockerExecutor
from datmo.runner.executors.docker_output import GATHER_BYTES, Records
from tests.runner.conftest import read, read_to_the_end, text
from tests.runner.engine_proxy import engine_proxy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from datmo.runner.executors.base import Chunk
    from tests.runner.conftest import Tasks

pytestmark = pytest.mark.anyio

BOTH = """
import sys
for n in range(2000):
    print("out", n)
    print("err", n, file=sys.stderr)
"""


def lines(stream: str) -> bytes:
    return b"".join(f"{stream} {n}\n".encode() for n in range(2000))


def as_sent(records: list[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack(">BxxxL", stream, len(data)) + data for stream, data in records)


def in_rows(records: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Join what one stream got in a row."""
    rows = groupby(records, key=lambda record: record[0])
    return [(stream, b"".join(data for _, data in row)) for stream, row in rows]


def count_lines(chunks: list[Chunk]) -> int:
    return sum(text(chunks, stream).count(b"\n") for stream in (STDOUT, STDERR))


@given(
    records=st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=20)), max_size=20),
    cursor=st.integers(0, 25),
    cuts=st.lists(st.integers(0, 600), max_size=5),
    stamp=st.sampled_from([b"", b"2026-01-02T03:04:05.000000009Z ", b"2026-01-02T03:04:05.9+01:00 "]),
)
@example(records=[(STDOUT, b"\0\0 ")], cursor=0, cuts=[], stamp=b"2026-01-02T03:04:05.9+01:00 ")
@example(records=[(STDOUT, b"\0Z ")], cursor=0, cuts=[], stamp=b"2026-01-02T03:04:05.9+01:00 ")
def test_records_are_framed_however_their_bytes_arrive(
    records: list[tuple[int, bytes]], cursor: int, cuts: list[int], stamp: bytes
) -> None:
    sent = as_sent([(stream, stamp + data) for stream, data in records])
    bounds = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    reader = Records(cursor, stamped=bool(stamp))
    frames = b"".join(reader.feed(sent[a:b]) for a, b in pairwise(bounds))
    assert in_rows(split_frames(frames)) == in_rows(records[cursor:])
    assert reader.cursor == max(cursor, len(records))
    assert not reader.torn
    assert reader.mark == (as_sent([(records[-1][0], stamp + records[-1][1])]) if records else b"")


def test_a_record_without_the_time_that_was_asked_for_is_refused_not_cut() -> None:
    with pytest.raises(RunnerError, match="no record with its time: b'hello"):
        Records(0, stamped=True).feed(as_sent([(STDOUT, b"hello, this is long enough to hold a time\n")]))


def test_the_engines_own_error_among_the_records_is_not_taken_for_output() -> None:
    with pytest.raises(RunnerError, match="cannot read its record: damaged"):
        Records(0).feed(as_sent([(STDOUT, b"fine\n"), (3, b"damaged\n")]))


async def test_both_streams_are_exact_and_in_order_and_can_be_resumed_from_every_chunk(tasks: Tasks) -> None:
    handle = await tasks.python(BOTH)
    chunks = await read_to_the_end(tasks.executor, handle)
    assert text(chunks, STDOUT) == lines("out")
    assert text(chunks, STDERR) == lines("err")
    assert chunks[-1].cursor == 4000
    assert all(chunk.exact for chunk in chunks)
    assert max(len(chunk.frames) for chunk in chunks) < 4 * GATHER_BYTES
    for cursor in (0, 1, 1999, 3999, 4000):
        rest = await read(tasks.executor, handle, cursor)
        assert count_lines(rest) == 4000 - cursor


async def test_what_is_known_to_its_last_record_is_not_sent_again(
    tasks: Tasks, engine: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    handle = await tasks.python(BOTH)
    await tasks.executor.wait(handle)
    last = (await read(tasks.executor, handle))[-1]
    async with engine_proxy(engine, socket_in(tmp_path_factory)) as proxy, DockerExecutor(proxy.url) as executor:
        there = {**handle, "engine": proxy.url}
        assert await read(executor, there, last.cursor, mark=last.mark) == []
        assert proxy.answered < 10_000
        known = await read(executor, there, 3000, mark=b"not the last record")
    assert count_lines(known) == 1000


async def test_reading_goes_on_from_every_cursor_without_loss_or_doubling(tasks: Tasks) -> None:
    handle = await tasks.python("for n in range(20): print(n)")
    await tasks.executor.wait(handle)
    whole = text(await read(tasks.executor, handle)).splitlines()
    assert whole == [str(n).encode() for n in range(20)]
    for cursor in range(21):
        assert text(await read(tasks.executor, handle, cursor)).splitlines() == whole[cursor:]


async def test_a_last_line_without_an_end_comes_with_the_reading_after_the_end(tasks: Tasks) -> None:
    handle = await tasks.python("print('whole'); print('torn', end='')")
    followed = await read(tasks.executor, handle, follow=True)
    await tasks.executor.wait(handle)
    rest = await read(tasks.executor, handle, followed[-1].cursor if followed else 0)
    assert text(followed) + text(rest) == b"whole\ntorn"


async def test_lines_show_while_the_task_runs(tasks: Tasks) -> None:
    handle = await tasks.python("print('first'); input_never_comes = __import__('time').sleep(600)")
    with anyio.fail_after(60):
        async with aclosing(tasks.executor.output(handle, 0, follow=True)) as chunks:
            async for chunk in chunks:
                assert text([chunk]) == b"first\n"
                break
    await tasks.executor.remove(handle)


async def test_long_lines_are_joined_and_what_the_record_replaced_is_marked(tasks: Tasks) -> None:
    ended, out, _ = await tasks.run("python", "-c", "print('a' * 100_000); print('end')")
    assert ended.exit_code == 0
    assert out == b"a" * 100_000 + b"\nend\n"
    handle = await tasks.python(r"import sys; sys.stdout.buffer.write(b'\xff\xfe\n')")
    await tasks.executor.wait(handle)
    (chunk,) = await read(tasks.executor, handle)
    assert text([chunk]).decode() == "\ufffd\ufffd\n"
    assert not chunk.exact


async def test_a_reader_that_is_cancelled_in_the_middle_loses_nothing(tasks: Tasks) -> None:
    handle = await tasks.python(BOTH)
    taken: list[Chunk] = []
    cursor = 0
    for _ in range(20):
        with anyio.move_on_after(0.01):
            async with aclosing(tasks.executor.output(handle, cursor, follow=True)) as chunks:
                async for chunk in chunks:
                    taken.append(chunk)
                    cursor = chunk.cursor
    await tasks.executor.wait(handle)
    taken += await read(tasks.executor, handle, cursor)
    assert text(taken, STDOUT) == lines("out")
    assert text(taken, STDERR) == lines("err")


async def test_a_connection_that_breaks_again_and_again_loses_and_doubles_nothing(
    tasks: Tasks, engine: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with engine_proxy(engine, socket_in(tmp_path_factory)) as proxy:
        handle = {**await tasks.python(BOTH), "engine": proxy.url}
        proxy.allowance = 15_000
        async with DockerExecutor(proxy.url) as executor:
            chunks = await read_to_the_end(executor, handle)
            ended = await executor.wait(handle)
        assert proxy.cuts >= 3
    assert text(chunks, STDOUT) == lines("out")
    assert text(chunks, STDERR) == lines("err")
    assert ended.exit_code == 0


async def test_of_a_container_that_is_gone_there_is_nothing_to_read(tasks: Tasks) -> None:
    handle = await tasks.start("true")
    await tasks.executor.remove(handle)
    assert await read(tasks.executor, handle, follow=True) == []


def socket_in(factory: pytest.TempPathFactory) -> Path:
    """Return a path that is short enough for a socket."""
    return factory.mktemp("s") / "s"
