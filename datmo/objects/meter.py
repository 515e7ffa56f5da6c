"""How far long work has come: bytes done, of bytes that are known to be done in all."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Meter", "Reported"]

Reported = Callable[[int, int], None]
"""Called with the bytes that are done and the bytes that are known to be done in all, from worker threads, in order."""


class Meter:
    """Adds up what several threads do, and reports it.

    Parameters:
        report: who is told.
    """

    def __init__(self, report: Reported) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._done = 0
        self._total = 0

    def expect(self, size: int) -> None:
        """Know of more bytes that are to be done."""
        with self._lock:
            self._total += size
            self._report(self._done, self._total)

    def __call__(self, size: int) -> None:
        """Have done more bytes; a file that changed and is read again counts no further than to the end."""
        with self._lock:
            self._done = min(self._done + size, self._total)
            self._report(self._done, self._total)
