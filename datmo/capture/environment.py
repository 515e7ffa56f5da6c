"""Which environment a run depends on: the definition in force, its files, and the id that they give.

The same content gives the same id on every machine of a kind: the id covers the definition's files, with the
locks and the files that they pull in, and the platform. Absolute paths and hardware are no part of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from blake3 import blake3

from datmo.capture.machine import hardware, interpreter_packages, platform
from datmo.errors import EnvironmentInvalid

# What reads a kind of definition is imported where one is met: `task run` in a container needs none of it.
if TYPE_CHECKING:
    from datmo.capture.requirements import ReadFile

__all__ = ["EnvironmentCapture", "Keeper", "capture_environment", "definitions", "environment_digest"]

_IN_THE_ROOT = {
    "Dockerfile": "dockerfile",
    "requirements.txt": "requirements",
    "pyproject.toml": "pyproject",
    "environment.yml": "conda",
    "environment.yaml": "conda",
}
"""What is looked for in a folder, in this order."""

_ELSEWHERE = ("docker/Dockerfile", ".devcontainer/Dockerfile", "Dockerfile.*", "*.Dockerfile")
"""Where else people have Dockerfiles: not used, but said."""


class Keeper(Protocol):
    """What keeps the files of definitions: the object store, or what only tells their ids."""

    def put_many(self, blobs: Iterable[bytes]) -> list[str]:
        """Keep several objects and return their ids."""
        ...


class EnvironmentCapture(NamedTuple):
    """An environment as it was captured.

    Parameters:
        environment_id: 64 hexadecimal digits; the same for the same definition on the same platform.
        kind: `dockerfile`, `requirements`, `pyproject`, `conda` or `interpreter`.
        files: the names of the definition's files, and the objects that hold them.
        platform: `system`, `machine` and, except for a Dockerfile, `implementation` and `python`.
        hardware: what the machine had; recorded, no part of the id.
        packages: for `interpreter`, its packages as `name==version`.
        described: which definition this is, and why, for people; one line.
        definition: the name of the definition itself among `files`.
        dockerignore: the name of the .dockerignore in force among `files`, or None.
        notices: what the user should know about the choice, a line each.
    """

    environment_id: str
    kind: str
    files: dict[str, str]
    platform: dict[str, str]
    hardware: dict[str, Any]
    packages: tuple[str, ...]
    described: str
    definition: str
    dockerignore: str | None = None
    notices: tuple[str, ...] = ()


class _Found(NamedTuple):
    kind: str
    definition: str
    files: dict[str, bytes]
    described: str
    packages: tuple[str, ...] = ()
    dockerignore: str | None = None
    notices: tuple[str, ...] = ()


def capture_environment(store: Keeper, root: Path, definition: Path | None = None) -> EnvironmentCapture:
    """Capture the environment in force, and put its files into the store.

    Parameters:
        store: where the definition's files are kept.
        root: the project's root.
        definition: a definition file, or a folder that holds one, relative to the root or absolute; None for
            the one in the root, or the running interpreter's packages where there is none.

    Raises:
        EnvironmentInvalid: the definition does not exist, is of no known kind, or cannot be read.
    """
    try:
        found = _in_force(root) if definition is None else _given(root, definition)
    except OSError as error:
        raise EnvironmentInvalid(f"{error.filename} cannot be read: {error.strerror}") from error
    ids = store.put_many(found.files.values())
    files = dict(zip(found.files, ids, strict=True))
    here = platform(in_container=found.kind == "dockerfile")
    return EnvironmentCapture(
        environment_id=environment_digest(found.kind, found.definition, files, here),
        kind=found.kind,
        files=files,
        platform=here,
        hardware=hardware(),
        packages=found.packages,
        described=found.described,
        definition=found.definition,
        dockerignore=found.dockerignore,
        notices=found.notices,
    )


def _in_force(root: Path) -> _Found:
    found = _in_folder(root, root) or _interpreter()
    if found.kind == "dockerfile":
        return found
    elsewhere = [
        path.relative_to(root).as_posix()
        for each in _ELSEWHERE
        for path in sorted(root.glob(each))
        if path.suffix != ".dockerignore"
    ]
    if not elsewhere:
        return found
    more = f", nor {', '.join(elsewhere[1:])}" if elsewhere[1:] else ""
    notice = f"{elsewhere[0]} is not used{more}: `datmo config set environment {elsewhere[0]}` makes it the environment"
    return found._replace(notices=(*found.notices, notice))


def definitions(root: Path) -> list[str]:
    """Return the names of the definitions in a project's root, the one in force first."""
    return [
        name
        for name in _IN_THE_ROOT
        if (root / name).is_file() and (name != "pyproject.toml" or _names_project(root / name))
    ]


