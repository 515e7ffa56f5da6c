"""Folders of tasks: claimed by one of many who come at once, while others remove them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from datmo.runner.folders import claim, claim_again, claim_leftover, discard, remove_tree


def test_a_folder_that_is_gone_is_made_and_taken_once(tmp_path: Path) -> None:
    folder = tmp_path / "tasks" / "one"
    lock = claim_again(folder)
    assert lock is not None
    assert claim_again(folder) is None
    lock.release()
    again = claim_again(folder)
    assert again is not None
    again.release()


def test_one_that_is_removed_meanwhile_is_no_error(tmp_path: Path) -> None:
    folder = tmp_path / "tasks" / "one"

    def claim_and_remove(_: int) -> int:
        taken = 0
        for _ in range(300):
            lock = claim_again(folder)
            if lock is not None:
                taken += 1
                (folder / "code").mkdir()  # it is another one's while another one has the lock
                discard(folder)
                lock.release()
        return taken

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(claim_and_remove, range(4)))
    assert list((tmp_path / "tasks").iterdir()) == []


def test_only_what_nobody_holds_is_a_leftover(tmp_path: Path) -> None:
    held, left, gone = (tmp_path / "tasks" / name for name in ("held", "left", "gone"))
    lock = claim(held)
    left.mkdir()  # as of one who was killed between making the folder and taking its lock
    assert claim_leftover(held) is None
    assert claim_leftover(gone) is None
    assert not gone.exists()
    found = claim_leftover(left)
    assert found is not None
    discard(left)
    found.release()
    lock.release()
    assert [each.name for each in (tmp_path / "tasks").iterdir()] == ["held"]


def test_a_folder_into_which_somebody_still_writes_goes(tmp_path: Path) -> None:
    folder = tmp_path / "one"

    def write(handle: int, began: threading.Event) -> None:
        with suppress(FileNotFoundError):  # the folder has gone
            for number in range(200):
                os.close(os.open(f"{number}", os.O_WRONLY | os.O_CREAT, dir_fd=handle))
                began.set()

    for _ in range(50):
        (folder / "code").mkdir(parents=True)
        handle = os.open(folder / "code", os.O_RDONLY | os.O_DIRECTORY)
        began = threading.Event()
        writing = threading.Thread(target=write, args=(handle, began))
        writing.start()
        try:
            began.wait()
            remove_tree(folder)
        finally:
            writing.join()
            os.close(handle)
        assert not folder.exists()


BEGIN = """
import sys, uuid
from pathlib import Path
from datmo.runner.folders import claim, discard

tasks = Path(sys.argv[1])
print("began", flush=True)
while True:
    folder = tasks / uuid.uuid4().hex
    lock = claim(folder)
    (folder / "code").mkdir()  # it is there: nobody takes a folder that begins for garbage
    discard(folder)
    lock.release()
"""


def test_whatever_one_who_is_killed_leaves_is_a_leftover(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    for _ in range(5):
        beginning = [
            subprocess.Popen([sys.executable, "-c", BEGIN, str(tasks)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(2)
        ]
        for each in beginning:
            assert each.stdout is not None
            assert each.stdout.readline() == b"began\n"
        for _ in range(200):
            sweep(tasks)
        for each in beginning:
            each.send_signal(signal.SIGKILL)
            assert each.communicate() == (b"", b"")
        sweep(tasks)
        assert os.listdir(tasks) == []


def sweep(tasks: Path) -> None:
    for name in os.listdir(tasks):
        lock = claim_leftover(tasks / name)
        if lock is not None:
            discard(tasks / name)
            lock.release()
