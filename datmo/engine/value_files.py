"""Reading configuration and metrics from files: JSON, YAML and TOML, told apart by the ending of the name.

What JSON cannot say becomes what it would have to say: dates and times are text in ISO 8601, keys are text. NaN and
infinity are numbers, as in Python's JSON. YAML is read as version 1.2 has it (`1e-3` is a number, `on` is text), plain
values only: a file can neither name a class nor grow without end by repeating itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Any

from datmo.errors import DatmoError, InvalidArgument

__all__ = ["ENDINGS", "YamlMissing", "read_document", "read_values"]

ENDINGS = (".json", ".yaml", ".yml", ".toml")
"""In the order in which they go before one another, where several files are there."""

_MOST = 100_000
_DEEPEST = 100


class YamlMissing(DatmoError):
    """A YAML file shall be read, and the package that reads YAML is not installed."""

    exit_code = 2


def read_values(kind: str, path: Path) -> dict[str, Any]:
    """Return the values in a file.

    Parameters:
        kind: `config` or `stats`, for the error.
        path: the file; one of another ending is taken for JSON.

    Raises:
        InvalidArgument: it cannot be read, or holds no names with values.
        YamlMissing: it is YAML, and there is nothing to read it with.
    """
    form = _form(path)
    try:
        values = _load(form, path.read_bytes())
        if not isinstance(values, dict):
            raise InvalidArgument(
                f"the {kind} in {path} is no {'JSON object' if form == 'JSON' else 'mapping of names to values'}",
                hint=f'write {{"name": value, ...}} there, or give the {kind} itself',
            )
        plain: dict[str, Any] = _Plain().of(values, 0)
    except (OSError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise InvalidArgument(f"the {kind} cannot be read from {path}: {problem}") from error
    return plain


def read_document(path: Path) -> Any:
    """Return what a file holds, as values such as JSON has.

    Raises:
        OSError, ValueError, RecursionError: it cannot be read.
        YamlMissing: as for `read_values`.
    """
    return _Plain().of(_load(_form(path), path.read_bytes()), 0)


def _form(path: Path) -> str:
    ending = path.suffix.lower()
    return "YAML" if ending in (".yaml", ".yml") else "TOML" if ending == ".toml" else "JSON"


def _load(form: str, data: bytes) -> Any:
    if form == "JSON":
        return json.loads(data)
    if form == "TOML":
        import tomllib

        return tomllib.loads(data.decode())
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError
    except ModuleNotFoundError as error:
        raise YamlMissing(
            "a YAML file cannot be read without the package ruamel.yaml", hint="pip install 'datmo[yaml]'"
        ) from error
    try:
        values = YAML(typ="safe", pure=True).load(data)
    except YAMLError as error:
        raise ValueError(error) from error
    return {} if values is None else values  # an empty file


class _Plain:
    """Makes values such as JSON could have had, and counts them: aliases of aliases stand for any number."""

    def __init__(self) -> None:
        self._count = 0

    def of(self, value: Any, depth: int) -> Any:
        self._count += 1
        if self._count > _MOST or depth > _DEEPEST:
            raise ValueError(f"it has more than {_MOST} values, or is nested more than {_DEEPEST} deep")
        if isinstance(value, Mapping):
            return {_key(key): self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(item, depth + 1) for item in value]
        if isinstance(value, date | time):  # a datetime is a date
            return value.isoformat()
        if value is None or isinstance(value, str | int | float):
            return value
        raise ValueError(f"it has a value of the kind {type(value).__name__}, which no JSON has")


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, int | float):
        return json.dumps(key)
    if isinstance(key, date | time):
        return key.isoformat()
    raise ValueError(f"it has the key {key!r}, which is no name")
