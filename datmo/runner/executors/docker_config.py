"""What the engine is told about a task, and what its refusals mean. No engine is spoken to here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from datmo.core.placement import SHELL
from datmo.errors import InvalidArgument, StartFailed
from datmo.runner.executors.base import Ended, RunSpec
from datmo.runner.in_place import mount_points
from datmo.runner.library import add_to_path

__all__ = [
    "RECORD",
    "TASK_LABEL",
    "TERMINAL_LABEL",
    "chown_config",
    "container_config",
    "container_name",
    "ended",
    "home_folder",
    "start_failure",
    "task_folders",
]

TASK_LABEL = "datmo.task"
"""The label that every container of a task carries; its value is the task's id."""

TERMINAL_LABEL = "datmo.terminal"
"""The label of those that have a terminal."""

_TASK = "/task"
_DATA = "/data"
_HOME = "/datmo/home"
_CONFIG = "/datmo/config.json"
_OUTBOX = "/datmo/outbox"
_LIBRARY = "/datmo/python"
_SIGTERM, _SIGKILL = 143, 137

# The record is the one source of the output: never rotated, never removed by the engine itself.
RECORD = {"Type": "json-file", "Config": {"max-size": "1000g", "max-file": "1"}}


def container_name(task_id: str) -> str:
    """Return the name of a task's container."""
    return f"datmo-{task_id}"


def home_folder(spec: RunSpec) -> Path:
    """Return the folder that is HOME in the container of a `me` user: on disk, as caches may be large."""
    return spec.folder / "home"


def task_folders(spec: RunSpec) -> dict[str, Path]:
    """Return the task's writable folders by where they are mounted."""
    folders = {spec.code_at: spec.code, _TASK: spec.files}
    return folders | {_HOME: home_folder(spec)} if spec.user == "me" else folders


def container_config(spec: RunSpec) -> dict[str, Any]:
    """Return the engine's description of a task's container. Where data is to be in the code, it blocks.

    Raises:
        InvalidArgument: a value cannot be used.
    """
    if spec.image is None:
        raise InvalidArgument("a container needs an image")
    config: dict[str, Any] = {
        "Image": spec.image,
        "WorkingDir": str(PurePosixPath(spec.code_at, spec.workdir)),
        "Env": [f"{name}={value}" for name, value in _variables(spec).items()],
        "Labels": {TASK_LABEL: spec.task_id},
        "ExposedPorts": {f"{port.container}/tcp": {} for port in spec.ports},
        "HostConfig": _host_config(spec),
    }
    if spec.interactive:
        config |= {"Tty": True, "OpenStdin": True, "Labels": {**config["Labels"], TERMINAL_LABEL: "yes"}}
    if spec.argv:
        config["Cmd"] = list(spec.argv)
    if spec.argv == SHELL:
        config["Entrypoint"] = [""]  # none: `python sh` is no shell
    user = _user(spec.user)
    if user is not None:
        config["User"] = user
    return config


def chown_config(spec: RunSpec, paths: Iterable[str]) -> dict[str, Any]:
    """Return the engine's description of a container that gives some paths, and what is in them, to the caller."""
    folders = task_folders(spec)
    return {
        "Image": spec.image,
        # -h: links themselves, not what they point to
        "Entrypoint": ["chown", "-hR", f"{os.getuid()}:{os.getgid()}", "--", *paths],
        "User": "0:0",
        "WorkingDir": "/",
        "Labels": {TASK_LABEL + ".owner": spec.task_id},
        "HostConfig": {
            "Mounts": [_bind(path, target) for target, path in folders.items()],
            "LogConfig": RECORD,
            "NetworkMode": "none",
            "SecurityOpt": ["no-new-privileges"],
            "CapDrop": ["ALL"],
            "CapAdd": ["CHOWN", "DAC_READ_SEARCH"],
            "Ulimits": [],
        },
    }


