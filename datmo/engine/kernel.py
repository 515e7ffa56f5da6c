"""Whether this process is a notebook's kernel."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["in_notebook"]


def in_notebook() -> ModuleType | None:
    """Return what displays something in a notebook, where this process is a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else getattr(ipython, "get_ipython", lambda: None)()
    kernel = getattr(shell, "kernel", None)
    if kernel is None or getattr(getattr(kernel, "session", None), "pid", os.getpid()) != os.getpid():
        return None  # or a fork of one, which cannot speak to the page
    return sys.modules.get("IPython.display")
