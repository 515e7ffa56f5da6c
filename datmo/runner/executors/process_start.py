"""Starting a task as a process: what is refused, its environment, and its keeper."""

from __future__ import annotations

import errno
import json
import marshal
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from datmo.core.placement import CODE_AT
from datmo.errors import InvalidArgument, StartFailed
from datmo.runner import keeper as keeper_module
from datmo.runner.executors.base import RunSpec
from datmo.runner.library import add_to_path
from datmo.runner.witness import Witness, witness

__all__ = ["child_environment", "launch", "prepare", "refuse"]

_PYTHON = ("-I", "-S", "-E")
"""The keeper's interpreter: nothing of the user's own, no site packages; less than half the time to start."""


def refuse(spec: RunSpec) -> None:
    """Refuse what a process of this machine cannot be given.

    Raises:
        InvalidArgument: names the option and its value.
    """
    if not spec.argv:
        raise InvalidArgument("a process needs a command", hint="give one, or use --executor docker")
    options = {
        "memory limit": spec.memory,
        "CPU limit": spec.cpus,
        "network": spec.network,
        "user": None if spec.user == "me" else spec.user,
        "terminal": spec.interactive or None,
        "place for the code": None if spec.code_at == CODE_AT else spec.code_at,
    }
    for option, value in options.items():
        if value is not None:
            raise InvalidArgument(
                f"a process of this machine cannot be given a {option} ({value})",
                hint="use --executor docker",
            )
    for port in spec.ports:
        if port.host != port.container:
            raise InvalidArgument(
                f"ports {port.host}:{port.container}: a process of this machine has the host's ports",
                hint="give the same number twice, or use --executor docker",
            )
    for name in spec.data:
        if name in ("", ".", "..") or "/" in name:
            raise InvalidArgument(f"{name!r} cannot be the name of a data folder")


def child_environment(spec: RunSpec, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a task's command: the caller's, the task's own variables, and ours.

    Parameters:
        spec: the task.
        inherited: the caller's environment.
    """
    environment = {**inherited, "PYTHONUNBUFFERED": inherited.get("PYTHONUNBUFFERED", "1"), **spec.variables}
    environment |= {
        "DATMO_TASK_ID": spec.task_id,
        "DATMO_TASK_DIR": str(spec.files.absolute()),
        "DATMO_DATA_DIR": str((spec.folder / "data").absolute()),
        "DATMO_CONFIG": str(spec.config.absolute()),
        "DATMO_OUTBOX": str(spec.outbox.absolute()),
    }
    if spec.library is not None:
        environment["PYTHONPATH"] = add_to_path(environment.get("PYTHONPATH", ""), str(spec.library.absolute()))
    if spec.binaries:
        folders = [str(folder.absolute()) for folder in spec.binaries]
        environment["PATH"] = os.pathsep.join([*folders, environment.get("PATH", os.defpath)])
        for folder in spec.binaries:
            if (folder.parent / "pyvenv.cfg").is_file():
                environment["VIRTUAL_ENV"] = str(folder.parent.absolute())
                environment.pop("PYTHONHOME", None)
                break
    if spec.gpus is not None and spec.gpus.startswith("device="):
        environment["CUDA_VISIBLE_DEVICES"] = spec.gpus.removeprefix("device=")
    return environment


def launch(spec: RunSpec) -> tuple[Witness, int]:
    """Start a keeper and, through it, the command. Blocks until the command runs: about 20 ms.

    Returns:
        The keeper's witness, and the pid of its child.

    Raises:
        StartFailed: nothing runs.
    """
    settings = _settings(spec)
    told, tell = os.pipe()
    answer, answering = os.pipe()
    pid = 0
    try:
        with open(answer, "rb") as said:
            with suppress(BrokenPipeError), open(tell, "wb") as telling:  # one that died has said why
                pid = _spawn(spec.task_id, told, answering)
                keeper = witness(pid)
                _note(spec.folder, keeper)
                telling.write(settings)
            report = said.read()
        return keeper, _child(report, spec)
    except BaseException:
        if pid:  # with our end of its pipe closed, or after a failure that it reported, it is about to end
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        raise


def _spawn(task_id: str, told: int, answering: int) -> int:
    """Start the keeper's interpreter with its ends of both pipes, and close them here."""
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, *_PYTHON, _keeper_file(), task_id],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, told, 0),
                (os.POSIX_SPAWN_DUP2, answering, 1),
                (os.POSIX_SPAWN_DUP2, answering, 2),
            ],
            setsigmask=(),
        )
    except OSError as failure:
        raise StartFailed(f"{sys.executable!r} cannot be started: {failure.strerror}") from failure
    finally:
        os.close(told)
        os.close(answering)


def prepare(spec: RunSpec) -> None:
    """Make what the command expects to find: the task folder, and the data folder with its links."""
    spec.files.mkdir(parents=True, exist_ok=True)
    data = spec.folder / "data"
    data.mkdir(exist_ok=True)
    for name, path in spec.data.items():
        (data / name).symlink_to(path.absolute())
    if not spec.code.is_dir():
        raise StartFailed(f"the task's working folder {str(spec.code)!r} is missing")
    spec.lay_out()


@cache
def _keeper_file() -> str:
    """Return what the interpreter runs: the compiled module, which saves 7 ms, unless it is out of date."""
    spec = keeper_module.__spec__
    source = str(keeper_module.__file__)
    if spec.cached is None or not isinstance(spec.loader, SourceFileLoader):
        return source
    try:
        compiled = marshal.loads(Path(spec.cached).read_bytes()[16:])
    except (OSError, ValueError, EOFError, TypeError):
        return source
    return spec.cached if compiled == spec.loader.get_code(spec.name) else source


def _note(folder: Path, keeper: Witness) -> None:
    """Write down who keeps the task, before the keeper is told what to start: whoever comes next finds it."""
    beside = folder / "keeper.new"
    beside.write_text(json.dumps(keeper._asdict()), "ascii")
    beside.replace(folder / "keeper")


def _settings(spec: RunSpec) -> bytes:
    environment = child_environment(spec, os.environ)
    settings: dict[str, Any] = {  # `keeper.Settings`
        "folder": os.fsencode(spec.folder.absolute()),
        "code": os.fsencode((spec.code / spec.workdir).absolute()),
        "argv": [os.fsencode(word) for word in spec.argv],
        "environment": {os.fsencode(name): os.fsencode(value) for name, value in environment.items()},
        "output_limit": spec.output_limit,
    }
    return marshal.dumps(settings)


def _child(report: bytes, spec: RunSpec) -> int:
    """Return the child's pid from what the keeper reported, or say why there is none."""
    word, _, number = report.partition(b" ")
    command = spec.argv[0]
    if word == b"started":
        return int(number)
    if word != b"failed":
        last = report.decode(errors="replace").strip().rpartition("\n")[2]
        raise StartFailed(f"the keeper of {command!r} could not start: {last or 'it was killed'}")
    if int(number) != errno.ENOENT:
        raise StartFailed(
            f"{command!r} cannot be executed: {os.strerror(int(number))}{spec.interpreter_of(command)}", exit_code=126
        )
    if "/" in command and (spec.code / command).exists():
        raise StartFailed(f"{command!r}: the interpreter in its first line was not found", exit_code=127)
    raise StartFailed(f"command not found: {command!r}{spec.interpreter_of(command)}", exit_code=127)
