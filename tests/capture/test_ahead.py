"""The process that does code work ahead: the same answers, and none needed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datmo.capture.ahead import Ahead, AheadRepository, begin, taken
from datmo.capture.code import CodeRepository
from datmo.errors import CodeError
from datmo.objects.store import ObjectStore
from datmo.runner.witness import witness

LIMIT = 1 << 20


class Place:
    """A project without git, its repository, and the same by way of the process."""

    def __init__(self, home: Path) -> None:
        home.mkdir()
        (home / "train.py").write_text("print(1)\n")
        (home / os.fsdecode(b"caf\xe9.txt")).write_text("not UTF-8\n")
        self.folder = home / ".datmo"
        self.folder.mkdir()
        self.store = ObjectStore(self.folder / "objects")
        self.code = CodeRepository(home, self.folder, "p", size_limit=LIMIT)
        self.settings = (home, self.folder, "p", LIMIT, self.folder / "objects")

    def ahead(self, process: Ahead) -> AheadRepository:
        return AheadRepository(process, lambda: self.code, self.settings)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "iris")


@pytest.fixture
def process() -> Iterator[Ahead]:
    begin()
    found = taken()
    assert found is not None
    assert taken() is None, "it belongs to the first who asks"
    yield found
    found.close()


def test_it_answers_as_the_repository_itself(place: Place, process: Ahead, tmp_path: Path) -> None:
    ahead = place.ahead(process)
    captured = ahead.capture(place.store)
    assert captured == place.code.capture(place.store)
    files = list(ahead.files(captured.code_id))
    assert files == list(place.code.files(captured.code_id))
    assert ahead.read_file(captured.code_id, "train.py", place.store) == b"print(1)\n"
    assert ahead.checkout(captured.code_id, tmp_path / "out", place.store) == ()
    assert sorted(os.listdir(os.fsencode(tmp_path / "out"))) == [b"caf\xe9.txt", b"train.py"]
    assert ahead.refs() == place.code.refs(), "what it does not do is done here"


def test_an_error_is_the_repositorys_own(place: Place, process: Ahead, tmp_path: Path) -> None:
    with pytest.raises(CodeError):
        place.ahead(process).checkout("0" * 40, tmp_path / "out", place.store)


def test_a_process_that_was_killed_is_done_without(place: Place, process: Ahead) -> None:
    ahead = place.ahead(process)
    captured = ahead.capture(place.store)
    (pid,) = [number for number in children_of_nobody() if ours(number)]
    os.kill(pid, signal.SIGKILL)
    assert ahead.capture(place.store) == captured
    assert ahead.read_file(captured.code_id, "train.py", place.store) == b"print(1)\n"


def test_a_checkout_in_the_middle_of_which_it_was_killed_is_begun_anew(
    place: Place, process: Ahead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead, to = place.ahead(process), tmp_path / "out"
    captured = ahead.capture(place.store)
    (pid,) = [number for number in children_of_nobody() if ours(number)]
    call = Ahead.call

    def killed(ahead: Ahead, *given: Any) -> Any:
        to.mkdir()
        (to / "train.py").write_text("pri")
        os.kill(pid, signal.SIGKILL)
        return call(ahead, *given)

    monkeypatch.setattr(Ahead, "call", killed)
    assert ahead.checkout(captured.code_id, to, place.store) == ()
    assert sorted(os.listdir(os.fsencode(to))) == [b"caf\xe9.txt", b"train.py"]
    assert (to / "train.py").read_text() == "print(1)\n"


def children_of_nobody() -> list[int]:
    """The processes that our session has and nobody waits for."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{name}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] != "Z" and int(fields[3]) == os.getsid(0) and int(name) != os.getpid():
            found.append(int(name))
    return found


def ours(pid: int) -> bool:
    """Whether a process was forked from this one: it has the same command line, and began later."""
    try:
        same = Path(f"/proc/{pid}/cmdline").read_bytes() == Path("/proc/self/cmdline").read_bytes()
        return same and witness(pid).start_time >= witness().start_time
    except (FileNotFoundError, ProcessLookupError):
        return False
