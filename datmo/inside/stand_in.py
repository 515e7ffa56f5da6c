"""Stands in for the package `datmo` where that is not installed: `datmo.task.current()`, and no more.

Where the task's Python has a Datmo of its own, that one is imported instead.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import module_from_spec

_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _step_aside() -> bool:
    """Import the package that would be found if this one were not there; say whether there is one."""
    path = list(sys.path)
    sys.path[:] = [entry for entry in path if os.path.abspath(entry) != _FOLDER]
    try:
        for finder in sys.meta_path:
            found = finder.find_spec(__name__, None)
            if found is not None and found.loader is not None and found.origin is not None:
                package = sys.modules[__name__] = module_from_spec(found)
                found.loader.exec_module(package)
                return True
    finally:
        sys.path[:] = path
    return False


if __name__ == "datmo" and not _step_aside():
    import_module("datmo.task")