def _variables(spec: RunSpec) -> dict[str, str]:
    own = {
        "DATMO_TASK_ID": spec.task_id,
        "DATMO_TASK_DIR": _TASK,
        "DATMO_DATA_DIR": _DATA,
        "DATMO_CONFIG": _CONFIG,
        "DATMO_OUTBOX": _OUTBOX,
        "PYTHONUNBUFFERED": "1",
    }
    if spec.user == "me":
        # The caller's number has no entry in the image's passwd: programs that ask for its name would fail.
        own |= {"HOME": _HOME, "USER": "datmo", "LOGNAME": "datmo"}
    variables = own | dict(spec.variables)
    if spec.library is not None:
        variables["PYTHONPATH"] = add_to_path(variables.get("PYTHONPATH", spec.python_path), _LIBRARY)
    return variables


def _user(user: str) -> str | None:
    users = {"me": f"{os.getuid()}:{os.getgid()}", "root": "0:0", "image": None}
    if user not in users:
        raise InvalidArgument(f"{user!r} is no user of a container", hint="use me, image or root")
    return users[user]


def _host_config(spec: RunSpec) -> dict[str, Any]:
    config: dict[str, Any] = {
        "Mounts": _mounts(spec),
        "LogConfig": RECORD,
        "AutoRemove": False,
        "SecurityOpt": ["no-new-privileges"],
        "Ulimits": [],  # Podman's service fails without
        "PortBindings": _port_bindings(spec),
    }
    if spec.memory is not None:
        # The same with swap: a limit that swapping hides would let the machine crawl.
        config |= {"Memory": spec.memory, "MemorySwap": spec.memory}
    if spec.cpus is not None:
        config["NanoCpus"] = round(spec.cpus * 1e9)
    if spec.network is not None:
        config["NetworkMode"] = spec.network
    if spec.gpus is not None:
        config["DeviceRequests"] = [_gpu_request(spec.gpus)]
    return config


def _mounts(spec: RunSpec) -> list[dict[str, Any]]:
    """Mounts only: a Bind would create a source that is missing, on whatever machine the engine is."""
    mounts = [_bind(path, target) for target, path in task_folders(spec).items()]
    mounts.append(_bind(spec.config, _CONFIG, read_only=True))
    mounts.append(_bind(spec.outbox, _OUTBOX))
    if spec.library is not None:
        mounts.append(_bind(spec.library, _LIBRARY, read_only=True))
    # Always there, even empty; the data's own mount points are made in it.
    mounts.append({"Type": "tmpfs", "Target": _DATA, "TmpfsOptions": {"Mode": 0o555}})
    mounts += [_bind(path, f"{_DATA}/{name}", read_only=True) for name, path in sorted(spec.data.items())]
    inside = mount_points(spec.code, spec.in_code)
    return mounts + [_bind(path, f"{spec.code_at}/{name}", read_only=True) for name, path in inside.items()]


def _bind(source: Path, target: str, *, read_only: bool = False) -> dict[str, Any]:
    return {"Type": "bind", "Source": str(source), "Target": target, "ReadOnly": read_only}


def _port_bindings(spec: RunSpec) -> dict[str, list[dict[str, str]]]:
    if spec.ports and spec.network in {"host", "none"}:
        raise InvalidArgument(
            f"ports cannot be mapped in the network {spec.network!r}", hint="leave out --ports or --network"
        )
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in spec.ports:
        binding = {"HostIp": port.address, "HostPort": str(port.host)}
        bindings.setdefault(f"{port.container}/tcp", []).append(binding)
    return bindings


def _gpu_request(gpus: str) -> dict[str, Any]:
    request: dict[str, Any] = {"Driver": "", "Capabilities": [["gpu"]]}
    if gpus == "all":
        return request | {"Count": -1}
    if gpus.isdecimal() and int(gpus) > 0:
        return request | {"Count": int(gpus)}
    kind, _, devices = gpus.partition("=")
    if kind == "device" and devices:
        return request | {"DeviceIDs": devices.split(",")}
    raise InvalidArgument(f"{gpus!r} names no GPUs", hint="use all, a number, or device=0,1")


