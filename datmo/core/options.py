"""How a task is run, beside its command: what it may use, what it is given, for how long."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from datmo.core.placement import CODE_AT
from datmo.errors import InvalidArgument, InvalidArgumentType

__all__ = ["Limits", "TaskOptions", "code_place", "looks_secret"]

USERS = ("me", "image", "root")

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[kmgt]?)i?b?", re.IGNORECASE)
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_LEAST_MEMORY = 6 << 20
"""What the Docker engine asks for at least."""

_TIME = re.compile(r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[smhd]?)", re.IGNORECASE)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(
    r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|COOKIE|SIGNATURE|(?:^|_)(?:AUTH|PWD|PASS|PAT|DSN|SAS)(?:_|$)"
)
_USER_AND_PASSWORD = re.compile(r"://[^/\s@]*:[^/\s@]*@")
_OURS = ("/", "/task", "/data", "/datmo")


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """How a task is run, beside its command.

    ```python
    options = TaskOptions(data=["iris.csv"], mem_limit="2g", timeout="1h", variables={"OMP_NUM_THREADS": "1"})
    project.tasks.run("python train.py", options=options)
    ```

    Parameters:
        data: files and folders that the task may read, at `/data/<name>`, elsewhere `$DATMO_DATA_DIR/<name>`: `PATH`,
            or `PATH>NAME` to name it; or a mapping from names to paths. What lies in the project is at its own path in
            the code, too, unless the code has something there. In a container it cannot write to them.
        gpus: GPUs that it must have: how many, `all`, or `device=0,1`. As a process it has its own, which no other
            task of the project is given meanwhile, and waits for them.
        mem_limit: bytes, or text such as `512m` or `2g`; containers only.
        cpus: how many processors' time it may use, such as 1.5; containers only.
        variables: environment variables. The value of one whose name looks like that of a secret (`API_KEY`, …) is
            passed on and not recorded.
        network: the engine's network, such as `none` or `host`; containers only.
        user: who it is: `me` (whoever runs it), `image` (whom the image names) or `root`; containers only.
        workdir: where it starts: a folder of the code. In a container an absolute path, too: there the code is then,
            instead of at `/home`.
        interactive: it has a terminal, on which `attach` types; without a command, the environment's shell; containers
            only.
        timeout: how long it may run: seconds, or text such as `90s`, `10m` or `2h`. Then it is stopped, and FAILED.
        system_metrics: sample what it uses of processors, memory and GPUs, as its metrics `system.*`.

    Raises:
        InvalidArgument: when it is used, where a value cannot be.
    """

    data: Sequence[str | os.PathLike[str]] | Mapping[str, str | os.PathLike[str]] = ()
    gpus: int | str | None = None
    mem_limit: int | str | None = None
    cpus: float | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    network: str | None = None
    user: str = "me"
    workdir: str | None = None
    timeout: float | str | None = None
    system_metrics: bool = True
    interactive: bool = False


class Limits(NamedTuple):
    """Options whose values were checked: what a task is run with.

    Attributes:
        data: paths by the names under which the task sees them.
        gpus: None, a number as text, `all` or `device=...`.
        memory: bytes, or None.
        cpus, network, user: as given.
        variables: all of them, secrets too.
        code_at: where the code is in a container.
        workdir: the folder in the code where it starts; empty for the code itself.
        timeout: seconds, or None.
        system_metrics: as given.
        interactive: whether it has a terminal.
    """

    data: dict[str, str]
    gpus: str | None
    memory: int | None
    cpus: float | None
    variables: dict[str, str]
    network: str | None
    user: str
    code_at: str
    workdir: str
    timeout: float | None
    system_metrics: bool = True
    interactive: bool = False

    @classmethod
    def of(cls, options: TaskOptions | None) -> Limits:
        """Return options as far as they alone tell that they can be used.

        Raises:
            InvalidArgument: one cannot.
        """
        given = TaskOptions() if options is None else options
        if not isinstance(given, TaskOptions):
            raise InvalidArgumentType(f"options are TaskOptions, not {given!r}")
        code_at, workdir = code_place(given.workdir)
        return cls(
            data=_data(given.data),
            gpus=None if given.gpus is None else _gpus(given.gpus),
            memory=None if given.mem_limit is None else _memory(given.mem_limit),
            cpus=None if given.cpus is None else _cpus(given.cpus),
            variables=_variables(given.variables),
            network=None if given.network is None else _word("network", given.network),
            user=_user(given.user),
            code_at=code_at,
            workdir=workdir,
            timeout=None if given.timeout is None else _seconds(given.timeout),
            system_metrics=_truth("system_metrics", given.system_metrics),
            interactive=bool(given.interactive),
        )

    @classmethod
    def recorded_as(cls, options: Mapping[str, Any], variables: Mapping[str, str]) -> Limits:
        """Return what a record (`task.created`, its options) says, with the values of all variables.

        Raises:
            InvalidArgument: a variable cannot be set.
        """
        return cls(
            data={name: each["path"] for name, each in options.get("data", {}).items()},
            variables=_variables(variables),
            **{name: options.get(name) for name in ("gpus", "memory", "cpus", "network", "timeout")},
            user=options.get("user", "me"),
            code_at=options.get("code_at", CODE_AT),
            workdir=options.get("workdir", ""),
            system_metrics=options.get("system_metrics", True),
            interactive=options.get("interactive", False),
        )

    def recorded(self) -> dict[str, Any]:
        """Return what `task.created` keeps: what differs from the usual, secrets only by their names."""
        variables = {name: None if looks_secret(name, value) else value for name, value in self.variables.items()}
        given = {
            "gpus": self.gpus,
            "memory": self.memory,
            "cpus": self.cpus,
            "variables": variables or None,
            "network": self.network,
            "user": self.user if self.user != "me" else None,
            "code_at": self.code_at if self.code_at != CODE_AT else None,
            "workdir": self.workdir or None,
            "timeout": self.timeout,
            "system_metrics": None if self.system_metrics else False,
            "interactive": self.interactive or None,
        }
        return {name: value for name, value in given.items() if value is not None}


def looks_secret(name: str, value: str = "") -> bool:
    """Say whether a variable's value is none of the record's business, going by its name, or a password in a URL."""
    return _SECRET.search(name.upper()) is not None or _USER_AND_PASSWORD.search(value) is not None


def _data(given: Any) -> dict[str, str]:
    if isinstance(given, str | bytes | os.PathLike) or not isinstance(given, Mapping | Sequence):
        raise InvalidArgumentType(f"data is a list of paths, or a mapping from names to paths, not {given!r}")
    named = list(given.items()) if isinstance(given, Mapping) else [_named(each) for each in given]
    found: dict[str, str] = {}
    for name, path in named:
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise InvalidArgument(f"{name!r} cannot be the name of data", hint="give one behind its path: PATH>NAME")
        if name in found:
            raise InvalidArgument(f"two of the data are called {name!r}", hint="name one of them: PATH>NAME")
        found[name] = os.fsdecode(path)
    return found


def _named(each: Any) -> tuple[str, str]:
    if not isinstance(each, str | os.PathLike):
        raise InvalidArgumentType(f"data is named by paths, not by {each!r}")
    path, _, name = each.rpartition(">") if isinstance(each, str) else ("", "", "")
    if path:
        return name, path
    whole = os.fsdecode(each)
    return os.path.basename(os.path.normpath(whole)), whole


def _gpus(given: Any) -> str:
    text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
    if not isinstance(text, str):
        raise InvalidArgumentType(f"gpus is a number or text, not {given!r}")
    kind, _, devices = text.partition("=")
    if text == "all" or (text.isdecimal() and int(text) > 0) or (kind == "device" and all(devices.split(","))):
        return text
    raise InvalidArgument(f"{text!r} names no GPUs", hint="give a number, all, or device=0,1")


def _memory(given: Any) -> int:
    if isinstance(given, int) and not isinstance(given, bool):
        size = given
    else:
        found = _SIZE.fullmatch(given.strip()) if isinstance(given, str) else None
        if found is None:
            raise InvalidArgument(f"{given!r} is no size", hint="give bytes, or a number with k, m or g, such as 2g")
        size = int(float(found["number"]) * 2 ** _UNITS[found["unit"].lower()])
    if size < _LEAST_MEMORY:
        raise InvalidArgument(f"a memory limit of {given} is too small", hint="give 6m at least")
    return size


def _cpus(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0.01 <= given < 100_000:
        raise InvalidArgument(f"{given!r} is no number of processors", hint="give one such as 2 or 0.5")
    return float(given)


def _seconds(given: Any) -> float:
    if isinstance(given, str) and (found := _TIME.fullmatch(given.strip())):
        given = float(found["number"]) * _SECONDS[found["unit"].lower()]
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < 1e9:
        raise InvalidArgument(f"{given!r} is no time to run", hint="give seconds, or text such as 90s, 10m or 2h")
    return float(given)


def _variables(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise InvalidArgumentType(f"variables are a mapping from names to values, not {given!r}")
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidArgumentType(f"a variable's name and value are text, not {name!r} and a {type(value)}")
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            raise InvalidArgument(f"{name!r} cannot be a variable", hint="give NAME=VALUE")
        if name.startswith("DATMO_"):
            raise InvalidArgument(f"the variable {name} is set by datmo itself", hint="give another name")
    return dict(given)


def _word(what: str, given: Any) -> str:
    if not isinstance(given, str) or not re.fullmatch(r"[\w.:-]+", given):
        raise InvalidArgument(f"{given!r} is no {what}", hint="give none, host, bridge, or the name of one")
    return given


def _truth(what: str, given: Any) -> bool:
    if not isinstance(given, bool):
        raise InvalidArgumentType(f"{what} is True or False, not {given!r}")
    return given


def _user(given: Any) -> str:
    if given not in USERS:
        raise InvalidArgument(f"{given!r} is no user of a task", hint=f"it is one of: {', '.join(USERS)}")
    return str(given)


def code_place(given: Any) -> tuple[str, str]:
    """Return where the code is in a container, and where in it the command starts.

    Raises:
        InvalidArgument: it cannot be there.
    """
    if given is None:
        return CODE_AT, ""
    if not isinstance(given, str | os.PathLike) or "\0" in os.fspath(given) or not os.fspath(given):
        raise InvalidArgumentType(f"a working folder is a path, not {given!r}")
    path = posixpath.normpath(os.fsdecode(given))
    if path == ".." or path.startswith("../"):
        raise InvalidArgument(f"the working folder {path!r} is not in the code", hint="give a folder of the project")
    if not path.startswith("/"):
        return CODE_AT, "" if path == "." else path
    if any(path == each or path.startswith(f"{each}/") for each in _OURS if each != "/") or path.strip("/") == "":
        raise InvalidArgument(f"the code cannot be at {path!r}", hint="give another path, such as /code")
    return path, ""
