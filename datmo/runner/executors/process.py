"""Tasks as processes of this machine, each owned by a keeper (`datmo.runner.keeper`).

In a task's folder lie `keeper` (who keeps it), `output` (frames), `ended` (how it ended) and, while it is
being stopped, `stop`. A handle names the keeper and the folder, relative to the folder of all tasks, so that
a project may be moved.
"""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import Any

import anyio

from datmo.core.frames import whole_frames
from datmo.errors import RunnerError, StartFailed
from datmo.runner.executors.base import Chunk, Ended, Handle, RunSpec
from datmo.runner.executors.process_start import launch, prepare, refuse
from datmo.runner.watch import Watch
from datmo.runner.witness import Witness, alive, boot_id, end_session, reap

__all__ = ["ProcessExecutor"]

_READ_SIZE = 1 << 18
_SHORTEST_PAUSE = 0.005
_LONGEST_PAUSE = 0.05
_PATIENCE = 5.0
"""Seconds that a keeper is given beyond the grace of a stop, and the kernel to end what was killed."""

_in_thread = anyio.to_thread.run_sync


class ProcessExecutor:
    """Runs tasks as processes of this machine.

    Parameters:
        tasks: the folder that holds every task's own folder.
    """

    name = "process"

    def __init__(self, tasks: Path) -> None:
        self._tasks = tasks

    async def start(self, spec: RunSpec) -> Handle:
        """Start a task, detached from this process.

        Raises:
            InvalidArgument: an option that only a container has.
            StartFailed: the command was not found (code 127) or cannot be executed (126), or no keeper could
                start (125). Nothing is left behind.
        """
        refuse(spec)
        # Not abandoned when cancelled: the caller always gets the handle of what has been started.
        return await _in_thread(self._start, spec)

    def _start(self, spec: RunSpec) -> Handle:
        folder = spec.folder.relative_to(self._tasks)
        try:
            prepare(spec)
            keeper, child = launch(spec)
        except OSError as failure:
            _remove(spec.folder)
            raise StartFailed(f"the folder of task {spec.task_id} cannot be used: {failure}") from failure
        except BaseException:
            _remove(spec.folder)
            raise
        devices = {"devices": spec.gpus.removeprefix("device=").split(",")} if spec.gpus else {}
        return _handle(keeper, folder) | {"child": child} | devices

    async def find(self, task_id: str, folder: Path) -> Handle | None:
        """Return the handle of a task that was started by someone who died before recording it, or None.

        None is for good: a keeper starts nothing before its supervisor, having noted it, has told it all.
        """
        keeper = await _in_thread(_read_json, folder / "keeper")
        return None if keeper is None else _handle(Witness(**keeper), folder.relative_to(self._tasks))

    async def output(
        self,
        handle: Handle,
        cursor: int,
        *,
        follow: bool,
        mark: bytes = b"",  # its cursor says it all
    ) -> AsyncGenerator[Chunk, None]:
        """Yield the output from byte `cursor` of the keeper's file on; with `follow` until the task ends."""
        path = self._folder(handle) / "output"
        watch = await _in_thread(Watch, _keeper(handle)) if follow else None
        pause = _SHORTEST_PAUSE
        ended = not follow
        try:
            while True:
                frames = await _in_thread(_read_frames, path, cursor)
                if frames:
                    cursor += len(frames)
                    pause = _SHORTEST_PAUSE
                    yield Chunk(frames, cursor)
                elif ended:
                    return
                elif watch is not None:
                    ended = await watch.ended(pause)
                    pause = min(pause * 1.5, _LONGEST_PAUSE)
        finally:
            if watch is not None:
                watch.close()

    async def wait(self, handle: Handle) -> Ended:
        """Return when the task has ended, how it did."""
        keeper = _keeper(handle)
        watch = await _in_thread(Watch, keeper)
        try:
            await watch.ended()
        finally:
            watch.close()
        return await _in_thread(_how_it_ended, self._folder(handle), keeper)

    async def running(self, handle: Handle) -> bool:
        """Say whether the task's keeper still lives."""
        return await _in_thread(alive, _keeper(handle))

    async def process(self, handle: Handle) -> int | None:
        """Return the number of the command's process, or of its keeper where that alone is known."""
        return int(handle.get("child", handle["pid"]))

    async def stop(self, handle: Handle, *, grace: float) -> None:
        """End the task: SIGTERM to its process group, and SIGKILL after `grace` seconds.

        Raises:
            RunnerError: the kernel does not let it end.
        """
        keeper = _keeper(handle)
        watch = await _in_thread(Watch, keeper)
        try:
            if not await watch.ended(0):
                await _in_thread(_write, self._folder(handle) / "stop", str(grace))
                await _in_thread(watch.signal, signal.SIGTERM)
            if not await watch.ended(grace + _PATIENCE):
                # The keeper does not do its work: somebody holds it, or its child cannot be killed.
                await _in_thread(end_session, keeper)
            if not await watch.ended(_PATIENCE):
                raise RunnerError(
                    f"the process {keeper.pid} does not end, though it was killed",
                    hint="it waits for a device or a network drive; it ends when that answers",
                )
        finally:
            watch.close()
        await _in_thread(_how_it_ended, self._folder(handle), keeper)

    async def hand_back(self, spec: RunSpec) -> None:
        """Do nothing: a process's files are its caller's own."""

    async def remove(self, handle: Handle) -> None:
        """Remove the keeper's files. Done twice, it does nothing."""
        await _in_thread(reap, _keeper(handle))
        await _in_thread(_remove, self._folder(handle))

    def _folder(self, handle: Handle) -> Path:
        return self._tasks / str(handle["folder"])