def environment_digest(kind: str, definition: str, files: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Return the id of an environment: what its definition is, and for which platform."""
    # ASCII JSON with sorted keys: one form for one content, also for names that are not UTF-8.
    canonical = json.dumps([1, kind, definition, files, here], sort_keys=True, separators=(",", ":"))
    return blake3(canonical.encode("ascii")).hexdigest()


def _given(root: Path, definition: Path) -> _Found:
    path = Path(os.path.normpath(root / definition))
    if path.is_dir():
        found = _in_folder(root, path)
        if found is None:
            names = ", ".join(_IN_THE_ROOT)
            raise EnvironmentInvalid(f"{str(definition)!r} holds no environment", hint=f"put one there: {names}")
        return found
    if not path.is_file():
        raise EnvironmentInvalid(
            f"the environment {str(definition)!r} does not exist",
            hint="give a path relative to the project; `datmo config get environment` is what is taken without one",
        )
    base, name = _placed(root, path)
    return _read(_kind_of(path), base, name, root)


def _placed(root: Path, path: Path) -> tuple[Path, str]:
    """Return the folder that a definition's names are relative to, and its own name there."""
    for project, file in ((root, path), (root.resolve(), path.resolve())):
        if file.is_relative_to(project):
            return project, file.relative_to(project).as_posix()
    return path.parent, path.name


def _kind_of(path: Path) -> str:
    """Say what a file is that was given by its path, by its name or else by its content."""
    from datmo.capture.dockerfile import is_dockerfile

    name = path.name
    if name.startswith("Dockerfile") or name.endswith("Dockerfile"):
        return "dockerfile"
    if name == "pyproject.toml":
        return "pyproject"
    if name.startswith("requirements") and name.endswith(".txt"):
        return "requirements"
    if is_dockerfile(path.read_bytes()):
        return "dockerfile"
    if path.suffix in (".yml", ".yaml"):
        return "conda"
    if path.suffix == ".txt":
        return "requirements"
    raise EnvironmentInvalid(
        f"{str(path.name)!r} is no environment definition that is known",
        hint="give a Dockerfile, requirements.txt, pyproject.toml or environment.yml",
    )


def _in_folder(root: Path, folder: Path) -> _Found | None:
    """Return the first definition in a folder that is one, naming those passed over."""
    present = [name for name in _IN_THE_ROOT if (folder / name).is_file()]
    notices: list[str] = []
    for position, name in enumerate(present):
        if name == "pyproject.toml" and not _names_project(folder / name):
            notices.append("pyproject.toml is not used: it names no project")
            continue
        others = present[position + 1 :]
        if name == "Dockerfile":
            others = _not_copied(folder / name, others)
        if others:
            notices.append(f"{name} is the environment; not used: {', '.join(others)}")
        base, relative = _placed(root, folder / name)
        found = _read(_IN_THE_ROOT[name], base, relative, root)
        return found._replace(notices=(*notices, *found.notices))
    return None


def _not_copied(dockerfile: Path, names: list[str]) -> list[str]:
    """Return those of some files beside a Dockerfile that it does not copy into its image."""
    from datmo.capture.dockerfile import copied_sources
    from datmo.capture.dockerignore import pattern_regex

    sources = copied_sources(dockerfile.read_bytes()) if names else ()
    if sources is None:
        return []
    try:
        patterns = [pattern_regex(source, whose="the Dockerfile") for source in sources]
    except EnvironmentInvalid:  # whoever builds it will be told
        return names
    return [name for name in names if not any(pattern.match(name) for pattern in patterns)]


def _names_project(path: Path) -> bool:
    from datmo.capture.pyproject import defines_environment

    return defines_environment(path.read_bytes())


def _read(kind: str, base: Path, name: str, root: Path) -> _Found:
    read = _reader(base)
    content = read(name) or b""
    if kind == "dockerfile":
        return _dockerfile(read, name, content, root)
    if kind == "requirements":
        from datmo.capture.requirements import read_requirements

        found = read_requirements(name, read)
        return _Found(kind, name, found.kept, name, notices=found.notices)
    if kind == "pyproject":
        return _pyproject(read, name, content)
    from datmo.capture.conda import read_conda
    from datmo.capture.installation import conda_requirements

    environment = read_conda(content, name)
    pulled = conda_requirements(list(environment.pip), read)
    return _Found(kind, name, {name: content, **pulled.kept}, name, notices=pulled.notices)


def _reader(base: Path) -> ReadFile:
    def read(name: str) -> bytes | None:
        path = base / name
        return path.read_bytes() if path.is_file() else None

    return read


def _dockerfile(read: ReadFile, name: str, content: bytes, root: Path) -> _Found:
    files = {name: content}
    # A Dockerfile's own list of what to leave out goes before the project's, as with the docker program.
    own = read(f"{name}.dockerignore")
    ignore = own if own is not None else _reader(root)(".dockerignore")
    if ignore is None:
        return _Found("dockerfile", name, files, name)
    ignore_name = ".dockerignore" if own is None else f"{name}.dockerignore"
    return _Found("dockerfile", name, {**files, ignore_name: ignore}, name, dockerignore=ignore_name)


def _pyproject(read: ReadFile, name: str, content: bytes) -> _Found:
    from datmo.capture.pyproject import LOCKS, project_dependencies

    folder = name.removesuffix("pyproject.toml")
    for lock in LOCKS:
        locked = read(folder + lock)
        if locked is not None:
            project_dependencies(content, locked=True)
            return _Found("pyproject", name, {name: content, folder + lock: locked}, f"{name} with {lock}")
    project_dependencies(content)
    return _Found("pyproject", name, {name: content}, f"{name} (no lock found)")


def _interpreter() -> _Found:
    packages = interpreter_packages()
    content = "".join(f"{package}\n" for package in packages).encode()
    described = f"no definition found: this Python's {len(packages)} packages"
    return _Found("interpreter", "packages.txt", {"packages.txt": content}, described, packages)
