"""The keeper alone, as the program that it is: what it records, and how it ends."""

from __future__ import annotations

import json
import marshal
import os
import resource
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from datmo.core.frames import STDERR, STDOUT, frame, split_frames
from datmo.runner import keeper
from tests.runner.processes import members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Kept:
    """A keeper, and what it leaves in its folder."""

    def __init__(
        self,
        folder: Path,
        *argv: str,
        settings: bytes | None = None,
        source: Path = Path(keeper.__file__),
        **more: Any,
    ) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-E", str(source)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **{name: more.pop(name) for name in ("preexec_fn", "pass_fds") if name in more},
        )
        told = {
            "folder": os.fsencode(folder),
            "code": os.fsencode(folder),
            "argv": [os.fsencode(word) for word in argv],
            "environment": os.environb.copy(),
            "output_limit": 1 << 30,
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(marshal.dumps({**told, **more}) if settings is None else settings)
        self.process.stdin.close()
        self.report = self.process.stdout.read().decode()
        self.process.stdout.close()

    def wait(self) -> dict[str, Any]:
        """Wait for the end and return what `ended` holds."""
        self.process.wait()
        ended: dict[str, Any] = json.loads((self.folder / "ended").read_bytes())
        assert not (self.folder / "ended.new").exists()
        return ended

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        recorded = (self.folder / "output").read_bytes()
        frames = list(split_frames(recorded))
        assert b"".join(frame(*each) for each in frames) == recorded, "the file ends in a torn frame"
        return frames

    def said(self, stream: int = STDOUT) -> bytes:
        return b"".join(data for each, data in self.frames if each == stream)


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Callable[..., Kept]]:
    """Runs a command under a keeper; whatever happens, nothing of it is left."""
    kept: list[Kept] = []

    def run(*argv: str, **more: Any) -> Kept:
        folder = tmp_path if not kept else Path(tempfile.mkdtemp(dir=tmp_path))
        kept.append(Kept(folder, *argv, **more))
        return kept[-1]

    yield run
    for each in kept:
        for member in members(each.process.pid):
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)
        each.process.wait()


def test_both_streams_are_recorded_and_the_exit_code(keep: Callable[..., Kept]) -> None:
    kept = keep("sh", "-c", "echo out; echo oh >&2; exit 3")

    ended = kept.wait()

    assert (kept.said(STDOUT), kept.said(STDERR)) == (b"out\n", b"oh\n")
    assert 1_700_000_000_000_000 < ended.pop("started_us") < ended.pop("ended_us")
    assert ended == {
        "exit_code": 3,
        "signal": None,
        "exec_error": 0,
        "output_error": 0,
        "dropped": 0,
        "killed": 0,
    }


def test_two_thousand_lines_of_each_stream_are_exact(keep: Callable[..., Kept]) -> None:
    script = (
        "import os\nfor n in range(2000): os.write(1, b'out %d\\n' % n); os.write(2, b'err %d\\n' % n)\n"
        "os.write(1, b'no newline at the end')"
    )
    kept = keep(sys.executable, "-c", script)

    assert kept.wait()["exit_code"] == 0
    assert kept.said(STDOUT) == b"".join(b"out %d\n" % n for n in range(2000)) + b"no newline at the end"
    assert kept.said(STDERR) == b"".join(b"err %d\n" % n for n in range(2000))


def test_any_byte_is_recorded_as_it_is(keep: Callable[..., Kept], tmp_path: Path) -> None:
    data = os.urandom(300_000) + bytes(range(256))
    (tmp_path / "data").write_bytes(data)
    kept = keep("cat", "data")

    assert kept.wait()["exit_code"] == 0
    assert kept.said() == data


def test_frames_are_in_the_order_of_arrival(keep: Callable[..., Kept], tmp_path: Path) -> None:
    for go in ("a", "b"):
        os.mkfifo(tmp_path / go)
    kept = keep("sh", "-c", "echo 1; read _ < a; echo 2 >&2; read _ < b; echo 3")
    for count, go in enumerate(("a", "b"), start=1):
        until_frames(kept, count)
        (tmp_path / go).write_bytes(b"\n")
    kept.wait()

    assert kept.frames == [(STDOUT, b"1\n"), (STDERR, b"2\n"), (STDOUT, b"3\n")]


