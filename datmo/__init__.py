"""Datmo records tasks and keeps snapshots of code, environment, files, configuration and results.

This module loads nothing until a name is used: ``import datmo`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = ["Project", "__version__", "config", "init", "open", "session", "snapshot", "task", "track"]

if TYPE_CHECKING:
    # Not `from datmo import …`: a type checker finds no submodule in the very module that it is reading.
    import datmo.config as config  # noqa: PLR0402
    import datmo.session as session  # noqa: PLR0402
    import datmo.snapshot as snapshot  # noqa: PLR0402
    import datmo.task as task  # noqa: PLR0402
    from datmo.project import Project, init, open  # noqa: A004
    from datmo.tracking import track
else:

    def __getattr__(name: str) -> object:
        """Load what a name stands for when it is first used."""
        from importlib import import_module

        if name in {"config", "session", "snapshot", "task"}:
            return import_module(f"datmo.{name}")
        if name == "track":
            return import_module("datmo.tracking").track
        if name in __all__:
            return getattr(import_module("datmo.project"), name)
        raise AttributeError(f"module 'datmo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
