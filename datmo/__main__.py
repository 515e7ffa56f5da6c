"""`datmo` and `python -m datmo`: the command line."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line and return its exit code."""
    from datmo.cli import overview

    text = overview.answer(sys.argv[1:])
    if text is not None:
        print(text)  # noqa: T201
        return 0
    try:
        from datmo.cli.edge import run
    except KeyboardInterrupt:
        return 130
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