def until_frames(kept: Kept, count: int) -> None:
    until(lambda: len(kept.frames) == count)


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        os.sched_yield()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGSEGV"])
def test_a_child_that_a_signal_ended_has_128_and_its_number(keep: Callable[..., Kept], name: str) -> None:
    number = signal.Signals[name].value
    ended = keep("sh", "-c", f"kill -{number} $$").wait()

    assert (ended["exit_code"], ended["signal"]) == (128 + number, number)


def test_a_command_that_is_not_there_has_127(keep: Callable[..., Kept]) -> None:
    kept = keep("no-such-command")
    ended = kept.wait()

    assert kept.report == "failed 2"
    assert (ended["exit_code"], ended["exec_error"]) == (127, 2)


def test_a_command_that_cannot_be_executed_has_126(keep: Callable[..., Kept], tmp_path: Path) -> None:
    (tmp_path / "script").write_text("echo hello\n")
    kept = keep("./script")
    ended = kept.wait()

    assert kept.report == "failed 13"
    assert (ended["exit_code"], ended["exec_error"]) == (126, 13)


def test_half_of_its_orders_start_nothing(keep: Callable[..., Kept], tmp_path: Path) -> None:
    whole = marshal.dumps({"folder": os.fsencode(tmp_path), "argv": [b"touch", b"made"]})
    kept = keep(settings=whole[:-5])

    assert kept.process.wait() == 1
    assert "EOFError" in kept.report
    assert list(tmp_path.iterdir()) == []


def test_output_beyond_the_limit_is_drained_and_counted(keep: Callable[..., Kept]) -> None:
    kept = keep("sh", "-c", "head -c 3000000 /dev/zero; echo done >&2", output_limit=1_000_001)
    ended = kept.wait()

    assert ended["exit_code"] == 0
    assert sum(len(data) for _, data in kept.frames) == 1_000_001
    assert ended["dropped"] == 3_000_005 - 1_000_001


def test_output_that_cannot_be_written_is_drained_and_the_error_kept(keep: Callable[..., Kept]) -> None:
    # A limit of the file's size fails as a full disk does, in the middle of a frame.
    kept = keep(
        "sh",
        "-c",
        "head -c 3000000 /dev/zero; exit 4",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
    )
    ended = kept.wait()

    assert (ended["exit_code"], os.strerror(ended["output_error"])) == (4, "File too large")
    assert len(kept.said()) + ended["dropped"] == 3_000_000
    assert 900_000 < len(kept.said()) < 1_000_000


