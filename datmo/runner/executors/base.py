"""What an executor is: where a task runs.

Executors are stateless. What they need to find a task again is its handle, which `task.started` records, so
that another process can ask about it after the one that started it has died.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from datmo.core.placement import CODE_AT
from datmo.errors import StartFailed

__all__ = ["Chunk", "Ended", "Executor", "Handle", "PortMapping", "RunSpec", "Screen", "Screening"]

Handle = Mapping[str, Any]
"""JSON that finds a running task again: a container id, or a keeper's pid, its start time and the boot id."""


class PortMapping(NamedTuple):
    """One `HOST:CONTAINER` pair of `--ports`; bound to `address`."""

    host: int
    container: int
    address: str = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """Everything that an executor needs to start one task.

    Parameters:
        task_id: the task's id; containers are labelled and named with it.
        argv: the words of the command; empty means the image's own command (interactive tasks).
        folder: the task's own folder, `.datmo/tasks/<id>`; keepers keep their files here.
        code: the run's checkout of the captured code: the working folder, `/home` in a container.
        files: the writable task folder: `/task` in a container, `DATMO_TASK_DIR` everywhere.
        data: names under the data folder and the paths they show; in a container read-only, `/data/<name>`.
        in_code: those of them that lie in the project, by their paths there: the code may look for them.
        variables: environment variables beside those that the executor sets itself.
        parameters: what the task is told in the JSON file that `DATMO_CONFIG` names.
        image: the image's name or id; containers only.
        binaries: folders put in front of PATH (a virtual environment's `bin`); processes only.
        ports: port mappings.
        gpus: None for no GPU, `all`, a count as text, or `device=...`.
        memory: limit in bytes, or None.
        cpus: limit in cores, or None.
        network: the engine's network mode, or None for its default.
        user: `me`, `image` or `root`; containers only.
        code_at: where the code is mounted, for images that need their own `/home`; containers only.
        workdir: the folder in the code where the command starts; empty for the code itself.
        own: whether it is a part of a process that is not ours to start, and names its files wherever they are.
        interactive: it has a terminal; containers only.
        output_limit: bytes of output that are recorded; what comes after is drained and dropped.
        library: the folder that goes last on the task's PYTHONPATH (`datmo.runner.library`), or None.
        python_path: what the image says that PYTHONPATH is; containers only.
    """

    task_id: str
    argv: tuple[str, ...]
    folder: Path
    code: Path
    files: Path
    data: Mapping[str, Path] = field(default_factory=dict)
    in_code: Mapping[str, Path] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    image: str | None = None
    binaries: tuple[Path, ...] = ()
    ports: tuple[PortMapping, ...] = ()
    gpus: str | None = None
    memory: int | None = None
    cpus: float | None = None
    network: str | None = None
    user: str = "me"
    code_at: str = CODE_AT
    workdir: str = ""
    interactive: bool = False
    output_limit: int = 1 << 30
    library: Path | None = None
    python_path: str = ""
    own: bool = False

    @property
    def outbox(self) -> Path:
        """The file that takes what the task says of itself: `DATMO_OUTBOX`."""
        return self.folder / "outbox"

    @property
    def config(self) -> Path:
        """The file that tells the task its parameters."""
        return self.folder / "config.json"

    def interpreter_of(self, command: str) -> str:
        """Return a remark for a command that did not start, where it is a file of the code; else nothing. Blocks."""
        path = command.removeprefix(f"{self.code_at}/")
        if os.path.isabs(path) or not (self.code / self.workdir / path).is_file():
            return ""
        return f"; it is a file of the code: name its interpreter, such as `python {command}`"

    def lay_out(self) -> None:
        """Write what the task is told, and see to it that the folder is there in which its command starts. Blocks.

        Raises:
            StartFailed: the code has no such folder.
        """
        self.config.write_text(json.dumps(self.parameters), "ascii")
        if self.workdir and not (self.code / self.workdir).is_dir():
            raise StartFailed(f"the code has no folder {self.workdir!r} in which the command could start")


class Chunk(NamedTuple):
    """Some output, and how far it reaches.

    `frames` are whole frames (`datmo.core.frames`); `cursor` is where the next reading goes on: a count of
    records for a container, an offset in the keeper's file for a process. `exact` is False where the bytes
    may not be those that were written: an engine's record replaces what is not UTF-8, and cuts lines at 16 kB
    even in the middle of a character. `mark`, where there is one, tells the executor what it gave last.
    """

    frames: bytes
    cursor: int
    exact: bool = True
    mark: bytes = b""


class Screen(Protocol):
    """What a task prints, as it prints it, and on a terminal what is typed."""

    interactive: bool
    """Whether it is a terminal, on which something can be typed."""

    async def read(self) -> tuple[int, bytes] | None:
        """Return a stream (1 standard output, also of a terminal, 2 standard error) and some bytes; None at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Type something.

        Raises:
            Refused: the task has no terminal.
        """
        ...

    async def resize(self, rows: int, columns: int) -> None:
        """Say how large the terminal is."""
        ...


class Ended(NamedTuple):
    """How a task ended.

    `exit_code` is the command's own (128 + n after signal n, None where it is not known any more); `reason`
    says in one line what the code alone does not: `out of memory`, `command not found: ...`, `the engine was
    restarted`; `ended_us` is when, and `started_us` when it was started, in microseconds UTC, where they are known.
    """

    exit_code: int | None
    reason: str | None = None
    ended_us: int | None = None
    dropped: int = 0
    started_us: int | None = None


@runtime_checkable
class Screening(Protocol):
    """An executor that has more to show than what it records: what has no line's end yet, terminals."""

    def screen(self, handle: Handle) -> AbstractAsyncContextManager[Screen]:
        """Show what a task prints, from its start on, and let something be typed where it has a terminal."""
        ...


class Executor(Protocol):
    """Where a task runs."""

    name: str
    """`docker`, `process` ...; recorded with the task."""

    async def start(self, spec: RunSpec) -> Handle:
        """Start the task and return the handle that finds it again.

        Raises:
            StartFailed: the command or the container could not be started; nothing is left behind.
            EngineUnreachable: no engine answers.
        """
        ...

    async def find(self, task_id: str, folder: Path) -> Handle | None:
        """Return the handle of a task that was started by someone who died before recording it, or None."""
        ...

    def output(self, handle: Handle, cursor: int, *, follow: bool, mark: bytes = b"") -> AsyncGenerator[Chunk, None]:
        """Yield the output from `cursor` on, in order, in bounded chunks; with `follow` until the task ends.

        The caller always reads once more without `follow` after `wait` has returned, giving the last chunk's mark.
        """
        ...

    async def wait(self, handle: Handle) -> Ended:
        """Return when the task has ended, how it did. Asked again afterwards, gives the same answer."""
        ...

    async def running(self, handle: Handle) -> bool:
        """Say whether the task still runs; a look, which waits for nothing."""
        ...

    async def process(self, handle: Handle) -> int | None:
        """Return the number of the task's first process, or None where it cannot be seen from here."""
        ...

    async def stop(self, handle: Handle, *, grace: float) -> None:
        """End the task: politely, and after `grace` seconds by force. Returns when it has ended."""
        ...

    async def hand_back(self, spec: RunSpec) -> None:
        """Make what an ended task wrote the caller's own, where another user wrote it.

        Raises:
            RunnerError: it could not be.
        """
        ...

    async def remove(self, handle: Handle) -> None:
        """Remove what the executor still keeps of an ended task. Done twice, it does nothing."""
        ...
