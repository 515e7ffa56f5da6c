"""Settings: what they are called, what they may be, and which of several levels decides.

What is given with a call goes before everything; then an environment variable, the project, the user, the default.
A new setting is one line in `SETTINGS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict

from datmo.core.event import Event, NewEvent
from datmo.core.placement import CODE_AT
from datmo.errors import InvalidArgument

__all__ = [
    "SETTINGS",
    "ConfigSet",
    "ConfigUnset",
    "Setting",
    "SettingValue",
    "Settings",
    "evolve",
    "set_to",
    "setting",
    "unset",
]

State = dict[str, Any]

_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
# Compiled when the first text is read: most commands read none.
_SIZE = r"(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?"
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_TIME = r"(\d+(?:\.\d+)?) ?([smh]?)"


class ConfigSet(TypedDict):
    """Data of `config.set`."""

    value: Any


class ConfigUnset(TypedDict):
    """Data of `config.unset`."""


class Kind(NamedTuple):
    """What values a setting may have.

    Attributes:
        described: for people, as in 'give …'.
        read: returns the value of what was given, text or not; None where it cannot be one.
        show: returns the text that `read` takes for the value.
        words: all values there are, where they can be listed.
    """

    described: str
    read: Callable[[Any], Any]
    show: Callable[[Any], str] = str
    words: tuple[str, ...] = ()


def _choice(*words: str) -> Kind:
    return Kind(f"one of {', '.join(words)}", lambda given: given if given in words else None, words=words)


def _read_count(given: Any) -> int | None:
    if isinstance(given, str) and given.isdecimal():
        given = int(given)
    return given if type(given) is int and 0 < given < 2**31 else None


def _read_size(given: Any) -> int | None:
    found = re.fullmatch(_SIZE, given.strip(), re.IGNORECASE) if isinstance(given, str) else None
    if found:
        given = int(float(found[1]) * 2 ** _UNITS[found[2].lower()])
    return given if type(given) is int and 0 < given < 2**63 else None


def _show_size(value: int) -> str:
    for unit, bits in reversed(_UNITS.items()):
        if value % 2**bits == 0:
            return f"{value >> bits}{unit}"
    raise AssertionError(value)


def _read_seconds(given: Any) -> float | None:
    found = re.fullmatch(_TIME, given.strip(), re.IGNORECASE) if isinstance(given, str) else None
    if found:
        given = float(found[1]) * _SECONDS[found[2].lower()]
    return float(given) if type(given) in (int, float) and 0 < given < 1e7 else None


def _read_place(given: Any) -> str | None:
    from datmo.core.options import code_place

    try:
        place, inside = code_place(given)
    except InvalidArgument:
        return None
    return None if inside else place


def _read_definition(given: Any) -> str | None:
    import posixpath

    path = posixpath.normpath(given) if isinstance(given, str) and given and "\0" not in given else ".."
    return None if path == "." or path.startswith(("/", "..")) else path


_SIZE_KIND = Kind("a size such as 500m or 2g", _read_size, _show_size)
_SECONDS_KIND = Kind("a time such as 30s or 2m", _read_seconds, lambda value: f"{value:g}s")


class Setting(NamedTuple):
    """A setting that there is.

    Attributes:
        name: what it is called.
        kind: what it may be.
        default: its value where no level says otherwise; None where that is worked out when it is needed.
        help: what it does.
    """

    name: str
    kind: Kind
    default: Any
    help: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "DATMO_" + self.name.upper().replace(".", "_")

    def value(self, given: Any, where: str = "") -> Any:
        """Return the value that something given stands for.

        Parameters:
            given: text, or the value itself.
            where: which level says so, for the error; nothing where it is just being given.

        Raises:
            InvalidArgument: it is none.
        """
        value = self.kind.read(given)
        if value is None:
            says = f", as {where} says" if where else ""
            raise InvalidArgument(f"{self.name} cannot be {given!r}{says}", hint=f"give {self.kind.described}")
        return value


SETTINGS: dict[str, Setting] = {
    each.name: each
    for each in (
        Setting(
            "executor",
            _choice("auto", "docker", "process"),
            "auto",
            "where tasks run that do not say where; auto: by their environment",
        ),
        Setting(
            "jobs",
            Kind("a number of tasks, 1 or more", _read_count),
            None,
            "how many tasks run at a time; by default as many as there are processors",
        ),
        Setting(
            "environment",
            Kind("the path of a file in the project, such as docker/Dockerfile", _read_definition),
            None,
            "which definition is the environment; by default the first one in the project's root",
        ),
        Setting("output.limit", _SIZE_KIND, 1 << 30, "how much of a task's output is recorded"),
        Setting("stop.grace", _SECONDS_KIND, 10.0, "how long a task that is stopped may take to end by itself"),
        Setting("code.size_limit", _SIZE_KIND, 50 << 20, "files that are larger are kept apart from git"),
        Setting(
            "container.code",
            Kind("an absolute path outside /task and /data, such as /code", _read_place),
            CODE_AT,
            "where a container has the code, for images that need their own /home",
        ),
        Setting(
            "verbosity",
            _choice("quiet", "normal", "verbose"),
            "normal",
            "how much the command line says, and a notebook shows, beside what was asked for",
        ),
    )
}


def setting(name: Any) -> Setting:
    """Return the setting of a name.

    Raises:
        InvalidArgument: there is none.
    """
    found = SETTINGS.get(name) if isinstance(name, str) else None
    if found is None:
        from difflib import get_close_matches

        close = get_close_matches(str(name).lower(), SETTINGS, n=1)
        hint = f"did you mean `{close[0]}`?" if close else "`datmo config ls` shows all"
        raise InvalidArgument(f"there is no setting {name!r}", hint=hint)
    return found


class SettingValue(NamedTuple):
    """A setting and its value at the moment.

    Attributes:
        key: its name.
        value: the value that is in force; None where it is worked out when it is needed.
        source: which level says so: `environment`, `project`, `user` or `default`.
        default: its value where no level says otherwise.
        variable: the environment variable that sets it.
        help: what it does.
    """

    key: str
    value: Any
    source: str
    default: Any
    variable: str
    help: str


@dataclass(frozen=True)
class Settings:
    """What each level says.

    Parameters:
        environment: the environment variables.
        project: names to values, of the project.
        user: names to values, of the user.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    project: Mapping[str, Any] = field(default_factory=dict)
    user: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """Return the value in force; see `found`."""
        return self.found(name).value

    def found(self, name: Any) -> SettingValue:
        """Return a setting with the value that is in force.

        Raises:
            InvalidArgument: there is no such setting, or what a level says cannot be its value.
        """
        known = setting(name)
        levels = (
            ("environment", self.environment.get(known.variable) or None, f"the variable {known.variable}"),
            ("project", self.project.get(name), "the project"),
            ("user", self.user.get(name), "the user's file"),
        )
        for source, given, where in levels:
            if given is not None:
                return _found(known, known.value(given, where), source)
        return _found(known, known.default, "default")


def _found(known: Setting, value: Any, source: str) -> SettingValue:
    return SettingValue(known.name, value, source, known.default, known.variable, known.help)


def set_to(state: Mapping[str, Any], name: str, value: Any) -> list[NewEvent]:
    """Decide that a project's setting becomes a value; nothing where it has it."""
    return [] if state.get(name) == value else [NewEvent(f"config/{name}", "config.set", ConfigSet(value=value))]


def unset(state: Mapping[str, Any], name: str) -> list[NewEvent]:
    """Decide that a project says no more about a setting; nothing where it does not."""
    return [] if state.get(name) is None else [NewEvent(f"config/{name}", "config.unset", ConfigUnset())]


def evolve(state: State | None, event: Event) -> State | None:
    """Fold one event into a setting's row."""
    value = event.data["value"] if event.type == "config.set" else None
    return {"key": event.entity_id, "value": value, "updated_at": event.recorded_us}