def test_fast_output_is_complete_and_the_keeper_stays_small(keep: Callable[..., Kept], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    kept = keep("sh", "-c", "head -c 50000000 /dev/zero; read _ < go")
    go = os.open(tmp_path / "go", os.O_WRONLY)  # waits until all is written: the shell reads only then
    status = (tmp_path / f"/proc/{kept.process.pid}/status").read_text()
    os.write(go, b"\n")
    os.close(go)

    assert kept.wait()["exit_code"] == 0
    assert len(kept.said()) == 50_000_000
    assert int(status.partition("VmHWM:")[2].split()[0]) < 25_000, "kB"


def test_a_polite_stop_lets_the_child_end_itself(keep: Callable[..., Kept]) -> None:
    kept = keep("sh", "-c", "trap 'echo bye; exit 5' TERM; echo ready; while :; do :; done")
    until(lambda: kept.said() == b"ready\n")
    kept.process.terminate()
    ended = kept.wait()

    assert (ended["exit_code"], ended["killed"]) == (5, 0)
    assert kept.said() == b"ready\nbye\n"


def test_a_child_that_does_not_obey_is_killed(keep: Callable[..., Kept], tmp_path: Path) -> None:
    kept = keep("sh", "-c", "trap '' TERM; echo ready; sleep 1000; sleep 1000")
    until(lambda: kept.said() == b"ready\n")
    (tmp_path / "stop").write_text("0.1")
    kept.process.terminate()
    ended = kept.wait()

    assert (ended["exit_code"], ended["signal"], ended["killed"]) == (137, 9, 1)
    assert members(kept.process.pid) == []


def test_a_second_stop_may_be_less_patient(keep: Callable[..., Kept], tmp_path: Path) -> None:
    kept = keep("sh", "-c", "trap 'echo asked' TERM; echo ready; while :; do sleep 1000 & wait; done")
    until(lambda: kept.said() == b"ready\n")
    (tmp_path / "stop").write_text("1000")
    kept.process.terminate()
    until(lambda: kept.said() == b"ready\nasked\n")
    (tmp_path / "stop").write_text("0")
    kept.process.terminate()

    assert kept.wait()["killed"] == 1


def test_hang_up_and_interrupt_do_not_touch_it(keep: Callable[..., Kept], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    kept = keep("sh", "-c", "read _ < go; echo done")
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        kept.process.send_signal(number)
    (tmp_path / "go").write_bytes(b"\n")

    assert kept.wait()["exit_code"] == 0
    assert kept.said() == b"done\n"


def test_the_child_starts_with_signals_as_a_shell_gives_them(keep: Callable[..., Kept]) -> None:
    kept = keep("sh", "-c", "grep -E '^Sig(Blk|Ign):' /proc/self/status")
    kept.wait()

    assert [int(mask, 16) & 0x7FFF_FFFF for mask in kept.said().split()[1::2]] == [0, 0]


def test_a_grandchild_that_keeps_the_pipes_is_not_waited_for_and_not_left(keep: Callable[..., Kept]) -> None:
    kept = keep("sh", "-c", "sleep 1000 & echo done; exit 6")
    ended = kept.wait()

    assert ended["exit_code"] == 6
    assert kept.said() == b"done\n"
    assert members(kept.process.pid) == []


def test_a_grandchild_that_does_not_obey_is_not_left_either(keep: Callable[..., Kept]) -> None:
    kept = keep("sh", "-c", "(trap '' TERM; exec >/dev/null 2>&1; while :; do sleep 1000; done) & exit 0")
    elsewhere = keep("bash", "-c", "set -m; sleep 1000 >/dev/null 2>&1 &")  # in a group of its own

    for each in (kept, elsewhere):
        assert each.wait()["exit_code"] == 0
        assert members(each.process.pid) == []


def test_what_a_grandchild_still_says_at_once_is_recorded(keep: Callable[..., Kept], tmp_path: Path) -> None:
    patient = tmp_path / "keeper.py"
    patient.write_text(Path(keeper.__file__).read_text().replace("LINGER = 1.0\n", "LINGER = 200.0\n"))
    # As in `command > >(tee log)`: it ends of its own accord, a moment after the child; how long that is, the machine
    # decides.
    kept = keep("sh", "-c", "(while kill -0 $$ 2>/dev/null; do :; done; echo late) & exit 0", source=patient)

    assert kept.wait()["exit_code"] == 0
    assert kept.said() == b"late\n"


def test_nothing_of_the_supervisor_stays_open_in_it(keep: Callable[..., Kept], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    reader, writer = os.pipe()
    kept = keep("sh", "-c", "ls /proc/self/fd; read _ < go", pass_fds=[writer])
    os.close(writer)

    assert os.read(reader, 1) == b""  # nobody else has the other end
    os.close(reader)
    (tmp_path / "go").write_bytes(b"\n")
    kept.wait()
    assert kept.said().split() == [b"0", b"1", b"2", b"3"]  # 3 is the listing itself


def test_secrets_are_in_no_file_and_in_no_argument(keep: Callable[..., Kept], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    secret = {b"KEY": b"s3cret", b"PATH": b"/bin:/usr/bin"}
    kept = keep("sh", "-c", "echo ready; read _ < go; echo $KEY | wc -c", environment=secret)
    until(lambda: kept.said() == b"ready\n")
    assert b"s3cret" not in (tmp_path / f"/proc/{kept.process.pid}/cmdline").read_bytes()
    (tmp_path / "go").write_bytes(b"\n")
    kept.wait()

    assert kept.said() == b"ready\n7\n"
    for path in tmp_path.iterdir():
        if path.is_file():
            assert b"s3cret" not in path.read_bytes()
            assert path.stat().st_mode & 0o077 == 0
