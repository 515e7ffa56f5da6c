"""Folders of tasks: claimed by one of many who come at once, while another one removes them."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from datmo.runner.folders import claim_again, remove_tree


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
    folder = tmp_path / "one"
    failures: list[Exception] = []
    taken = threading.Semaphore(0)

    def claim_and_remove() -> None:
        try:
            for _ in range(300):
                lock = claim_again(folder)
                if lock is not None:
                    taken.release()
                    with suppress(OSError):  # somebody has claimed it anew meanwhile, and removes it
                        remove_tree(folder)
                    lock.release()
        except Exception as error:  # noqa: BLE001  # shown below
            failures.append(error)

    threads = [threading.Thread(target=claim_and_remove) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert taken.acquire(blocking=False)
