"""Waiting for the end of a process that need not be a child of ours."""

from __future__ import annotations

import math
import os
import signal
from contextlib import suppress

import anyio

from datmo.runner.witness import Witness, alive

__all__ = ["Watch"]

_POLL = 0.02
"""Seconds between two looks where the kernel cannot tell us of an end."""


class Watch:
    """Watches one process, by a descriptor that the kernel makes readable when it ends.

    Making one reads `/proc` and may block for a moment: not on the event loop. Close it afterwards.

    Parameters:
        process: whom to watch; it may have ended long ago.
    """

    def __init__(self, process: Witness) -> None:
        self._process = process
        self._descriptor: int | None = None
        with suppress(OSError):  # it has ended; or the kernel has no such thing: look again and again instead
            self._descriptor = os.pidfd_open(process.pid)
        # Only now, for the number may have been another process's when the descriptor was opened.
        self._ended = not alive(process)

    async def ended(self, within: float = math.inf) -> bool:
        """Wait for the end, but not longer than `within` seconds, and say whether it came."""
        with anyio.move_on_after(within):
            if self._descriptor is not None and not self._ended:
                await anyio.wait_readable(self._descriptor)
                self._ended = True
            while not self._ended:
                self._ended = not await anyio.to_thread.run_sync(alive, self._process)
                if not self._ended:
                    await anyio.sleep(_POLL)
        return self._ended

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, and to no other; after its end, do nothing. May block for a moment."""
        if self._ended:
            return
        try:
            if self._descriptor is not None:
                signal.pidfd_send_signal(self._descriptor, number)
            elif alive(self._process):
                os.kill(self._process.pid, number)
        except ProcessLookupError:
            self._ended = True

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
