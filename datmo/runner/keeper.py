"""The keeper: the small process that owns a local task's child, so that the supervisor may die.

It is run by file path and imports nothing but what Python has loaded when it starts, or has built in, so that
it costs a task no more than the start of the interpreter. It frames what the child prints into the file `output`
of the task's folder (the form of `datmo.core.frames`) and leaves `ended` there, JSON that holds only numbers:

    exit_code       the command's own, 128 + n after signal n, 127 not found, 126 not executable
    signal          the signal that ended the child, or null
    exec_error      the errno with which the command could not be executed, or 0
    output_error    the errno with which output could not be written, or 0
    dropped         bytes of output that came after the limit, or after such an error
    killed          1 when the child did not obey a polite stop and was killed, else 0
    started_us      when the child was started, microseconds UTC
    ended_us        when it ended, likewise

It learns what to do from its standard input: a marshalled dict (`Settings`), so that no secret is in a file
or in its arguments. Before all of that has arrived it starts nothing. On its standard output it reports once:
`started PID`, `failed ERRNO`, or a traceback. SIGTERM asks it to stop the child; the file `stop` may hold how
many seconds to wait before the child is killed.
"""

from __future__ import annotations

import errno
import marshal
import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import TypedDict

    class Settings(TypedDict):
        """What a keeper is told. Names and words are bytes, so that no locale comes between."""

        folder: bytes
        code: bytes
        argv: list[bytes]
        environment: dict[bytes, bytes]
        output_limit: int

else:
    # `signal` wraps this module in enumerations, which take as long to import as all else that happens here.
    import _signal as signal

READ_SIZE = 1 << 16
GRACE = 10.0
"""Seconds that a child is given after a SIGTERM to the keeper that came without a file `stop`."""

LINGER = 1.0
"""Seconds that output is waited for when the child has ended and something of it still holds the pipes."""

LEFTOVERS = 1.0
"""Seconds that other processes of the child's group are given between SIGTERM and SIGKILL."""

ENDED_SIZE = 256
"""Bytes that are set aside for `ended` at the start, so that it can be written on a full disk too."""


class Recorder:
    """The file `output`: whole frames up to a limit; what cannot be recorded is counted and dropped."""

    def __init__(self, descriptor: int, limit: int) -> None:
        self.descriptor = descriptor
        self.size: int = 0
        self.left: int = limit
        self.dropped: int = 0
        self.error: int = 0

    def record(self, stream: int, data: bytes) -> None:
        """Append one frame."""
        kept = data[: self.left]
        if kept and not self.error:
            try:
                self._append(bytes([stream]) + len(kept).to_bytes(4, "big") + kept)
            except OSError as failure:
                self.error = failure.errno or errno.EIO
                # Readers skip a torn frame; a file that ends in a whole one leaves them nothing to skip.
                os.ftruncate(self.descriptor, self.size)
        if self.error:
            kept = b""
        self.left -= len(kept)
        self.dropped += len(data) - len(kept)

    def sync(self) -> None:
        """Make what was recorded durable; a failure to is reported as one to write."""
        try:
            os.fsync(self.descriptor)
        except OSError as failure:
            self.error = self.error or failure.errno or errno.EIO

    def _append(self, block: bytes) -> None:
        written = os.write(self.descriptor, block)
        while written < len(block):
            written += os.write(self.descriptor, block[written:])
        self.size += len(block)