def _handle(keeper: Witness, folder: Path) -> dict[str, Any]:
    return {"executor": ProcessExecutor.name, **keeper._asdict(), "folder": folder.as_posix()}


def _keeper(handle: Handle) -> Witness:
    return Witness(int(handle["pid"]), int(handle["start_time"]), str(handle["boot_id"]))


def _read_frames(path: Path, cursor: int) -> bytes:
    """Return whole frames from an offset on, as many as fit into one reading."""
    try:
        with path.open("rb", buffering=0) as output:
            output.seek(cursor)
            data = output.read(_READ_SIZE)
    except FileNotFoundError:  # a keeper that never got to know what to run
        return b""
    return data[: whole_frames(data)]


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):  # half a file is what a power loss leaves
        return None
    return value if isinstance(value, dict) else None


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.{get_ident()}")  # a time limit may come when somebody stops it anyway
    beside.write_text(text, "ascii")
    beside.replace(path)


def _remove(folder: Path) -> None:
    for name in ("keeper", "keeper.new", "stop", "output", "ended.new", "ended"):
        with suppress(FileNotFoundError):
            (folder / name).unlink()
    for left in folder.glob("stop.*"):  # by one who was killed
        left.unlink(missing_ok=True)


def _how_it_ended(folder: Path, keeper: Witness) -> Ended:
    """Say how a task ended whose keeper is gone, and see to it that nothing of it still runs."""
    reap(keeper)
    record = _read_json(folder / "ended")
    if record is not None:
        return Ended(record["exit_code"], _reason(record), record["ended_us"], record["dropped"], record["started_us"])
    if keeper.boot_id != boot_id():
        return Ended(None, "the machine was restarted")
    end_session(keeper)
    return Ended(None, "its keeper was killed" if (folder / "output").exists() else "it was never started")


def _reason(record: dict[str, Any]) -> str | None:
    """Put into words what the exit code alone does not say."""
    said = []
    if record["exec_error"] == errno.ENOENT:
        said.append("command not found")
    elif record["exec_error"]:
        said.append(f"the command cannot be executed: {os.strerror(record['exec_error'])}")
    elif record["killed"]:
        said.append("killed, for it did not end when asked to")
    elif record["signal"]:
        said.append(f"ended by {signal.Signals(record['signal']).name}")
    if record["output_error"]:
        said.append(f"some of its output could not be recorded: {os.strerror(record['output_error'])}")
    return "; ".join(said) or None
