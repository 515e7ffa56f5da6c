"""What an environment.yml asks for, and how much of it pip can install.

Conda's own files use a small part of YAML: a few keys, and lists of words. That part is read here; anything
else is refused, not guessed at.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from datmo.errors import EnvironmentInvalid

__all__ = ["CondaEnvironment", "pip_requirements", "read_conda"]

_ITEM = re.compile(r"(?P<indent> *)- +(?P<value>.+)\Z")
_KEY = re.compile(r"(?P<key>[A-Za-z_][\w-]*) *:(?: +(?P<value>.*))?\Z")
_SPEC = re.compile(r"(?:[\w./-]+::)?(?P<name>[A-Za-z0-9_.-]+) *(?P<version>[=<>!~].*)?\Z")
# Not Python packages, or known to the index under another name, where a stranger may hold this one.
_ONLY_CONDA = re.compile(
    r"_.*|lib.*|r-.*|cuda.*|cudnn|nccl|mkl.*|blas|openblas|gcc.*|gxx.*|clang.*|compilers|cmake|make|ffmpeg|git|"
    r"nodejs|openjdk|openmpi|mpich|hdf5|zlib|openssl|boost|gdal|pytorch.*|torchtriton|py-opencv|opencv|pytables",
    re.IGNORECASE,
)


class CondaEnvironment(NamedTuple):
    """An environment.yml: the version of Python it asks for, conda's packages, and pip's lines."""

    python: str | None
    packages: tuple[str, ...]
    pip: tuple[str, ...]


def read_conda(content: bytes, name: str) -> CondaEnvironment:
    """Read an environment.yml.

    Parameters:
        content: its bytes.
        name: what to call it in an error.

    Raises:
        EnvironmentInvalid: it holds more than the usual lists.
    """
    packages: list[str] = []
    pip: list[str] = []
    key = ""
    pip_indent: int | None = None
    for line in _lines(content):
        item = _ITEM.match(line)
        if item is None:
            top = _KEY.match(line)
            if top is None or (top["key"] == "dependencies" and top["value"]):
                raise _unreadable(name, line)
            key, pip_indent = top["key"], None
        elif key == "dependencies":
            indent, value = len(item["indent"]), _unquoted(item["value"])
            if pip_indent is not None and indent > pip_indent:
                pip.append(value)
            elif re.fullmatch(r"pip *:", value):
                pip_indent = indent
            elif _SPEC.match(value):
                packages.append(value)
                pip_indent = None
            else:
                raise _unreadable(name, line)
    return CondaEnvironment(_python(packages), tuple(packages), tuple(pip))


def pip_requirements(environment: CondaEnvironment, name: str) -> list[str]:
    """Return what pip is to install so that an environment.yml is met without conda.

    Raises:
        EnvironmentInvalid: it asks for what only conda has.
    """
    wanted = [match for spec in environment.packages if (match := _SPEC.match(spec)) is not None]
    wanted = [match for match in wanted if match["name"].lower() not in ("python", "pip", "setuptools", "wheel")]
    only_conda = sorted(match["name"] for match in wanted if _ONLY_CONDA.fullmatch(match["name"]))
    if only_conda:
        raise EnvironmentInvalid(
            f"{name} asks for what only conda has: {', '.join(only_conda)}",
            hint="install micromamba or conda, or give a Dockerfile",
        )
    return [match["name"] + _pip_version(match["version"] or "") for match in wanted] + list(environment.pip)


def _lines(content: bytes) -> list[str]:
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    lines = [re.sub(r"(?:^|\s)#.*", "", line).rstrip() for line in text.splitlines()]
    return [line for line in lines if line and line not in ("---", "...")]


def _unquoted(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _unreadable(name: str, line: str) -> EnvironmentInvalid:
    return EnvironmentInvalid(
        f"{name} has a line that is not understood: {line.strip()!r}",
        hint="list the packages under `dependencies:`, one a line after a dash, or give a Dockerfile",
    )


def _python(packages: list[str]) -> str | None:
    """Return the version of Python that is asked for, `3.11`, where one is."""
    for spec in packages:
        if (found := re.fullmatch(r"(?:[\w./-]+::)?python *={1,2} *(\d+\.\d+)(?:[.=*].*)?", spec)) is not None:
            return found[1]
    return None


def _pip_version(version: str) -> str:
    """Turn `=1.2`, `=1.2=py_0` or `=1.2.*` of conda into pip's form; other forms are the same in both."""
    single = re.fullmatch(r"= *([^=<>!~ ]+)(=.*)?", version)
    if single is None:
        return version
    exact = single[1].removesuffix("*").removesuffix(".")
    return f"=={exact}" if single[2] else f"=={exact}.*"