_COMMAND = re.compile(r'exec: "(?P<word>.*?)": (?P<why>.*?)(?:: unknown)?$', re.DOTALL)
_BIND = re.compile(r"bind source path does not exist: (?P<path>.*)", re.DOTALL)
_PORT = re.compile(
    r"(?P<where>[\d.:\[\]a-f]+:\d+)(?: failed: port is already allocated|: bind: address already in use)"
)
_NOT_FOUND = ("executable file not found", "no such file or directory")


def start_failure(spec: RunSpec, message: str, url: str) -> StartFailed:
    """Return what an engine's refusal to create or start a container means.

    Parameters:
        spec: what was to be started.
        message: the engine's own words.
        url: the engine's address.
    """
    if command := _COMMAND.search(message):
        word, why = command["word"], command["why"]
        if any(words in why for words in _NOT_FOUND):
            hint = f"is it installed in the image {spec.image}?"
            return StartFailed(f"command not found: {word!r}{spec.interpreter_of(word)}", hint=hint, exit_code=127)
        return StartFailed(
            f"cannot execute {word}: {why}{spec.interpreter_of(word)}",
            hint="make it executable, or name its interpreter",
            exit_code=126,
        )
    if source := _BIND.search(message):
        return _unseen(source["path"], url)
    if port := _PORT.search(message):
        return StartFailed(f"the port {port['where']} is already in use", hint="give another with --ports")
    if message.startswith("No such image"):
        return StartFailed(
            f"the engine has no image {spec.image}",
            hint=f"`docker pull {spec.image}`, or name another environment",
        )
    if "could not select device driver" in message:
        return StartFailed(
            f"no GPU can be given to a container by the engine at {url}",
            hint="install its GPU runtime (nvidia-container-toolkit), or run without --gpus",
        )
    return StartFailed(f"the engine could not start the container: {' '.join(message.split())}")


def _unseen(path: str, url: str) -> StartFailed:
    # A task's folders have random names: one that exists here but not there means that the engine is on
    # another machine, or that we are in a container ourselves.
    if os.path.lexists(path):
        return StartFailed(
            f"the engine at {url} does not see this machine's folders: {path}",
            hint="use an engine that runs on this machine, or run without containers: --executor process",
        )
    return StartFailed(f"the folder to mount does not exist: {path}")


def ended(found: Mapping[str, Any], *, stopped: bool, lost: bool) -> Ended:
    """Return how a container ended.

    Parameters:
        found: what the engine's inspection says.
        stopped: whether it was stopped on our request.
        lost: whether the engine went away while we waited.
    """
    state = found["State"]
    if state["Status"] == "created":
        return Ended(None, "the container was never started")
    code = int(state["ExitCode"])
    reason = _reason(found, code, stopped=stopped, lost=lost)
    return Ended(
        code, reason, _microseconds(state["FinishedAt"]), started_us=_microseconds(state.get("StartedAt", _NEVER))
    )


def _reason(found: Mapping[str, Any], code: int, *, stopped: bool, lost: bool) -> str | None:
    if code == 0:
        return None
    if found["State"]["OOMKilled"]:
        limit = found["HostConfig"]["Memory"]
        return f"out of memory: its limit was {limit / 2**20:.0f} MiB" if limit else "out of memory"
    if found["State"]["Error"]:
        return str(found["State"]["Error"])
    if stopped or code not in {_SIGTERM, _SIGKILL}:
        return None
    if lost:
        return "the Docker engine was restarted"
    if code == _SIGTERM:
        return "asked from outside to end: by `docker stop`, or as the Docker engine was stopped"
    return "killed from outside: by `docker kill`, for want of memory, or as the Docker engine was restarted"


_NEVER = "0001-01-01T00:00:00Z"


def _microseconds(moment: str) -> int | None:
    """Return the engine's time (`0001-01-01T00:00:00Z` for never) in microseconds UTC."""
    at = datetime.fromisoformat(moment)
    return None if at.year == 1 else (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
