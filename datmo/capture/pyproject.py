"""What a pyproject.toml and the lock beside it ask to be installed, as lines that every installer reads."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from typing import Any

from datmo.errors import EnvironmentInvalid

__all__ = ["LOCKS", "defines_environment", "lock_pins", "project_dependencies"]

LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml")
"""The lock files that are followed, the first that is there."""

# What says in one of the lock formats that a package does not come from an index.
_NOT_FROM_AN_INDEX = {"git", "vcs", "url", "path", "file", "directory", "archive", "editable", "virtual"}


def defines_environment(content: bytes) -> bool:
    """Whether a pyproject.toml says what is to be installed; many only hold the settings of tools.

    Raises:
        EnvironmentInvalid: it is no TOML.
    """
    table = _load(content, "pyproject.toml")
    return "project" in table or "dependencies" in _poetry(table)


def project_dependencies(content: bytes, extras: Iterable[str] = (), *, locked: bool = False) -> list[str]:
    """Return the dependencies that a pyproject.toml declares, one requirement each.

    Parameters:
        content: its bytes.
        extras: the optional groups to add.
        locked: whether a lock gives the versions, without which Poetry's own table is not read.

    Raises:
        EnvironmentInvalid: it cannot be read, or only Poetry could install it.
    """
    table = _load(content, "pyproject.toml")
    project = table.get("project", {})
    if "dependencies" not in project and "dependencies" in _poetry(table):
        return _poetry_dependencies(_poetry(table)["dependencies"], locked=locked)
    dynamic = project.get("dynamic", [])
    if "dependencies" in dynamic:
        raise EnvironmentInvalid(
            "the dependencies in pyproject.toml are dynamic: only a build of the project would tell them",
            hint="list them under [project] dependencies, or give a requirements.txt or a Dockerfile",
        )
    optional = project.get("optional-dependencies", {})
    groups = [project.get("dependencies", []), *(optional.get(extra, []) for extra in extras)]
    return [str(requirement) for group in groups for requirement in group]


def lock_pins(content: bytes, name: str) -> list[str]:
    """Return a lock as constraints, `package==version` each.

    A package that the lock has in several versions, for several platforms, gets none.

    Raises:
        EnvironmentInvalid: the lock cannot be read.
    """
    table = _load(content, name)
    versions: dict[str, set[str]] = {}
    for package in table.get("package", table.get("packages", [])):
        source = package.get("source", {})
        elsewhere = source.get("type") in _NOT_FROM_AN_INDEX or _NOT_FROM_AN_INDEX & (source.keys() | package.keys())
        if "version" in package and not elsewhere:
            versions.setdefault(package["name"], set()).add(package["version"])
    return sorted(f"{package}=={found.pop()}" for package, found in versions.items() if len(found) == 1)


def _load(content: bytes, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise EnvironmentInvalid(f"{name} cannot be read: {error}") from error


def _poetry(table: dict[str, Any]) -> dict[str, Any]:
    found = table.get("tool", {}).get("poetry", {})
    return found if isinstance(found, dict) else {}


def _poetry_dependencies(dependencies: dict[str, Any], *, locked: bool) -> list[str]:
    if not locked:
        raise EnvironmentInvalid(
            "pyproject.toml declares its dependencies in Poetry's own form, and there is no poetry.lock",
            hint="run `poetry lock`, or list them under [project] dependencies",
        )
    lines: list[str] = []
    for name, wanted in dependencies.items():
        options = wanted if isinstance(wanted, dict) else {}
        if re.fullmatch("python", name, re.IGNORECASE) or options.get("optional"):
            continue
        if _NOT_FROM_AN_INDEX & options.keys():
            raise EnvironmentInvalid(
                f"pyproject.toml takes {name} from elsewhere than an index, which only Poetry can install",
                hint="list it under [project] dependencies as `name @ URL`, or give a Dockerfile",
            )
        extras = f"[{','.join(options['extras'])}]" if options.get("extras") else ""
        markers = f" ; {options['markers']}" if options.get("markers") else ""
        lines.append(f"{name}{extras}{markers}")
    return lines
