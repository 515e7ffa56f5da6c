"""A definition for a project that has none: from what its code imports, which is a guess and says so."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from datmo.capture.machine import interpreter_packages

__all__ = ["Guess", "dockerfile", "guess_requirements"]

_MOST_FILES = 5000
_LARGEST = 4 << 20
_OTHER_NAMES = {
    "attr": "attrs", "bs4": "beautifulsoup4", "cv2": "opencv-python", "dateutil": "python-dateutil",
    "dotenv": "python-dotenv", "fitz": "pymupdf", "git": "gitpython", "google.protobuf": "protobuf",
    "jwt": "pyjwt", "magic": "python-magic", "OpenSSL": "pyopenssl", "PIL": "pillow", "serial": "pyserial",
    "skimage": "scikit-image", "sklearn": "scikit-learn", "yaml": "pyyaml", "zmq": "pyzmq",
}  # fmt: skip
"""Packages that are imported by another name than they are installed by."""

_MAGIC = re.compile(r"^\s*[%!].*$", re.MULTILINE)


class Guess(NamedTuple):
    """What a project's code seems to need.

    Attributes:
        requirements: the lines of a requirements.txt, sorted.
        files: how many files were read.
        notices: what is not known, a line each.
    """

    requirements: tuple[str, ...]
    files: int
    notices: tuple[str, ...]


def guess_requirements(root: Path) -> Guess:
    """Return what the Python files and notebooks below a folder import that is neither Python's nor the project's own.

    A package that is installed for the running Python gets its version; of the others only the name is known, and
    that is said.
    """
    sources = list(_sources(root))
    own = {path.stem for path in sources} | {path.parent.name for path in sources if path.name == "__init__.py"}
    own |= {folder.name for folder in root.iterdir() if folder.is_dir()} if root.is_dir() else set()
    imported: set[str] = set()
    unread: list[str] = []
    for path in sources:
        try:
            imported |= set(_imports(path))
        except (OSError, SyntaxError, ValueError, RecursionError):
            unread.append(path.relative_to(root).as_posix())
    names = {_installed_as(module) for module in imported if module not in own | sys.stdlib_module_names}
    versions = dict(package.split("==", 1) for package in interpreter_packages())
    unknown = sorted(name for name in names if name not in versions)
    notices = [f"without a version, as not installed here: {', '.join(unknown)}"] if unknown else []
    if unread:
        notices.append(f"not read, as no valid Python: {', '.join(sorted(unread)[:5])}{' …' if unread[5:] else ''}")
    lines = sorted(f"{name}=={versions[name]}" if name in versions else name for name in names)
    return Guess(tuple(lines), len(sources) - len(unread), tuple(notices))


def dockerfile(python: str, requirements: bool) -> str:
    """Return a Dockerfile for a Python of a version, with what a requirements.txt beside it lists."""
    lines = [f"FROM python:{python}-slim"]
    if requirements:
        lines += ["COPY requirements.txt /tmp/", "RUN pip install --no-cache-dir -r /tmp/requirements.txt"]
    return "\n".join([*lines, ""])


def _sources(root: Path) -> Iterator[Path]:
    """Yield the Python files and notebooks of a project; not those of environments and of hidden folders."""
    count = 0
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in ("node_modules", "__pycache__", "site-packages")
            and not (here / name / "pyvenv.cfg").exists()
        )  # fmt: skip
        for name in sorted(names):
            path = here / name
            if path.suffix in (".py", ".ipynb") and path.is_file() and path.stat().st_size <= _LARGEST:
                yield path
                count += 1
                if count == _MOST_FILES:
                    return


def _imports(path: Path) -> Iterator[str]:
    """Yield the top names of what a file imports."""
    source = path.read_bytes()
    for tree in map(ast.parse, _cells(source) if path.suffix == ".ipynb" else [source]):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                yield node.module.partition(".")[0]


def _cells(notebook: bytes) -> Iterator[str]:
    """Yield the code of a notebook's cells, without the lines that only a notebook understands."""
    found = json.loads(notebook)
    cells = found.get("cells", []) if isinstance(found, Mapping) else []
    for cell in cells:
        if cell.get("cell_type") == "code":
            source = cell.get("source", "")
            yield _MAGIC.sub("", source if isinstance(source, str) else "".join(source))


def _installed_as(module: str) -> str:
    """Return the name by which what is imported is installed, in its normal form."""
    return re.sub(r"[-_.]+", "-", _OTHER_NAMES.get(module, module)).lower()
