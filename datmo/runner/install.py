"""The programs that fill a virtual environment: uv where it is at hand, else pip; conda for its own files."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import anyio
from anyio.abc import Process

from datmo.capture.installation import Installation, installation, lock_of
from datmo.errors import BuildFailed

__all__ = ["Installer", "Report", "choose_installer"]

Report = Callable[[str], None]

_CONDA = ("micromamba", "mamba", "conda")
_LAST_LINES = 40
_LONGEST_LINE = 1 << 16
# The caller's own Python and its settings of where to install must not reach the new environment.
_NOT_INHERITED = {
    "CONDA_PREFIX", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "PIP_ROOT", "PIP_TARGET", "PIP_USER",
    "PYTHONHOME", "PYTHONPATH", "UV_PROJECT", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_WORKING_DIRECTORY",
    "VIRTUAL_ENV", "__PYVENV_LAUNCHER__",
}  # fmt: skip
_SETTINGS = {
    "CONDA_ALWAYS_YES": "1",
    "MAMBA_ALWAYS_YES": "1",
    "PYTHONUNBUFFERED": "1",
    "UV_PYTHON_DOWNLOADS": "never",
}


class Installer(NamedTuple):
    """What installs an environment, and what it is given.

    Parameters:
        program: the path of uv or of a conda, or None for venv and pip.
        kind: `uv`, `pip` or `conda`.
        definition: the name of the environment's definition.
        plan: the files that are installed from.
        uv_lock: whether uv follows a lock of its own.
    """

    program: str | None
    kind: str
    definition: str
    plan: Installation
    uv_lock: bool = False

    async def install(self, venv: Path, files: Path, base: str, *, lock: int, report: Report) -> None:
        """Make a virtual environment and install into it.

        Parameters:
            venv: the folder to make.
            files: the folder that holds the plan's files.
            base: the interpreter to make it with.
            lock: a descriptor that every child process keeps open as long as it lives.
            report: gets each line of output.

        Raises:
            BuildFailed: a step failed.
        """
        variables = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        variables |= _SETTINGS | {"UV_PROJECT_ENVIRONMENT": str(venv)}
        for command in self._commands(venv, base):
            code, output = await _run(command, files, variables, lock, report)
            if code != 0:
                raise BuildFailed(
                    f"the environment could not be built from {self.definition}: "
                    f"{' '.join([os.path.basename(command[0]), *command[1:3]])} ended with {code}",
                    hint=f"the installer's last line was: {output[-1].strip()}" if output else None,
                    output="\n".join(output),
                )

    def _commands(self, venv: Path, base: str) -> list[list[str]]:
        if self.kind == "conda":
            assert self.program is not None
            words = ["create"] if self.program.endswith("micromamba") else ["env", "create"]
            return [[self.program, *words, "--prefix", str(venv), "--file", self.definition]]
        wanted = ["--requirement", self.plan.requirements]
        if self.plan.constraints is not None:
            wanted += ["--constraint", self.plan.constraints]
        python = str(venv / "bin" / "python")
        if self.program is None:
            install = ["install", "--disable-pip-version-check", "--no-input", *wanted]
            if base == sys.executable and importlib.util.find_spec("pip") is not None:
                # Saves five seconds of putting a pip into the environment first; nor does uv put one there.
                return [
                    [base, "-m", "venv", "--without-pip", str(venv)],
                    [base, "-m", "pip", "--python", python, *install],
                ]
            return [[base, "-m", "venv", str(venv)], [python, "-m", "pip", *install]]
        make = [self.program, "venv", "--quiet", "--no-project", "--python", base, str(venv)]
        if self.uv_lock:
            sync = [self.program, "sync", "--frozen", "--no-install-workspace", "--python", python]
            return [make, [*sync, "--project", os.path.dirname(self.definition) or "."]]
        return [make, [self.program, "pip", "install", "--python", python, *wanted]]


def choose_installer(kind: str, definition: str, files: Mapping[str, bytes]) -> Installer:
    """Say what installs an environment on this machine.

    Parameters:
        kind: the environment's kind.
        definition: the name of its definition.
        files: the definition's files.

    Raises:
        EnvironmentInvalid: nothing here can install it.
    """
    if kind == "conda":
        program = next((found for name in _CONDA if (found := shutil.which(name)) is not None), None)
        if program is not None:
            return Installer(program, "conda", definition, Installation(dict(files), definition))
    plan = installation(kind, definition, files)
    uv = _find_uv()
    if uv is None:
        return Installer(None, "pip", definition, plan)
    lock = lock_of(files) or ""
    uv_lock = kind == "pyproject" and os.path.basename(lock) == "uv.lock"
    if kind != "pyproject":
        # Ends uv's search for settings upwards, which would find those of the live tree.
        plan.files.setdefault("uv.toml", b"")
    return Installer(uv, "uv", definition, plan, uv_lock)


def _find_uv() -> str | None:
    """Return the path of uv: of the package beside us, or on PATH."""
    if importlib.util.find_spec("uv") is not None:
        return str(importlib.import_module("uv").find_uv_bin())
    return shutil.which("uv")


async def _run(
    command: Sequence[str], folder: Path, variables: Mapping[str, str], lock: int, report: Report
) -> tuple[int, list[str]]:
    """Run one command to its end; return its exit code and its last lines. Cancelled, it ends the command."""
    last: deque[str] = deque(maxlen=_LAST_LINES)
    try:
        process = await anyio.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=variables,
            start_new_session=True,
            pass_fds=(lock,),
        )
    except OSError as error:
        raise BuildFailed(f"{command[0]} could not be started: {error.strerror}") from error
    async with process:
        try:
            async for line in _lines(process):
                last.append(line)
                report(line)
            return await process.wait(), list(last)
        finally:
            await _end(process)


async def _end(process: Process) -> None:
    """Kill a command that still runs, with all that it started: what they were making is thrown away."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with anyio.CancelScope(shield=True):
            await process.wait()


async def _lines(process: Process) -> AsyncIterator[str]:
    """Yield what a process prints, line by line; one redrawn by carriage returns counts as several."""
    assert process.stdout is not None
    rest = b""
    async for chunk in process.stdout:
        *whole, rest = re.split(rb"[\r\n]+", rest + chunk)
        if len(rest) > _LONGEST_LINE:
            whole, rest = [*whole, rest], b""
        for line in whole:
            if line:
                yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")
