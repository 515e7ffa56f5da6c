"""Code work in a process of its own, forked first thing: it loads libgit2 on one core while we load the rest.

`datmo task run` is short and made of imports; libgit2's takes a quarter of them, and threads would share one
interpreter lock. The process answers one call after another through two pipes, and ends with its caller, for then its
pipe does. Whatever goes wrong there (it was killed, a call failed) is done again here, which also raises the true
error: it can only make things faster.
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from datmo.capture.code import CodeRepository
    from datmo.capture.code_capture import CodeCapture, CodeLook
    from datmo.objects.hashing import Progress
    from datmo.objects.store import ObjectStore

__all__ = ["Ahead", "AheadRepository", "begin", "taken"]

_WITH_STORE = frozenset(["capture", "checkout", "compare", "read_file"])
"""The methods that take the store as their last argument."""

_IDLE = 60
"""Seconds without a call after which the process ends; a task may run for days."""

_ahead: Ahead | None = None


class _Unanswered(Exception):
    """The process gave no answer that can be used."""


class Ahead:
    """The process, as its caller sees it."""

    def __init__(self, requests: IO[bytes], answers: IO[bytes]) -> None:
        self._requests = requests
        self._answers = answers
        self._one_at_a_time = threading.Lock()
        self._gone = False

    def call(self, settings: tuple[Any, ...], method: str, *arguments: Any) -> Any:
        """Return what a method of the code repository gives there.

        Parameters:
            settings: what makes the repository, and the folder of the store.
            method: its name; where it takes the store, that goes behind the arguments.
            arguments: plain values.

        Raises:
            _Unanswered: the process is gone, or the call failed there.
        """
        with self._one_at_a_time:
            if self._gone:
                raise _Unanswered
            try:
                pickle.dump((settings, method, arguments), self._requests)
                self._requests.flush()
                done, answer = pickle.load(self._answers)  # from our own fork
            except (OSError, EOFError, pickle.PickleError) as error:
                self._gone = True
                raise _Unanswered from error
        if not done:
            raise _Unanswered
        return answer

    def close(self) -> None:
        """Let the process end, and wait for that."""
        with self._one_at_a_time:
            self._gone = True
            with suppress(BrokenPipeError):  # it was killed, with something on the way to it
                self._requests.close()
            self._answers.read()  # to its end, which is the process's
            self._answers.close()


def begin() -> None:
    """Fork the process, before there are threads, an event loop or open files that it could inherit."""
    global _ahead
    requests_in, requests_out = os.pipe()
    answers_in, answers_out = os.pipe()
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            os.close(requests_out)
            os.close(answers_in)
            _serve(requests_in, answers_out)
        os._exit(0)
    os.waitpid(child, 0)  # the grandchild is nobody's to wait for, and so never a zombie
    os.close(requests_in)
    os.close(answers_out)
    _ahead = Ahead(os.fdopen(requests_out, "wb"), os.fdopen(answers_in, "rb"))


def taken() -> Ahead | None:
    """Return the process that was forked, once: it belongs to the first who asks."""
    global _ahead
    ahead, _ahead = _ahead, None
    return ahead


def _serve(requests_in: int, answers_out: int) -> NoReturn:
    """Answer calls until the caller's end of the pipe is closed, and never return into the caller's program."""
    try:
        for number in (signal.SIGINT, signal.SIGHUP):  # they are for the caller, whose end is ours
            signal.signal(number, signal.SIG_IGN)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):  # whoever reads the caller's output shall not wait for us
            os.dup2(nowhere, descriptor)
        requests, answers = os.fdopen(requests_in, "rb"), os.fdopen(answers_out, "wb")
        from datmo.capture.code import CodeRepository  # the point of it all
        from datmo.objects.store import ObjectStore

        while True:
            signal.alarm(_IDLE)
            (home, folder, project_id, size_limit, objects), method, arguments = pickle.load(requests)
            signal.alarm(0)
            answer: tuple[bool, Any]
            try:
                repository = CodeRepository(home, folder, project_id, size_limit=size_limit)
                store = (ObjectStore(objects),) if method in _WITH_STORE else ()
                found = getattr(repository, method)(*arguments, *store)
                answer = True, list(found) if method == "files" else found
            except Exception:  # noqa: BLE001  # the caller does it again, and gets it
                answer = False, None
            pickle.dump(answer, answers)
            answers.flush()
    except BaseException:  # noqa: BLE001  # the caller has ended
        os._exit(0)


class AheadRepository:
    """A code repository whose captures and checkouts are done by the process, all else here.

    Parameters:
        ahead: the process.
        make: makes the repository itself, when it is needed.
        settings: what it is made of: home, `.datmo`, the project's id, the size limit; and the store's folder.
    """

    def __init__(self, ahead: Ahead, make: Callable[[], CodeRepository], settings: tuple[Any, ...]) -> None:
        self._ahead = ahead
        self._make = make
        self._settings = settings
        self._made: CodeRepository | None = None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            self._made = self._make()
        return getattr(self._made, name)

    def capture(self, store: ObjectStore, progress: Progress | None = None) -> CodeCapture:
        """Capture the code of the tree; the other process tells no progress."""
        try:
            captured: CodeCapture = self._ahead.call(self._settings, "capture")
        except _Unanswered:
            captured = self.__getattr__("capture")(store, progress)
        return captured

    def compare(self, code_id: str, store: ObjectStore) -> CodeLook:
        """Compare the work tree with captured code."""
        try:
            look: CodeLook = self._ahead.call(self._settings, "compare", code_id)
        except _Unanswered:
            look = self.__getattr__("compare")(code_id, store)
        return look

    def checkout(self, code_id: str, to: Path, store: ObjectStore) -> tuple[str, ...]:
        """Write captured code into a folder."""
        there = os.path.lexists(to)
        try:
            notices: tuple[str, ...] = self._ahead.call(self._settings, "checkout", code_id, to)
        except _Unanswered:
            if not there:
                shutil.rmtree(to, ignore_errors=True)  # what a process that was killed had written
            notices = self.__getattr__("checkout")(code_id, to, store)
        return notices

    def files(self, code_id: str) -> Iterator[tuple[str, int, bytes]]:
        """List captured code."""
        try:
            return iter(self._ahead.call(self._settings, "files", code_id))
        except _Unanswered:
            listed: Iterator[tuple[str, int, bytes]] = self.__getattr__("files")(code_id)
            return listed

    def read_file(self, code_id: str, path: str, store: ObjectStore) -> bytes | None:
        """Return the bytes of one file of captured code."""
        try:
            data: bytes | None = self._ahead.call(self._settings, "read_file", code_id, path)
        except _Unanswered:
            data = self.__getattr__("read_file")(code_id, path, store)
        return data
