"""Witnesses of living processes, and the lock that dies with its holder."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from datmo.runner.witness import FileLock, Witness, alive, boot_id, end_session, reap, witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Python = Callable[..., subprocess.Popen[bytes]]

HOLD = """
import os, sys
from pathlib import Path
from datmo.runner.witness import FileLock
lock = FileLock(Path(sys.argv[1]))
print(lock.try_acquire(), flush=True)
"""


@pytest.fixture
def python() -> Iterator[Python]:
    """Runs a script with its words, and ends what still runs of its process group afterwards."""
    running: list[subprocess.Popen[bytes]] = []

    def run(script: str, *words: object) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def says(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def test_this_process_is_alive() -> None:
    assert witness() == witness(os.getpid())
    assert alive(witness())


def test_a_process_that_has_ended_is_not_even_before_it_is_waited_for(python: Python) -> None:
    process = python("input()")
    seen = witness(process.pid)
    assert alive(seen)

    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not alive(seen)

    reap(seen)
    with pytest.raises(ProcessLookupError):
        witness(process.pid)
    assert not alive(seen)
    reap(seen)  # again, it does nothing


def test_the_same_number_at_another_time_or_boot_is_another_process() -> None:
    me = witness()

    assert not alive(me._replace(start_time=me.start_time + 1))
    assert not alive(me._replace(boot_id="another"))


def test_a_name_with_brackets_and_spaces_is_no_riddle(python: Python) -> None:
    process = python("open('/proc/self/comm', 'w').write(') R 1 (x'); print(flush=True); input()")
    says(process)

    assert witness(process.pid).start_time >= witness().start_time


def test_a_session_is_ended_with_all_its_groups() -> None:
    script = (
        "import sys, subprocess\n"
        "child = subprocess.Popen(['sleep', '1000'], process_group=0)\n"
        "print(child.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        seen, child = witness(process.pid), witness(int(says(process)))
        end_session(seen._replace(start_time=seen.start_time + 1))
        end_session(seen._replace(boot_id="another"))
        assert alive(seen)
        assert alive(child)

        end_session(seen)

        assert not alive(seen)
        assert not alive(child)


def test_one_holds_the_lock_at_a_time(tmp_path: Path, python: Python) -> None:
    mine, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert mine.holder() is None

    assert mine.try_acquire()
    assert mine.try_acquire()
    assert not other.try_acquire()
    assert other.holder() == witness()
    assert says(python(HOLD, tmp_path / "lock")) == "False"

    mine.release()
    mine.release()
    assert not mine.held
    assert other.holder() is None
    assert other.try_acquire()
    other.release()


def test_the_lock_is_gone_when_its_holder_was_killed(tmp_path: Path, python: Python) -> None:
    lock = FileLock(tmp_path / "lock")
    process = python(HOLD + "input()", lock.path)
    assert says(process) == "True"
    assert lock.holder() == witness(process.pid)
    assert not lock.try_acquire()

    kill(process)

    assert lock.holder() is None
    assert lock.try_acquire()
    lock.release()


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path, python: Python) -> None:
    lock = FileLock(tmp_path / "lock")
    script = HOLD + "child = os.fork()\nif child == 0: print('forked', lock.held, flush=True)\ninput()"
    process = python(script, lock.path)
    assert [says(process), says(process)] == ["True", "forked False"]
    assert not lock.try_acquire()  # what the child dropped, its parent still holds

    kill(process)

    with lock.path.open("rb") as file:  # the kernel's lock itself is free, with no thought of witnesses
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


LEAK = f"""{HOLD}
os.set_inheritable(lock._descriptor, True)
os.posix_spawn("/bin/sleep", ["sleep", "1000"], {{}}, file_actions=[(os.POSIX_SPAWN_CLOSE, 1)])
input()
"""


def test_a_lock_that_only_a_leaked_descriptor_holds_is_dead(tmp_path: Path, python: Python) -> None:
    lock = FileLock(tmp_path / "lock")
    process = python(LEAK, lock.path)
    says(process)
    assert lock.holder() == witness(process.pid)
    process.communicate(b"\n")

    assert lock.holder() is None
    assert lock.try_acquire()
    assert FileLock(lock.path).holder() == witness()
    lock.release()


def test_of_many_who_find_a_dead_lock_one_gets_it(tmp_path: Path, python: Python) -> None:
    path = tmp_path / "lock"
    process = python(LEAK, path)
    says(process)
    process.communicate(b"\n")
    locks = [FileLock(path) for _ in range(16)]
    barrier, got = threading.Barrier(len(locks)), []

    def take(lock: FileLock) -> None:
        barrier.wait()
        got.append(lock.try_acquire())

    threads = [threading.Thread(target=take, args=(lock,)) for lock in locks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got) == [False] * 15 + [True]
    for lock in locks:
        lock.release()


def test_a_holder_that_cannot_be_seen_from_here_is_believed(tmp_path: Path) -> None:
    mine, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    mine.try_acquire()

    (tmp_path / "lock").write_text(f'[1, 1, "{boot_id()} elsewhere"]')
    assert other.holder() == Witness(1, 1, f"{boot_id()} elsewhere")
    assert not other.try_acquire()

    (tmp_path / "lock").write_text("")
    assert other.holder() is not None
    assert not other.try_acquire()
    mine.release()
