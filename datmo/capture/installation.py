"""From an environment's definition to what an installer is given: files, and which of them it reads.

The same code looks at the files of a project when an environment is captured, and at the kept ones when it is
built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from datmo.capture.conda import pip_requirements, read_conda
from datmo.capture.pyproject import LOCKS, lock_pins, project_dependencies
from datmo.capture.requirements import ReadFile, Requirements, read_requirements

__all__ = ["Installation", "conda_requirements", "installation", "lock_of"]

_REQUIREMENTS = "datmo-requirements.txt"
_CONSTRAINTS = "datmo-constraints.txt"


class Installation(NamedTuple):
    """What an installer is given.

    Parameters:
        files: what to write into a folder of its own, by relative path.
        requirements: the one that an installer reads.
        constraints: the one that holds the versions of a lock, or None.
        python: the version of Python that is asked for, as `3.11`, or None for any.
    """

    files: dict[str, bytes]
    requirements: str
    constraints: str | None = None
    python: str | None = None


def installation(kind: str, definition: str, files: Mapping[str, bytes]) -> Installation:
    """Return what an installer is given for an environment.

    Parameters:
        kind: the environment's kind: `requirements`, `pyproject`, `conda` or `interpreter`.
        definition: the name of its definition.
        files: the definition's files, with all that it pulls in.

    Raises:
        EnvironmentInvalid: a definition that pip and its like cannot install.
    """
    if kind == "pyproject":
        return _of_pyproject(definition, files)
    if kind == "conda":
        environment = read_conda(files[definition], definition)
        found = conda_requirements(pip_requirements(environment, definition), files.get)
        return Installation({**files, **found.installed}, _REQUIREMENTS, python=environment.python)
    found = read_requirements(definition, files.get)
    return Installation({**files, **found.installed}, definition)


def conda_requirements(lines: list[str], read: ReadFile) -> Requirements:
    """Read the pip lines of an environment.yml as the requirements file that they are.

    Parameters:
        lines: the lines.
        read: reads what they pull in.

    Raises:
        EnvironmentInvalid: a file that they pull in is missing or lies outside the project.
    """
    content = _lines(lines)
    found = read_requirements(_REQUIREMENTS, lambda name: content if name == _REQUIREMENTS else read(name))
    found.kept.pop(_REQUIREMENTS)
    return found


def lock_of(files: Mapping[str, bytes]) -> str | None:
    """Return the name of the lock among a definition's files, or None."""
    return next((name for name in files if name.rpartition("/")[2] in LOCKS), None)


def _of_pyproject(definition: str, files: Mapping[str, bytes]) -> Installation:
    lock = lock_of(files)
    wanted = project_dependencies(files[definition], locked=lock is not None)
    written = {**files, _REQUIREMENTS: _lines(wanted)}
    if lock is None:
        return Installation(written, _REQUIREMENTS)
    written[_CONSTRAINTS] = _lines(lock_pins(files[lock], lock))
    return Installation(written, _REQUIREMENTS, _CONSTRAINTS)


def _lines(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")
