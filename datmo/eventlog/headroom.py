"""Headroom in SQLite's write-ahead file: a commit writes over what is there already instead of making it longer.

To sync a file that has grown, a file system also writes its journal, which can take as long as the data does. SQLite
makes the file longer with each commit, page by page, until it is as long as a checkpoint lets it become. What lies
behind the last frame is nothing to SQLite, in whatever state: it goes by a frame's salt and checksum ("Recovery" in its
walformat.html), and a file that is begun anew after a checkpoint is full of old frames. So zeros may stand there too.
"""

from __future__ import annotations

import os
from contextlib import suppress

__all__ = ["Headroom"]

_STEP = 1 << 16
_MOST = 1 << 20
_EVERY = 8


class Headroom:
    """Makes the write-ahead file longer ahead of what is written to it.

    Parameters:
        path: of the file; it need not be there yet.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._asked = 0

    def make(self) -> None:
        """Make the file about twice as long, by a megabyte at most, where a commit has made it longer.

        To be called in a write transaction that has written nothing yet: only then nobody else writes to the file. It
        blocks, mostly for nothing: it looks every eighth time (a look takes 8 us), and leaves a short file as it is.
        """
        self._asked += 1
        if self._asked % _EVERY == 0:
            with suppress(OSError):  # the disk is full, or the file is not there yet: an append can do without
                self._lengthen()

    def _lengthen(self) -> None:
        size = os.stat(self._path).st_size
        # A length that we gave it is a multiple of the step, and one that a commit gave it is not, but by rare chance.
        if size < _STEP or size % _STEP == 0:
            return
        wanted = size + min(size, _MOST)
        wanted += -wanted % _STEP
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            # Written, not just allocated: that a block was written to for the first time would go into the journal too.
            os.pwrite(descriptor, bytes(wanted - size), size)
        finally:
            os.close(descriptor)
