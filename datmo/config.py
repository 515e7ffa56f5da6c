"""The process's own settings, as the seed has them, and those of projects and their user."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Collection
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar, cast

from datmo import portal

if TYPE_CHECKING:
    from datmo.core.settings import SettingValue
    from datmo.engine import project as engine

__all__ = ["Config", "ProjectConfig"]

P = ParamSpec("P")
T = TypeVar("T")


class Config:
    """One object for the whole process: each `Config()` gives the same.

    Parameters:
        home: the project's home folder, or None.
        logging_level: a level of the `logging` module, such as `logging.WARNING`.

    Attributes:
        instance: None until the first `Config()`, then that object.
    """

    instance: ClassVar[Config | None] = None

    home: str | None
    logging_level: int

    def __new__(cls, home: str | None = None, logging_level: int | None = None) -> Config:
        """Return the one object, made by the first call; what later calls give is set on it."""
        if cls.instance is None:
            cls.instance = super().__new__(cls)
            cls.instance.home = None
            cls.instance.logging_level = logging.WARNING
        if home is not None:
            cls.instance.home = home
        if logging_level is not None:
            cls.instance.logging_level = logging_level
        return cls.instance

    @staticmethod
    def cache_setting(
        key: str | None = None, expires_min: float = 60, ignore_values: Collection[Any] = ()
    ) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """Return a decorator that keeps a function's result in the user's cache until it expires.

        Parameters:
            key: the name that it is kept under; by default the function's, with its arguments.
            expires_min: minutes that it is kept.
            ignore_values: results that are not kept.

        The result must be JSON.
        """

        def decorate(function: Callable[P, T]) -> Callable[P, T]:
            @wraps(function)
            def cached(*args: P.args, **kwargs: P.kwargs) -> T:
                path = _cache_path(key or f"{function.__module__}.{function.__qualname__} {args!r} {kwargs!r}")
                kept = _read(path)
                if kept is not None and time.time() < kept["expires"]:
                    return cast("T", kept["value"])
                value = function(*args, **kwargs)
                if value not in ignore_values:
                    _write(path, {"value": value, "expires": time.time() + expires_min * 60})
                return value

            return cached

        return decorate


class ProjectConfig:
    """`project.config`; see `datmo.engine.config.ProjectConfig`."""

    def __init__(self, held: portal.Held[engine.Project]) -> None:
        self._held = held
        self._config = held.value.config

    def get(self, key: str) -> Any:
        """Return the value of a setting that is in force."""
        return portal.call(self._config.get, key)

    def ls(self) -> list[SettingValue]:
        """Return all settings, with the values in force and where they come from."""
        return portal.call(self._config.ls)

    def set(self, key: str, value: Any, *, user: bool = False) -> SettingValue:
        """Give a setting a value, for the project or for the user."""
        return portal.call(self._config.set, key, value, user=user)

    def unset(self, key: str, *, user: bool = False) -> SettingValue:
        """Take back what the project, or the user, says of a setting."""
        return portal.call(self._config.unset, key, user=user)


def _cache_path(key: str) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "datmo", "settings", hashlib.sha256(key.encode()).hexdigest()[:32] + ".json")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None  # not there, or spoilt: the function is asked again
    return kept if isinstance(kept, dict) and {"value", "expires"} <= kept.keys() else None


def _write(path: Path, kept: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
    beside.write_text(json.dumps(kept))
    beside.replace(path)