class Keeper:
    """One child, its two pipes, and what is asked of them meanwhile."""

    def __init__(self, settings: Settings) -> None:
        os.chdir(settings["code"])
        self.folder: int = os.open(settings["folder"], os.O_RDONLY | os.O_DIRECTORY)
        self.recorder: Recorder = Recorder(self._open("output"), settings["output_limit"])
        self.ended: int = self._open("ended.new")
        os.write(self.ended, b" " * ENDED_SIZE)
        self.poller: select.poll = select.poll()
        self.streams: dict[int, int] = {}
        self.wake: int
        self.wake, wake_writer = os.pipe()
        for descriptor in (self.wake, wake_writer):
            os.set_blocking(descriptor, False)
        self.poller.register(self.wake, select.POLLIN)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        self.child: int = 0
        self.status: int | None = None
        self.started_us: int = 0
        self.ended_us: int = 0
        self.kill_at: float | None = None
        self.killed: int = 0

    def _open(self, name: str) -> int:
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=self.folder)

    def start(self, settings: Settings) -> None:
        """Start the child, in a process group of its own. Raises OSError where it cannot be executed."""
        os.environb.clear()
        os.environb.update(settings["environment"])  # the search for the command follows this PATH
        readers, writers = zip(os.pipe(), os.pipe(), strict=True)
        defaults = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD}
        self.started_us = time.time_ns() // 1000
        try:
            self.child = os.posix_spawnp(
                settings["argv"][0],
                settings["argv"],
                settings["environment"],
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, b"/dev/null", os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, writers[0], 1),
                    (os.POSIX_SPAWN_DUP2, writers[1], 2),
                ],
                setpgroup=0,
                setsigmask=(),
                setsigdef=defaults | {signal.SIGPIPE, signal.SIGXFSZ},
            )
        finally:
            os.close(writers[0])
            os.close(writers[1])
        for stream, descriptor in enumerate(readers, start=1):
            os.set_blocking(descriptor, False)
            self.streams[descriptor] = stream
            self.poller.register(descriptor, select.POLLIN)

    def keep(self) -> None:
        """Record until the child has ended, and see to it that nothing of it is left."""
        while self.status is None:
            self._step(self.kill_at)
            if self.kill_at is not None and time.monotonic() >= self.kill_at and self.status is None:
                signal_all(signal.SIGKILL)
                self.kill_at, self.killed = None, 1
        linger_until = time.monotonic() + LINGER
        while self.streams and time.monotonic() < linger_until:
            self._step(linger_until)
        leave_by = time.monotonic() + LEFTOVERS
        if signal_all(signal.SIGTERM):
            while signal_all(0) and time.monotonic() < leave_by:
                self._step(time.monotonic() + 0.01)
            signal_all(signal.SIGKILL)
        for descriptor in list(self.streams):
            self._read(descriptor)

    def _step(self, until: float | None) -> None:
        """Wait, until a time at most, and take what has come: a piece from each pipe, and the signals."""
        timeout = None if until is None else max(0.0, until - time.monotonic()) * 1000
        for descriptor, _ in self.poller.poll(timeout):
            if descriptor == self.wake:
                self._heed(os.read(self.wake, READ_SIZE))
            else:
                self._read(descriptor)

    def _read(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, READ_SIZE)
        except BlockingIOError:
            return
        if data:
            self.recorder.record(self.streams[descriptor], data)
        else:
            self.poller.unregister(descriptor)
            del self.streams[descriptor]
            os.close(descriptor)

    def _heed(self, signals: bytes) -> None:
        if signal.SIGTERM in signals:
            deadline = time.monotonic() + self._grace()
            self.kill_at = deadline if self.kill_at is None else min(deadline, self.kill_at)
            if self.status is None:
                self._ask()
        if signal.SIGCHLD in signals and self.status is None:
            pid, status = os.waitpid(self.child, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                self.ended_us = time.time_ns() // 1000

    def _ask(self) -> None:
        try:
            os.killpg(self.child, signal.SIGTERM)
            os.killpg(self.child, signal.SIGCONT)  # one that is held would not hear of it
        except PermissionError:  # it has become another user's
            return

    def _grace(self) -> float:
        try:
            with open(os.open("stop", os.O_RDONLY, dir_fd=self.folder), "rb") as stop:
                return float(stop.read(64))
        except (OSError, ValueError):
            return GRACE

    def finish(self, exec_error: int = 0) -> None:
        """Leave `ended` behind, complete or not at all, after the output that it speaks for."""
        self.recorder.sync()
        code = self.status
        if code is None:
            code = 127 if exec_error == errno.ENOENT else 126
        values = {
            "exit_code": 128 - code if code < 0 else code,
            "signal": -code if code < 0 else "null",
            "exec_error": exec_error,
            "output_error": self.recorder.error,
            "dropped": self.recorder.dropped,
            "killed": self.killed,
            "started_us": self.started_us or "null",
            "ended_us": self.ended_us or time.time_ns() // 1000,
        }
        text = "{" + ", ".join([f'"{name}": {value}' for name, value in values.items()]) + "}"
        os.pwrite(self.ended, text.encode(), 0)
        os.fsync(self.ended)
        os.rename("ended.new", "ended", src_dir_fd=self.folder, dst_dir_fd=self.folder)
        os.fsync(self.folder)


def signal_all(number: int) -> bool:
    """Send a signal to all that lives of our session beside us, and say whether there is anything."""
    own = os.getpid()
    found = False
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and int(name) != own and os.getsid(int(name)) == own:
                with open(f"/proc/{name}/stat", "rb") as status:
                    state = status.read().rpartition(b") ")[2][:1]
                if state not in b"ZX":  # a zombie is dead, though its parent may take its time to see it
                    os.kill(int(name), number)
                    found = True
        except OSError:  # gone meanwhile, or another user's by now
            continue
    return found


def close_inherited() -> None:
    """Close what the supervisor left open, or its sockets and locks would live as long as the task."""
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            try:  # noqa: SIM105 - contextlib takes milliseconds to import
                os.close(int(name))
            except OSError:  # the descriptor of the listing itself
                pass


def report(message: bytes) -> None:
    """Tell the supervisor how it went, and let go of its pipe."""
    try:  # noqa: SIM105
        os.write(1, message)
    except BrokenPipeError:  # it has died meanwhile; whoever comes next reads our files
        pass
    nothing = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def main() -> None:
    """Keep one child from its start to its end."""
    os.setsid()
    close_inherited()
    # Whole or not at all: of a supervisor that died in the middle, half a dict arrives, and this raises.
    settings: Settings = marshal.load(sys.stdin.buffer)
    keeper = Keeper(settings)
    try:
        keeper.start(settings)
    except OSError as failure:
        keeper.finish(exec_error=failure.errno or errno.EIO)
        report(b"failed %d" % (failure.errno or errno.EIO))
        return
    report(b"started %d" % keeper.child)
    keeper.keep()
    keeper.finish()
    os._exit(0)  # nothing is left to tidy up, and tidying takes milliseconds


if __name__ == "__main__":
    main()
